// sqlite-vec in better-sqlite3 (WAL, synchronous = FULL): flat scans of f32, int8 and sign bits.
import { join } from 'node:path';

import { ONE_POINT, bytesOfRow, required, scaledInt8 } from './shared.mjs';
import { rowOf } from '../sets.mjs';

const BATCH = 100;

export const variants = ['f32', 'int8', 'bit'].map((variant) => ({
  name: `sqlite-vec ${variant}`,
  variant,
  efs: ONE_POINT,
  scan: true,
}));

// How a column is declared, how a value is written, and what its bytes are made of.
function columnOf(variant, set) {
  const d = set.dimensions;
  const plain = (vector) => vector;
  if (variant === 'f32') return { type: `float[${d}] distance_metric=l2`, value: '?', of: plain };
  if (variant === 'bit') return { type: `bit[${d}]`, value: 'vec_quantize_binary(?)', of: plain };
  return { type: `int8[${d}] distance_metric=l2`, value: 'vec_int8(?)', of: scaledInt8(set) };
}

export function create({ variant, set, folder }) {
  const Database = required('better-sqlite3');
  const extension = required('sqlite-vec');
  const { type, value, of } = columnOf(variant, set);
  const db = new Database(join(folder, 'vectors.db'));
  extension.load(db);
  db.pragma('journal_mode = WAL');
  db.pragma('synchronous = FULL');
  let query = null;
  const prepared = () => {
    query ??= db.prepare(`SELECT rowid FROM v WHERE e MATCH ${value} AND k = ?`).raw();
    return query;
  };
  return {
    insert: () => {
      db.exec(`CREATE VIRTUAL TABLE v USING vec0(e ${type})`);
      const one = db.prepare(`INSERT INTO v(rowid, e) VALUES (?, ${value})`);
      const many = db.transaction((from, to) => {
        for (let row = from; row < to; row++) {
          one.run(BigInt(row), bytesOfRow(of(rowOf(set.base, row, set.dimensions))));
        }
      });
      for (let row = 0; row < set.rows; row += BATCH) many(row, Math.min(row + BATCH, set.rows));
    },
    finish: () => db.pragma('wal_checkpoint(TRUNCATE)'),
    reopen: () => prepared(),
    prepare: () => prepared(),
    search: (vector, k) => prepared().all(bytesOfRow(of(vector)), k).map(([row]) => row),
    close: () => db.close(),
  };
}
