// Where changes wait, in order, while the engine's queue is full.

import { rveError } from '../errors/index.js';

/** What may wait beside the engine's own queue of 32 MiB: twice that, for senders that never
 * await. */
export const WAITING_BYTES_MAX = 64 * 1024 * 1024;
/** What one waiting call costs beside its rows: promise, closures, views. */
const CALL_BYTES = 512;

export interface Waiting {
  /** Of its rows. */
  bytes: number;
  /** Tries again. False: the queue is still full. */
  start: () => boolean;
  /** An abort took it out; it keeps its place until its turn, without its rows. */
  dropped: boolean;
}

export class WaitingLine {
  #line: (Waiting | undefined)[] = [];
  #first = 0;
  #bytes = 0;

  get empty(): boolean {
    return this.#first === this.#line.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /**
   * @throws RveError ERR_BUSY when what waits would pass WAITING_BYTES_MAX. One call always may
   * wait,
   *   and so may those without rows (flush, close).
   */
  push(waiting: Waiting): void {
    const bytes = waiting.bytes + CALL_BYTES;
    if (waiting.bytes > 0 && !this.empty && this.#bytes + bytes > WAITING_BYTES_MAX) {
      throw rveError('ERR_BUSY', `The queue is full, and ${this.#bytes} bytes wait for it already`);
    }
    this.#bytes += bytes;
    this.#line.push(waiting);
  }

  /** Takes one out ahead of its turn. */
  drop(waiting: Waiting): void {
    waiting.dropped = true;
    this.#bytes -= waiting.bytes;
    waiting.bytes = 0;
    waiting.start = () => true;
  }

  /** Starts what waits, in order, until the queue is full again. True: nothing waits any more. */
  drain(): boolean {
    while (!this.empty) {
      const waiting = this.#line[this.#first] as Waiting;
      if (!waiting.dropped && !waiting.start()) {
        this.#compact();
        return false;
      }
      this.#line[this.#first++] = undefined; // Its rows are free at once.
      this.#bytes -= waiting.bytes + CALL_BYTES;
    }
    this.#line = [];
    this.#first = 0;
    return true;
  }

  /** Lets go of what has left; amortised, so that a long line is not moved at each step. */
  #compact(): void {
    if (this.#first * 2 < this.#line.length) return;
    this.#line = this.#line.slice(this.#first);
    this.#first = 0;
  }
}
