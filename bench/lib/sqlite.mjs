// SQLite as it is used to keep the same bytes as plain blobs: WAL, synchronous = FULL, no index.
import { rowOf } from './sets.mjs';

/** A table of blobs at `path`; `insert(matrix, dimensions, from, to)` is one transaction. */
export function blobTable(Database, path) {
  const db = new Database(path);
  db.pragma('journal_mode = WAL');
  db.pragma('synchronous = FULL');
  db.exec('CREATE TABLE v (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, body BLOB NOT NULL)');
  const one = db.prepare('INSERT INTO v (at, body) VALUES (?, ?)');
  const now = Date.now();
  const insert = db.transaction((matrix, dimensions, from, to) => {
    for (let row = from; row < to; row++) {
      const v = rowOf(matrix, row, dimensions);
      one.run(now, Buffer.from(v.buffer, v.byteOffset, v.byteLength));
    }
  });
  return { insert, close: () => db.close() };
}
