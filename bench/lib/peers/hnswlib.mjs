// hnswlib-node: HNSW over f32 in RAM, saved whole. `native` is the same source compiled for this
// machine (bench/README.md), in a folder of its own.
import { join } from 'node:path';

import { EF_BUILD, GRAPH_EFS, LINKS, NATIVE_PEERS, required } from './shared.mjs';
import { rowOf } from '../sets.mjs';

export const variants = [
  { name: 'hnswlib f32', variant: 'f32', efs: GRAPH_EFS },
  { name: 'hnswlib f32 native', variant: 'native', efs: GRAPH_EFS },
];

export function create({ variant, set, folder }) {
  const { HierarchicalNSW } = required('hnswlib-node', variant === 'native' ? NATIVE_PEERS : null);
  const index = new HierarchicalNSW(set.metric === 'l2' ? 'l2' : 'ip', set.dimensions);
  const path = join(folder, 'index.hnsw');
  // It takes plain arrays only. Those of queries are made once, so that only the first pass, which
  // warms up, pays for them.
  const plain = new Map();
  const plainOf = (vector) => {
    let made = plain.get(vector.byteOffset);
    if (made === undefined) plain.set(vector.byteOffset, (made = Array.from(vector)));
    return made;
  };
  return {
    insert: () => {
      index.initIndex(set.rows, LINKS, EF_BUILD, 100);
      for (let row = 0; row < set.rows; row++) {
        index.addPoint(Array.from(rowOf(set.base, row, set.dimensions)), row);
      }
    },
    finish: () => index.writeIndexSync(path),
    reopen: () => index.readIndexSync(path),
    prepare: (ef) => index.setEf(ef),
    search: (vector, k) => index.searchKnn(plainOf(vector), k).neighbors,
    close: () => {},
  };
}
