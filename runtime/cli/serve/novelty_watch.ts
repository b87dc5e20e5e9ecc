// Asks, for each stored vector, how far it is from what its source has sent before, and lets
// runtime/detect decide whether that is new.

import { distancesOf, NoveltyDetector, type NoveltyEvent } from '../../detect/index.js';
import type { Store } from '../context.js';
import type { Latencies } from './latencies.js';

/**
 * Stored vectors that wait for their query. Beyond, the newest are passed over: ingest is never
 * slowed.
 */
const WAITING_MAX = 256;
/**
 * Neighbours whose median distance is the score, and the vector itself, which is stored already.
 */
const K = 6;

export interface StoredVector {
  readonly source: string;
  readonly id: number;
  readonly vector: Float32Array;
  readonly timeMs: number;
}

export interface NoveltyWatchOptions {
  readonly store: Pick<Store, 'query'>;
  readonly metric: 'cosine' | 'l2';
  readonly monotonic: () => number;
  readonly latencies: Latencies;
  readonly onEvent: (event: NoveltyEvent) => void;
  readonly onError: (error: unknown) => void;
  readonly detector?: NoveltyDetector;
}

export class NoveltyWatch {
  readonly #options: NoveltyWatchOptions;
  readonly #detector: NoveltyDetector;
  readonly #waiting: StoredVector[] = [];
  #running: Promise<void> | null = null;
  #stopped = false;
  /** Vectors that were stored and not judged, because too many waited. */
  skipped = 0;
  events = 0;

  constructor(options: NoveltyWatchOptions) {
    this.#options = options;
    this.#detector = options.detector ?? new NoveltyDetector();
  }

  observe(stored: StoredVector): void {
    if (this.#stopped) return;
    if (this.#waiting.length >= WAITING_MAX) {
      this.skipped++;
      return;
    }
    this.#waiting.push(stored);
    this.#running ??= this.#work();
  }

  /** Resolves when all that was observed is judged. */
  async idle(): Promise<void> {
    await this.#running;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#waiting.length = 0;
    await this.#running;
  }

  async #work(): Promise<void> {
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      try {
        await this.#judge(next);
      } catch (error) {
        this.#options.onError(error);
      }
    }
    this.#running = null;
  }

  async #judge({ source, id, vector, timeMs }: StoredVector): Promise<void> {
    const { store, metric, monotonic, latencies } = this.#options;
    const startedAt = monotonic();
    const result = await store.query({ vector, k: K, filter: { source } });
    latencies.add(monotonic() - startedAt);
    // The vector itself is stored already: what counts are its neighbours.
    const others = Array.from(result.ids, (one, i) => ({ id: one, score: result.scores[i] ?? NaN }))
      .filter((neighbour) => neighbour.id !== id)
      .slice(0, K - 1);
    const distances = distancesOf(
      metric,
      Float32Array.from(others, ({ score }) => score),
    );
    const event = this.#detector.observe(source, distances, timeMs, others[0]?.id);
    if (event === null) return;
    this.events++;
    this.#options.onEvent(event);
  }
}
