/**
 * Rows a second per source. A source beyond its rate is delayed, not refused: its bytes stay
 * counted, so that its connection stops being read.
 */
export class TokenBuckets {
  readonly #perSecond: number;
  readonly #now: () => number;
  readonly #buckets = new Map<string, { tokens: number; at: number }>();

  /** `perSecond` 0: no limit. `now`: ms; a step back only delays a refill. */
  constructor(perSecond: number, now: () => number) {
    this.#perSecond = perSecond;
    this.#now = now;
  }

  /** Takes `rows`, on credit if need be; ms to wait until the credit is paid, 0 for none. */
  take(source: string, rows: number): number {
    if (this.#perSecond === 0) return 0;
    const now = this.#now();
    let bucket = this.#buckets.get(source);
    if (bucket === undefined) {
      if (this.#buckets.size >= SOURCES_MAX) this.#buckets.clear();
      bucket = { tokens: this.#perSecond, at: now };
      this.#buckets.set(source, bucket);
    }
    const refill = (Math.max(0, now - bucket.at) / 1_000) * this.#perSecond;
    bucket.tokens = Math.min(this.#perSecond, bucket.tokens + refill) - rows;
    bucket.at = now;
    return bucket.tokens >= 0 ? 0 : Math.ceil((-bucket.tokens / this.#perSecond) * 1_000);
  }
}

/** As many as the memory keeps names for (STORAGE.md 2.3). */
const SOURCES_MAX = 4_096;
