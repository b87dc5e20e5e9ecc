// A store in RAM with the manners of class Memory, for tests of what stands above it.

import { RveError } from '../errors/index.js';
import type { MemoryRecord, Metric } from '../memory/index.js';
import type { Store, StoreDoor, StoreStats } from './context.js';

interface FakeFile {
  dimensions: number;
  metric: Metric;
  records: Map<number, MemoryRecord>;
  known: Set<string>;
  nextId: number;
  /** Who has it open for writing. */
  holder: number | null;
  damaged: string | null;
}

export class FakeStores implements StoreDoor {
  readonly files = new Map<string, FakeFile>();
  /** Calls of insert(), with the rows of each. */
  readonly inserts: number[] = [];
  /** Options of each open(). */
  readonly opened: Parameters<StoreDoor['open']>[1][] = [];
  /** Recalls that queries asked for. */
  readonly recalls: number[] = [];
  /** Called before each insert; may throw, as a disk does. */
  beforeInsert: (matrix: Float32Array) => void = () => undefined;

  make(path: string, dimensions: number, metric: Metric = 'l2'): FakeFile {
    const file: FakeFile = {
      dimensions,
      metric,
      records: new Map(),
      known: new Set(),
      nextId: 0,
      holder: null,
      damaged: null,
    };
    this.files.set(path, file);
    return file;
  }

  async open(path: string, options: Parameters<StoreDoor['open']>[1]): Promise<Store> {
    this.opened.push(options);
    let file = this.files.get(path);
    if (file === undefined) {
      if (options.readOnly === true) throw new RveError('ERR_NOT_FOUND', `no file at ${path}`);
      if (options.dimensions === undefined)
        throw new RveError('ERR_OPTION', 'dimensions are needed to create');
      file = this.make(path, options.dimensions, options.metric ?? 'cosine');
    }
    if (file.damaged !== null) throw new RveError('ERR_CORRUPT', file.damaged);
    if (file.holder !== null)
      throw new RveError('ERR_BUSY', `the memory is open in process ${file.holder}`);
    if (options.dimensions !== undefined && options.dimensions !== file.dimensions) {
      throw new RveError('ERR_CONTRADICTION', `the file has ${file.dimensions} dimensions`);
    }
    return new FakeStore(this, file, path);
  }

  async check(path: string) {
    const file = this.files.get(path);
    const damaged = file?.damaged ?? null;
    return {
      ok: damaged === null,
      damaged: damaged === null ? [] : [damaged],
      lost: 0,
      holes: 0,
      notes: [],
    };
  }

  async repair(path: string) {
    const file = this.files.get(path);
    if (file === undefined) throw new RveError('ERR_NOT_FOUND', `no file at ${path}`);
    file.damaged = null;
    return { ok: true, damaged: [], lost: 2, holes: 1, notes: ['kept the old file'] };
  }
}

class FakeStore implements Store {
  readonly #stores: FakeStores;
  readonly #file: FakeFile;
  readonly #path: string;
  constructor(stores: FakeStores, file: FakeFile, path: string) {
    this.#stores = stores;
    this.#file = file;
    this.#path = path;
  }

  async insert(...[given, options = {}]: Parameters<Store['insert']>) {
    const file = this.#file;
    const matrix = Float32Array.from(given);
    this.#stores.beforeInsert(matrix);
    const rows = matrix.length / file.dimensions;
    this.#stores.inserts.push(rows);
    const ids = new Float64Array(rows);
    for (let row = 0; row < rows; row++) {
      const key = `${options.source}/${options.boot}/${(options.sequence ?? 0) + row}`;
      if (options.sequence !== undefined && file.known.has(key)) {
        ids[row] = -1;
        continue;
      }
      file.known.add(key);
      const id = options.ids?.[row] ?? file.nextId;
      file.nextId = Math.max(file.nextId, id + 1);
      ids[row] = id;
      const { labels } = options;
      file.records.set(id, {
        id,
        vector: matrix.slice(row * file.dimensions, (row + 1) * file.dimensions),
        time: options.times?.[row] ?? 0,
        source: options.source ?? null,
        label: (typeof labels === 'string' ? labels : labels?.[row]) ?? null,
        payload: options.payloads?.[row] ?? null,
        tier: 'hot',
      });
    }
    return { ids, lsn: file.nextId };
  }

  async query({ vector, k = 10, recall, filter, withEmbeddings }: Parameters<Store['query']>[0]) {
    if (withEmbeddings === true) throw new RveError('ERR_NOT_AVAILABLE', 'not in the double');
    if (vector.length !== this.#file.dimensions) {
      throw new RveError(
        'ERR_DIMENSIONS',
        `got ${vector.length}, the store has ${this.#file.dimensions}`,
      );
    }
    if (recall !== undefined) this.#stores.recalls.push(recall);
    const { metric, records } = this.#file;
    const near = [...records.values()]
      .filter((record) => filter?.source === undefined || filter.source === record.source)
      .map((record) => ({ id: record.id, score: scoreOf(metric, record.vector, vector) }))
      .sort((a, b) => (metric === 'l2' ? a.score - b.score : b.score - a.score))
      .slice(0, k);
    return {
      ids: Float64Array.from(near, ({ id }) => id),
      scores: Float32Array.from(near, ({ score }) => score),
      latencyUs: 12,
      degraded: false,
    };
  }

  async get(ids: Float64Array | readonly number[]) {
    return Array.from(ids, (id) => this.#file.records.get(id) ?? null);
  }

  async forget(what: Parameters<Store['forget']>[0]) {
    const { records } = this.#file;
    const ids =
      'source' in what
        ? [...records.values()]
            .filter((record) => record.source === what.source)
            .map(({ id }) => id)
        : Array.from(what);
    return { count: ids.filter((id) => records.delete(id)).length, lsn: 1 };
  }

  async *scan() {
    for (const id of [...this.#file.records.keys()].sort((a, b) => a - b)) {
      const record = this.#file.records.get(id);
      if (record !== undefined) yield record;
    }
  }

  stats(): StoreStats {
    const { dimensions, metric, records, nextId } = this.#file;
    return {
      dimensions,
      metric,
      live: records.size,
      tailRows: records.size,
      frozenRows: 0,
      linkedRows: 0,
      nextId,
      durableLsn: 7,
      latched: false,
      fileBytes: 4096,
      byteRatio: 0.5,
      tierShare: 1,
      coolBits: 5.5,
      coldBits: 0,
      codebook: { id: 3, sampleRows: 8192, distortion: 0.0123, trained: 1 },
      recompressions: 2,
      recompressedVectors: 12_345,
      recompressedBytes: 1536,
      tiers: (['hot', 'warm', 'cool', 'cold', 'archive'] as const).map((tier, index) => ({
        tier,
        vectors: index === 0 ? records.size : 0,
        bytes: index === 0 ? records.size * dimensions * 4 : 0,
        heat: [0, 0, 0, 0, 0, 0, 0, index === 0 ? records.size : 0],
      })),
      path: this.#path,
    };
  }

  async check({ deep }: { deep?: boolean } = {}) {
    return { ok: true, damaged: [], lost: 0, holes: 0, notes: deep === true ? ['audited'] : [] };
  }

  async close() {}
}

function scoreOf(metric: Metric, a: Float32Array, b: ArrayLike<number>): number {
  const dot = (x: ArrayLike<number>, y: ArrayLike<number>): number =>
    Array.from(x).reduce((sum, value, i) => sum + value * (y[i] ?? 0), 0);
  if (metric === 'l2') return dot(a, a) - 2 * dot(a, b) + dot(b, b);
  return metric === 'ip' ? dot(a, b) : dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}
