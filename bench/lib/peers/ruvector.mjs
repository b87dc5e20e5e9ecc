// ruvector: HNSW beside redb, rebuilt on every open. efSearch counts when a file is made, hence one
// point. `wrapper` is the package ruvector, which holds the class of @ruvector/core.
import { join } from 'node:path';

import { EF_BUILD, LINKS, ONE_POINT, required } from './shared.mjs';
import { rowOf } from '../sets.mjs';

const BATCH = 100,
  EF_SEARCH = 100;

export const variants = [
  { name: '@ruvector/core', variant: 'core', efs: ONE_POINT, slow: true },
  { name: 'ruvector', variant: 'wrapper', efs: ONE_POINT, slow: true },
];

export function create({ variant, set, folder }) {
  const { VectorDb } = required(variant === 'core' ? '@ruvector/core' : 'ruvector');
  const open = () =>
    new VectorDb({
      dimensions: set.dimensions,
      storagePath: join(folder, 'ruvector.db'),
      distanceMetric: set.metric === 'l2' ? 'Euclidean' : 'Cosine',
      hnswConfig: {
        m: LINKS,
        efConstruction: EF_BUILD,
        efSearch: EF_SEARCH,
        maxElements: set.rows,
      },
    });
  let db = null;
  return {
    insert: async () => {
      db = open();
      for (let row = 0; row < set.rows; row += BATCH) {
        const entries = Array.from({ length: Math.min(BATCH, set.rows - row) }, (_, i) => ({
          id: String(row + i),
          vector: rowOf(set.base, row + i, set.dimensions),
        }));
        await db.insertBatch(entries);
      }
    },
    finish: () => {},
    reopen: () => {
      db = open();
    },
    prepare: () => {},
    search: async (vector, k) => (await db.search({ vector, k })).map(({ id }) => Number(id)),
    close: () => {},
  };
}
