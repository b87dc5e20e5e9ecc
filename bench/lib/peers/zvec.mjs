// zvec: a folder of segments, HNSW over f32, fp16, int8 or RaBitQ codes; it keeps the f32 vectors
// beside each of them. Its refiner is off: the codes speak for themselves.
import { join } from 'node:path';

import { EF_BUILD, GRAPH_EFS, LINKS, required } from './shared.mjs';
import { rowOf } from '../sets.mjs';

const QUANTIZERS = { f32: 'UNDEFINED', fp16: 'FP16', int8: 'INT8' };
const RABITQ_BITS = { 'rabitq-7': 7, 'rabitq-4': 4, 'rabitq-1': 1 };
const BATCH = 100;

export const variants = [...Object.keys(QUANTIZERS), ...Object.keys(RABITQ_BITS)].map(
  (variant) => ({ name: `zvec ${variant}`, variant, efs: GRAPH_EFS }),
);

function indexOf(library, variant, metric) {
  const common = {
    metricType: library.ZVecMetricType[metric === 'l2' ? 'L2' : 'IP'],
    m: LINKS,
    efConstruction: EF_BUILD,
  };
  const { HNSW, HNSW_RABITQ } = library.ZVecIndexType;
  if (variant in RABITQ_BITS) {
    return { indexType: HNSW_RABITQ, ...common, totalBits: RABITQ_BITS[variant] };
  }
  const quantizeType = library.ZVecQuantizeType[QUANTIZERS[variant]];
  return { indexType: HNSW, ...common, quantizeType };
}

export function create({ variant, set, folder }) {
  const library = required('@zvec/zvec');
  library.ZVecInitialize({
    logLevel: library.ZVecLogLevel.ERROR,
    queryThreads: 1,
    optimizeThreads: 1,
  });
  const path = join(folder, 'collection');
  const indexParams = indexOf(library, variant, set.metric);
  const { indexType } = indexParams;
  let collection = null;
  return {
    insert: () => {
      const schema = new library.ZVecCollectionSchema({
        name: 'bench',
        vectors: {
          name: 'v',
          dataType: library.ZVecDataType.VECTOR_FP32,
          dimension: set.dimensions,
          indexParams,
        },
      });
      collection = library.ZVecCreateAndOpen(path, schema);
      for (let row = 0; row < set.rows; row += BATCH) {
        const docs = Array.from({ length: Math.min(BATCH, set.rows - row) }, (_, i) => ({
          id: String(row + i),
          vectors: { v: rowOf(set.base, row + i, set.dimensions) },
        }));
        collection.insertSync(docs);
      }
    },
    finish: () => collection.optimizeSync({ concurrency: 1 }),
    reopen: () => {
      collection = library.ZVecOpen(path, { readOnly: true });
    },
    prepare: () => {},
    search: (vector, topk, ef) => {
      const params = { indexType, ef: ef || 64 };
      const asked = { fieldName: 'v', vector, topk, params, outputFields: [] };
      return collection.querySync(asked).map(({ id }) => Number(id));
    },
    close: () => collection.closeSync(),
  };
}
