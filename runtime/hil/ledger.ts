// What was sent to the machine, what it acknowledged, and when: the oracle of every check.

import { StepFailure } from './world.js';

export interface Sent {
  readonly sequence: number;
  readonly vector: Float32Array;
}

export interface Acknowledged extends Sent {
  /**
   * Entries in the block log when the acknowledgement arrived. Read a moment after the fact, so it
   * is never too small: what a check demands was truly acknowledged by then.
   */
  readonly logEntries: number;
}

/** 10 million records of 128 numbers would be 5 GB here; a scenario sends thousands. */
const RECORDS_MAX = 2_000_000;

export class Ledger {
  readonly #sent = new Map<number, Sent>();
  readonly #acknowledged = new Map<number, Acknowledged>();
  readonly #waiting: { count: number; resolve: () => void }[] = [];

  get sentCount(): number {
    return this.#sent.size;
  }

  get acknowledgedCount(): number {
    return this.#acknowledged.size;
  }

  get inFlight(): number {
    return this.#sent.size - this.#acknowledged.size;
  }

  get acknowledged(): Acknowledged[] {
    return [...this.#acknowledged.values()];
  }

  send(record: Sent): void {
    if (this.#sent.size >= RECORDS_MAX) {
      throw new StepFailure(`a scenario may send ${RECORDS_MAX} records`);
    }
    this.#sent.set(record.sequence, record);
  }

  /** Redelivered messages are acknowledged again: the first time counts. */
  acknowledge(sequence: number, logEntries: number): void {
    const record = this.#sent.get(sequence);
    if (record === undefined || this.#acknowledged.has(sequence)) return;
    this.#acknowledged.set(sequence, { ...record, logEntries });
    const met = this.#waiting.filter(({ count }) => count <= this.#acknowledged.size);
    for (const one of met) {
      this.#waiting.splice(this.#waiting.indexOf(one), 1);
      one.resolve();
    }
  }

  /** All that is acknowledged so far was so before the block log that begins now. */
  settle(): void {
    for (const [sequence, record] of this.#acknowledged) {
      this.#acknowledged.set(sequence, { ...record, logEntries: 0 });
    }
  }

  /** Resolves once so many records in all are acknowledged. */
  async reach(count: number): Promise<void> {
    if (this.#acknowledged.size >= count) return;
    await new Promise<void>((resolve) => this.#waiting.push({ count, resolve }));
  }
}
