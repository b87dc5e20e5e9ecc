// One line on a terminal that says how far a long command is. Silent when stderr is not a terminal.

import type { Output } from './context.js';
import { bytes, count } from './report.js';

/** Ten a second: smooth to the eye, and nothing beside the work. */
const REDRAW_MS = 100;
const BAR_COLUMNS = 24;

export interface ProgressOptions {
  readonly output: Output;
  readonly monotonic: () => number;
  /** What is counted: 'records'. */
  readonly unit: string;
  /** Of the input, when known: a bar is drawn instead of a bare count. */
  readonly bytesTotal?: number;
}

export class Progress {
  readonly #options: ProgressOptions;
  readonly #startedAt: number;
  #drawnAt = -Infinity;
  #drawn = false;

  constructor(options: ProgressOptions) {
    this.#options = options;
    this.#startedAt = options.monotonic();
  }

  /** Tells the state; draws it when enough time has gone by. */
  update(done: number, bytesDone = 0): void {
    if (this.#options.output.isTTY !== true) return;
    const now = this.#options.monotonic();
    if (now - this.#drawnAt < REDRAW_MS) return;
    this.#drawnAt = now;
    this.#drawn = true;
    this.#options.output.write(`\r\x1b[K${this.#line(done, bytesDone, now)}`);
  }

  /** Removes the line, so that the answer stands alone. */
  finish(): void {
    if (this.#drawn) this.#options.output.write('\r\x1b[K');
    this.#drawn = false;
  }

  #line(done: number, bytesDone: number, now: number): string {
    const { unit, bytesTotal } = this.#options;
    const seconds = Math.max(0.001, (now - this.#startedAt) / 1000);
    const rate = `${count(done)} ${unit}, ${count(done / seconds)}/s`;
    if (bytesTotal === undefined || bytesTotal === 0) return rate;
    const share = Math.min(1, bytesDone / bytesTotal);
    const filled = Math.round(share * BAR_COLUMNS);
    const bar = '#'.repeat(filled) + '-'.repeat(BAR_COLUMNS - filled);
    return `[${bar}] ${Math.floor(share * 100)} % of ${bytes(bytesTotal)}, ${rate}`;
  }
}
