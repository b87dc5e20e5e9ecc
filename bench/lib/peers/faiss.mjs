// faiss-node: flat and graph indexes in RAM, saved whole. Its JavaScript sets no efSearch, so HNSW
// is one point, as users of the package have it.
import { join } from 'node:path';

import { ONE_POINT, required } from './shared.mjs';

const BATCH = 1_000;
/** Rows that train a quantiser: its k-means takes 256 centroids and 39 rows for each. */
const TRAINING_ROWS = 10_000;

const FACTORIES = {
  hnsw: () => 'HNSW16,Flat',
  'hnsw-sq8': () => 'HNSW16,SQ8',
  sq8: () => 'SQ8',
  sq4: () => 'SQ4',
  // Two dimensions a code, 4 bits each: 2 bits a dimension, where 784 and 128 both divide.
  pq: (dimensions) => `PQ${dimensions >> 1}x4fs`,
};

export const variants = Object.keys(FACTORIES).map((variant) => ({
  name: `faiss ${variant}`,
  variant,
  efs: ONE_POINT,
  scan: !variant.startsWith('hnsw'),
}));

export function create({ variant, set, folder }) {
  const { Index, MetricType } = required('faiss-node');
  const metric = set.metric === 'l2' ? 'METRIC_L2' : 'METRIC_INNER_PRODUCT';
  const path = join(folder, 'index.faiss');
  const plain = (from, to) =>
    Array.from(set.base.subarray(from * set.dimensions, to * set.dimensions));
  const factory = FACTORIES[variant](set.dimensions);
  let index = null;
  return {
    insert: () => {
      index = Index.fromFactory(set.dimensions, factory, MetricType[metric]);
      if (!index.isTrained) index.train(plain(0, Math.min(TRAINING_ROWS, set.rows)));
      for (let row = 0; row < set.rows; row += BATCH) {
        index.add(plain(row, Math.min(row + BATCH, set.rows)));
      }
    },
    finish: () => index.write(path),
    reopen: () => {
      index = Index.read(path);
    },
    prepare: () => {},
    search: (vector, k) => index.search(Array.from(vector), k).labels,
    close: () => {},
  };
}
