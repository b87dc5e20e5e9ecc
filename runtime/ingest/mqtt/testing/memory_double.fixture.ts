import { RveError, type RveCode } from '../../../errors/index.js';
import type { InsertFields, MemoryDoor } from '../types.js';

export interface DoubleRow {
  id: number;
  vector: Float32Array;
  fields: InsertFields;
}

/**
 * Stands in for Memory: what waits is made durable as one group in the next turn of the loop, or
 * when a test lets it. Dedupe by (source, boot, sequence) as STORAGE.md 2.5 has it.
 */
export class MemoryDouble implements MemoryDoor {
  readonly rows: DoubleRow[] = [];
  /** Rows of closed groups, in order: what a power cut would leave. */
  durable = 0;
  groups = 0;
  /** While set, groups do not close. */
  held = false;
  /** The next inserts reject with it. */
  failure: RveCode | null = null;
  readonly #dimensions: number;
  readonly #known = new Set<string>();
  #waiting: (() => void)[] = [];
  #scheduled = false;
  #watchers: { count: number; resolve: () => void }[] = [];

  constructor(dimensions: number) {
    this.#dimensions = dimensions;
  }

  async insert(
    vectors: Float32Array,
    fields: InsertFields,
  ): Promise<{ ids: Float64Array; lsn: number }> {
    if (this.failure !== null) throw new RveError(this.failure, 'the test said so');
    const count = vectors.length / this.#dimensions;
    const ids = new Float64Array(count);
    for (let row = 0; row < count; row += 1) {
      const key = `${fields.source}/${fields.boot}/${(fields.sequence ?? Number.NaN) + row}`;
      if (fields.sequence !== undefined && this.#known.has(key)) {
        ids[row] = -1;
        continue;
      }
      this.#known.add(key);
      ids[row] = this.rows.length;
      this.rows.push({
        id: this.rows.length,
        vector: vectors.subarray(row * this.#dimensions),
        fields,
      });
    }
    await new Promise<void>((resolve) => {
      this.#waiting.push(resolve);
      this.#schedule();
      this.#notify();
    });
    if (this.failure !== null) throw new RveError(this.failure, 'the test said so');
    return { ids, lsn: this.rows.length };
  }

  /** Resolves when `count` inserts wait for their group. */
  async waiting(count: number): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#watchers.push({ count, resolve });
      this.#notify();
    });
  }

  /** Lets groups close again, the waiting ones at once. */
  release(): void {
    this.held = false;
    this.#schedule();
  }

  #notify(): void {
    const ready = this.#watchers.filter(({ count }) => this.#waiting.length >= count);
    this.#watchers = this.#watchers.filter((watcher) => !ready.includes(watcher));
    for (const { resolve } of ready) resolve();
  }

  #schedule(): void {
    if (this.held || this.#scheduled || this.#waiting.length === 0) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      if (this.held) return;
      this.groups += 1;
      this.durable = this.rows.length;
      for (const resolve of this.#waiting.splice(0)) resolve();
    });
  }

  async query({
    vector,
    k,
  }: {
    vector: Float32Array;
    k: number;
  }): Promise<{ ids: Float64Array; scores: Float32Array; latencyUs: number; degraded: boolean }> {
    const scored = this.rows
      .map((row) => {
        let score = 0;
        for (let i = 0; i < this.#dimensions; i += 1) score += (row.vector[i]! - vector[i]!) ** 2;
        return { id: row.id, score };
      })
      .sort((a, b) => a.score - b.score)
      .slice(0, k);
    return {
      ids: Float64Array.from(scored, ({ id }) => id),
      latencyUs: 5,
      degraded: false,
      scores: Float32Array.from(scored, ({ score }) => score),
    };
  }
}
