// Rows in, batches of insert() out. Lines that can share a call do (one open batch per source, so
// that lines of many sensors may alternate), and several calls are on their way at once.

import { RveError } from '../../errors/index.js';
import type { InsertOptions } from '../../memory/index.js';
import type { Store } from '../context.js';
import type { Rows } from './record.js';

/** Past this a larger batch no longer helps: the group is full. */
const BATCH_ROWS_MAX = 1000;
/** Half a group (1 MiB), so that two batches share one sync. */
const BATCH_BYTES_MAX = 512 * 1024;
/** Of all open batches together: bounds RAM however many sources alternate. */
const OPEN_BYTES_MAX = 4 * 1024 * 1024;
/** Enough to keep the committer busy; with the limit above at most 12 MiB are on their way. */
const IN_FLIGHT_MAX = 16;

/** Errors that are about a row, not about the store: the batch is then tried again line by line. */
const ROW_CODES: ReadonlySet<string> = new Set([
  'ERR_DIMENSIONS',
  'ERR_VECTOR',
  'ERR_ID_RANGE',
  'ERR_ID_TYPE',
  'ERR_ID_DUPLICATE',
  'ERR_ARGUMENT',
  'ERR_PAYLOAD',
  'ERR_BATCH',
  'ERR_SYMBOLS',
  'ERR_NAME',
]);

export interface BatcherOptions {
  readonly store: Pick<Store, 'insert'>;
  readonly now: () => number;
  /** A line that the store refused. */
  readonly onRefused: (line: number, error: RveError) => void;
}

interface Batch {
  readonly lines: { line: number; rows: Rows }[];
  count: number;
  bytes: number;
}

export class Batcher {
  readonly #options: BatcherOptions;
  readonly #open = new Map<string, Batch>();
  readonly #inFlight = new Set<Promise<void>>();
  /** Ids that were given, and are not stored yet. */
  readonly #idsPending = new Set<number>();
  #openBytes = 0;
  #failure: Error | null = null;
  /** Rows that are stored and durable. */
  stored = 0;
  /** Rows that the store knew already by (source, boot, seq). */
  duplicates = 0;

  constructor(options: BatcherOptions) {
    this.#options = options;
  }

  /**
   * Takes the rows of one line; waits while too much is on its way. Throws what stopped the store.
   */
  async add(line: number, rows: Rows): Promise<void> {
    // A later line replaces an earlier one with its id: the earlier one must be settled by then.
    if (rows.ids?.some((id) => this.#idsPending.has(id)) === true) await this.finish();
    const key = JSON.stringify([rows.source, rows.boot, rows.ids !== null]);
    const open = this.#open.get(key);
    if (open !== undefined && !fits(open, rows)) await this.#send(key);
    const batch = this.#open.get(key) ?? { lines: [], count: 0, bytes: 0 };
    this.#open.set(key, batch);
    batch.lines.push({ line, rows });
    batch.count += rows.count;
    batch.bytes += rows.bytes;
    this.#openBytes += rows.bytes;
    for (const id of rows.ids ?? []) this.#idsPending.add(id);
    if (this.#openBytes >= OPEN_BYTES_MAX) await this.#sendAll();
    this.#throwFailure();
  }

  /** Sends what waits, and returns once all is durable. Throws what stopped the store. */
  async finish(): Promise<void> {
    await this.#sendAll();
    await Promise.all(this.#inFlight);
    this.#throwFailure();
  }

  async #sendAll(): Promise<void> {
    for (const key of [...this.#open.keys()]) await this.#send(key);
  }

  async #send(key: string): Promise<void> {
    const batch = this.#open.get(key);
    if (batch === undefined) return;
    this.#open.delete(key);
    this.#openBytes -= batch.bytes;
    while (this.#inFlight.size >= IN_FLIGHT_MAX) await Promise.race(this.#inFlight);
    this.#throwFailure();
    const work: Promise<void> = this.#insert(batch)
      .catch((error: unknown) => {
        this.#failure ??= error instanceof Error ? error : new Error(String(error));
      })
      .finally(() => {
        this.#inFlight.delete(work);
        for (const { rows } of batch.lines)
          for (const id of rows.ids ?? []) this.#idsPending.delete(id);
      });
    this.#inFlight.add(work);
  }

  async #insert(batch: Batch): Promise<void> {
    try {
      await this.#insertRows(batch.lines.map(({ rows }) => rows));
    } catch (error) {
      if (!isAboutRow(error)) throw error;
      // One line in the batch is bad: the others are stored, and it is named.
      for (const { line, rows } of batch.lines) await this.#insertAlone(line, rows);
    }
  }

  async #insertAlone(line: number, rows: Rows): Promise<void> {
    try {
      await this.#insertRows([rows]);
    } catch (error) {
      if (!isAboutRow(error)) throw error;
      this.#options.onRefused(line, error);
    }
  }

  async #insertRows(all: readonly Rows[]): Promise<void> {
    const { matrix, options } = joined(all, this.#options.now());
    const { ids } = await this.#options.store.insert(matrix, options);
    for (const id of ids) {
      if (id === -1) this.duplicates++;
      else this.stored++;
    }
  }

  #throwFailure(): void {
    if (this.#failure !== null) throw this.#failure;
  }
}

function isAboutRow(error: unknown): error is RveError {
  return error instanceof RveError && ROW_CODES.has(error.code);
}

function fits(batch: Batch, rows: Rows): boolean {
  if (batch.count + rows.count > BATCH_ROWS_MAX || batch.bytes + rows.bytes > BATCH_BYTES_MAX)
    return false;
  const last = batch.lines.at(-1)?.rows;
  // insert() numbers the rows of a call from one sequence on.
  const next = last === undefined || last.seq === null ? null : last.seq + last.count;
  return rows.seq === next;
}

function joined(
  all: readonly Rows[],
  now: number,
): { matrix: Float32Array; options: InsertOptions } {
  const matrix = new Float32Array(all.reduce((sum, rows) => sum + rows.matrix.length, 0));
  let at = 0;
  for (const rows of all) {
    matrix.set(rows.matrix, at);
    at += rows.matrix.length;
  }
  const first = all[0];
  const options: InsertOptions = {};
  if (first === undefined) return { matrix, options };
  if (first.source !== null) options.source = first.source;
  if (first.boot !== null && first.seq !== null) {
    options.boot = first.boot;
    options.sequence = first.seq;
  }
  if (first.ids !== null) options.ids = Float64Array.from(all.flatMap((rows) => rows.ids ?? []));
  if (all.some((rows) => rows.times !== null)) {
    options.times = Float64Array.from(
      all.flatMap((rows) => rows.times ?? Array<number>(rows.count).fill(now)),
    );
  }
  if (all.some((rows) => rows.labels !== null)) {
    options.labels = all.flatMap((rows) => rows.labels ?? Array<null>(rows.count).fill(null));
  }
  if (all.some((rows) => rows.payloads !== null)) {
    options.payloads = all.flatMap(
      (rows) => rows.payloads ?? Array<undefined>(rows.count).fill(undefined),
    );
  }
  return { matrix, options };
}
