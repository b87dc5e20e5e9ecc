// usearch: HNSW in RAM, saved whole. f32, f16, i8 (which takes unit vectors), b1 (signs), and i8
// fed with int8 that the caller scaled to the range of the data.
import { join } from 'node:path';

import { GRAPH_EFS, LINKS, EF_BUILD, required, scaledInt8 } from './shared.mjs';
import { rowOf } from '../sets.mjs';

const KINDS = { f32: 'f32', f16: 'f16', i8: 'i8', 'i8-scaled': 'i8', b1: 'b1' };

export const variants = Object.keys(KINDS).map((variant) => ({
  name: `usearch ${variant}`,
  variant,
  efs: GRAPH_EFS,
}));

export function create({ variant, set, folder }) {
  const { Index } = required('usearch');
  const kind = KINDS[variant];
  const metric = kind === 'b1' ? 'hamming' : set.metric === 'l2' ? 'l2sq' : 'ip';
  const make = (ef) => new Index(set.dimensions, metric, kind, LINKS, EF_BUILD, ef, false);
  const path = join(folder, 'index.usearch');
  const fed = variant === 'i8-scaled' ? scaledInt8(set) : (vector) => vector;
  let index = make(64);
  const loaded = (how) => (ef) => {
    // ef is fixed when an index is made, so each takes the graph from the file.
    index = make(ef);
    index[how](path);
  };
  return {
    insert: () => {
      for (let row = 0; row < set.rows; row++) {
        index.add(BigInt(row), fed(rowOf(set.base, row, set.dimensions)), 1);
      }
    },
    finish: () => index.save(path),
    // Mapped, which is its fastest way to open; the curves are of the loaded graph.
    reopen: () => loaded('view')(64),
    prepare: loaded('load'),
    search: (vector, k) => Array.from(index.search(fed(vector), k, 1).keys, Number),
    close: () => {},
  };
}
