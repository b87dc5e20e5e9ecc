// Recall of each tier by itself, on the seeded 60k x 128 set and on Fashion-MNIST (skipped where it
// is absent). Writes the sets as plain files for the native program, then runs it.
//
//   node bench/native/tiers.mjs PROGRAM [sensors|fashion] [QUERIES] [TIER:BITS ...]
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { fashion, sensors } from '../lib/sets.mjs';

const [program, only, ...rest] = process.argv.slice(2);
if (!program) {
  console.error('Usage: tiers.mjs PROGRAM [sensors|fashion] [QUERIES] [TIER:BITS ...]');
  process.exit(2);
}
const FOLDER = process.env.RVE_TIER_SETS || join(tmpdir(), 'rve-tier-sets');

function write(set, folder) {
  mkdirSync(folder, { recursive: true });
  for (const [name, array] of [
    ['base.f32', set.base],
    ['query.f32', set.query],
    ['truth.i32', set.truth],
  ]) {
    const bytes = Buffer.from(array.buffer, array.byteOffset, array.byteLength);
    writeFileSync(join(folder, name), bytes);
  }
}

async function run(name, metric, dimensions, make) {
  const folder = join(FOLDER, name);
  if (!existsSync(join(folder, 'truth.i32'))) {
    const set = await make();
    if (set === null) {
      console.log(`Skipped: ${name} is not there (RVE_DATA names the folder).`);
      return;
    }
    write(set, folder);
  }
  const args = [folder, metric, String(dimensions), ...rest];
  const { status } = spawnSync(program, args, { stdio: 'inherit' });
  if (status !== 0) process.exitCode = 1;
}

if (only !== 'fashion') await run('sensors-60k', 'cosine', 128, () => sensors('60k'));
if (only !== 'sensors') await run('fashion-l2', 'l2', 784, () => fashion('l2'));
