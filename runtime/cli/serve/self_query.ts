// A light load of queries with vectors that were just stored: the p50 and p99 of the status line
// are measured on this memory, on this machine, while it ingests.

import type { Store } from '../context.js';
import type { Latencies } from './latencies.js';

/** Vectors to ask with; 128 KiB at d = 128. */
const KEPT_MAX = 256;
const K = 10;

export interface SelfQueryOptions {
  readonly store: Pick<Store, 'query'>;
  readonly perS: number;
  readonly every: (ms: number, tick: () => void) => () => void;
  readonly monotonic: () => number;
  readonly random32: () => number;
  readonly latencies: Latencies;
  readonly onError: (error: unknown) => void;
}

export class SelfQuery {
  readonly #options: SelfQueryOptions;
  readonly #vectors: Float32Array[] = [];
  readonly #stopTicks: () => void;
  #seen = 0;
  #running: Promise<void> | null = null;

  constructor(options: SelfQueryOptions) {
    this.#options = options;
    this.#stopTicks =
      options.perS > 0 ? options.every(1000 / options.perS, () => this.#tick()) : () => undefined;
  }

  /** Tells of a stored vector. It is kept, not copied: the giver must not change it. */
  remember(vector: Float32Array): void {
    this.#vectors[this.#seen % KEPT_MAX] = vector;
    this.#seen++;
  }

  async stop(): Promise<void> {
    this.#stopTicks();
    await this.#running;
  }

  #tick(): void {
    // One at a time: a memory that is slower than the load must not gather a queue of it.
    if (this.#running !== null) return;
    const vector = this.#vectors[this.#options.random32() % Math.max(1, this.#vectors.length)];
    if (vector === undefined) return;
    this.#running = this.#ask(vector).finally(() => {
      this.#running = null;
    });
  }

  async #ask(vector: Float32Array): Promise<void> {
    const { store, monotonic, latencies, onError } = this.#options;
    const startedAt = monotonic();
    try {
      await store.query({ vector, k: K });
      latencies.add(monotonic() - startedAt);
    } catch (error) {
      onError(error);
    }
  }
}
