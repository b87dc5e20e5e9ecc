// usearch: HNSW in RAM, saved whole: f32, f16, i8 and b1 (signs). Its i8 brings every vector to unit
// length, int8 that the caller made as well, so that l2 on others loses what lengths tell.
import { join } from 'node:path';

import { GRAPH_EFS, LINKS, EF_BUILD, required } from './shared.mjs';
import { rowOf } from '../sets.mjs';

export const variants = ['f32', 'f16', 'i8', 'b1'].map((variant) => ({
  name: `usearch ${variant}`,
  variant,
  efs: GRAPH_EFS,
}));

export function create({ variant, set, folder }) {
  const { Index } = required('usearch');
  const metric = variant === 'b1' ? 'hamming' : set.metric === 'l2' ? 'l2sq' : 'ip';
  const make = (ef) => new Index(set.dimensions, metric, variant, LINKS, EF_BUILD, ef, false);
  const path = join(folder, 'index.usearch');
  let index = make(64);
  const loaded = (how) => (ef) => {
    // ef is fixed when an index is made, so each takes the graph from the file.
    index = make(ef);
    index[how](path);
  };
  return {
    insert: () => {
      for (let row = 0; row < set.rows; row++) {
        index.add(BigInt(row), rowOf(set.base, row, set.dimensions), 1);
      }
    },
    finish: () => index.save(path),
    // Mapped, which is its fastest way to open; the curves are of the loaded graph.
    reopen: () => loaded('view')(64),
    prepare: loaded('load'),
    search: (vector, k) => Array.from(index.search(vector, k, 1).keys, Number),
    close: () => {},
  };
}
