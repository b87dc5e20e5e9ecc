/**
 * Bytes admitted and not yet settled, of all connections. Counted at admission, before any await.
 */
export class TotalBudget {
  readonly max: number;
  used = 0;
  readonly #waiting = new Set<ConnectionBudget>();

  constructor(max: number) {
    this.max = max;
  }

  wait(connection: ConnectionBudget): void {
    this.#waiting.add(connection);
  }

  forget(connection: ConnectionBudget): void {
    this.#waiting.delete(connection);
  }

  /** Lets those connections read again that stopped for the sake of the total. */
  wake(): void {
    if (this.used > this.max / 2) return;
    for (const connection of this.#waiting) {
      this.#waiting.delete(connection);
      connection.reconsider();
    }
  }
}

/**
 * What one message in flight costs beside its own bytes: promises, buffers' heads, an engine's
 * slot. Without it, a budget of bytes would let a million tiny messages in.
 */
const MESSAGE_OVERHEAD_BYTES = 1_024;

/** What a PUBLISH of this remaining length takes of a budget. */
export function costOf(remaining: number): number {
  return remaining + MESSAGE_OVERHEAD_BYTES;
}

/**
 * The share of one connection. What arrives is always counted, and then decides whether more is
 * read: bytes already received are never dropped. Overshoot is one socket chunk and one packet.
 */
export class ConnectionBudget {
  readonly #total: TotalBudget;
  readonly #max: number;
  readonly #pause: () => void;
  readonly #resume: () => void;
  used = 0;
  #paused = false;
  #closed = false;

  constructor(total: TotalBudget, max: number, pause: () => void, resume: () => void) {
    this.#total = total;
    this.#max = max;
    this.#pause = pause;
    this.#resume = resume;
  }

  /** Whether the connection is being read. */
  get reading(): boolean {
    return !this.#paused;
  }

  /** Reads no more, for good. */
  stop(): void {
    this.#closed = true;
    this.#total.forget(this);
    if (this.#paused) return;
    this.#paused = true;
    this.#pause();
  }

  take(bytes: number): void {
    this.used += bytes;
    this.#total.used += bytes;
    if (this.#paused || (this.used < this.#max && this.#total.used < this.#total.max)) return;
    this.#paused = true;
    this.#pause();
    if (this.#total.used >= this.#total.max) this.#total.wait(this);
  }

  give(bytes: number): void {
    this.used -= bytes;
    this.#total.used -= bytes;
    this.#total.wake();
    this.reconsider();
  }

  /** Resumes at half, so that pause and resume do not alternate with every message. */
  reconsider(): void {
    if (!this.#paused || this.#closed || this.used > this.#max / 2) return;
    if (this.#total.used >= this.#total.max) {
      this.#total.wait(this);
      return;
    }
    this.#paused = false;
    this.#resume();
  }

  /** The connection is gone; what is in flight is still given back as it settles. */
  close(): void {
    this.#closed = true;
    this.#total.forget(this);
  }
}
