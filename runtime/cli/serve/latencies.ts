// The last latencies of a kind of query, and their percentiles.

/** About 50 s at the default self-query rate; 4 KiB. */
const KEPT_MAX = 1024;

export class Latencies {
  readonly #ring = new Float32Array(KEPT_MAX);
  #count = 0;

  /** Milliseconds. */
  add(ms: number): void {
    this.#ring[this.#count % KEPT_MAX] = ms;
    this.#count++;
  }

  /** Of the last 1,024; null before the first. `share` 0..1, nearest rank. */
  percentile(share: number): number | null {
    const kept = Math.min(this.#count, KEPT_MAX);
    if (kept === 0) return null;
    const sorted = this.#ring.slice(0, kept).sort();
    return sorted[Math.min(kept - 1, Math.max(0, Math.ceil(share * kept) - 1))] ?? null;
  }
}
