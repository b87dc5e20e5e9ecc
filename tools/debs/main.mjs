// See debs.mjs.
import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';

import { fetchPinned, unpack, updateLock } from './debs.mjs';

const [lockPath, folder, flag] = process.argv.slice(2);
if (folder === undefined || (flag !== undefined && flag !== '--update')) {
  console.error('usage: node tools/debs/main.mjs LOCK FOLDER [--update]');
  process.exit(2);
}
let lock = JSON.parse(readFileSync(lockPath, 'utf8'));
const root = resolve('build/debs', `${lock.suite}-${lock.architecture}`);
const cache = resolve('build/debs/cache');
try {
  if (flag === '--update') {
    lock = updateLock(lock, root, cache);
    writeFileSync(lockPath, `${JSON.stringify(lock, null, 2)}\n`);
  }
  unpack(fetchPinned(lock, root, cache), folder);
} catch (error) {
  console.error(`debs: ${error.message}`);
  console.error(
    `A pinned version that the mirror no longer has: node tools/debs/main.mjs ${lockPath} ` +
      `${folder} --update, and commit the new pins.`,
  );
  process.exit(1);
}
