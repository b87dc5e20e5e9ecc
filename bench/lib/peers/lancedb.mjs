// LanceDB: a folder of Lance files, IVF-HNSW-SQ and IVF-PQ indexes; every call is a promise.
import { join } from 'node:path';

import { EF_BUILD, GRAPH_EFS, LINKS, ONE_POINT, required } from './shared.mjs';
import { rowOf } from '../sets.mjs';

const BATCH = 5_000;

export const variants = [
  { name: 'lancedb ivf-hnsw-sq', variant: 'hnsw-sq', efs: GRAPH_EFS, slow: true },
  { name: 'lancedb ivf-pq', variant: 'pq', efs: ONE_POINT, slow: true },
];

function indexOf({ Index }, variant, set) {
  const distanceType = set.metric === 'l2' ? 'l2' : 'dot';
  if (variant === 'pq') {
    return Index.ivfPq({ distanceType, numPartitions: 16, numSubVectors: set.dimensions >> 2 });
  }
  const graph = { m: LINKS, efConstruction: EF_BUILD };
  return Index.hnswSq({ distanceType, numPartitions: 1, ...graph });
}

export function create({ variant, set, folder }) {
  const library = required('@lancedb/lancedb');
  const path = join(folder, 'lance');
  let table = null;
  return {
    insert: async () => {
      const db = await library.connect(path);
      for (let row = 0; row < set.rows; row += BATCH) {
        const rows = Array.from({ length: Math.min(BATCH, set.rows - row) }, (_, i) => ({
          id: row + i,
          vector: Array.from(rowOf(set.base, row + i, set.dimensions)),
        }));
        if (table === null) table = await db.createTable('bench', rows);
        else await table.add(rows);
      }
    },
    finish: async () => {
      await table.createIndex('vector', { config: indexOf(library, variant, set) });
      await table.optimize({ cleanupOlderThan: new Date() });
    },
    reopen: async () => {
      table = await (await library.connect(path)).openTable('bench');
    },
    prepare: () => {},
    search: async (vector, k, ef) => {
      let query = table.query().nearestTo(vector).limit(k).select(['id', '_distance']);
      query = variant === 'pq' ? query.nprobes(16) : query.ef(Math.max(ef, k));
      return (await query.toArray()).map(({ id }) => Number(id));
    },
    close: () => table.close(),
  };
}
