// The same input makes the same bytes, wherever they are written: what is released can be checked
// by whoever builds it again.
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { BUILD, name, ok, scratch } from './kit.mjs';

let at;
beforeAll(() => {
  at = scratch();
});
afterAll(() => at.remove());

const addons = ['--addon', join(BUILD, 'stripped/ruvector_edge.node'), '--serial',
  join(BUILD, 'stripped/serialport.node')];
const node = join(BUILD, name === 'arm64' ? 'stripped/node' : 'sysroot/usr/bin/node');
const METHODS = {
  slim: [],
  // Level 1: what is compared here is order and content; zstd itself runs with one thread.
  launcher: ['--node', node, '--sysroot', join(BUILD, 'sysroot'), '--launcher',
    join(BUILD, 'launcher'), '--shim', join(BUILD, 'shim.so'), '--level', '1'],
  ...(name === 'arm64' ? { sea: ['--node', node] } : {}),
};

for (const [method, more] of Object.entries(METHODS)) {
  test(`packed twice by the method ${method}, at two places, the bytes are the same`, async () => {
    const outs = ['a', 'another place'].map((folder) => join(at.folder, method, folder, 'rve'));
    for (const out of outs) {
      mkdirSync(join(out, '..'), { recursive: true });
      const words = ['--method', method, '--target', name, '--out', out, ...addons, ...more];
      await ok([process.execPath, 'tools/pack/main.mjs', ...words]);
    }
    const [a, b] = outs.map((out) => readFileSync(out));
    expect(a.length).toBeGreaterThan(1_000_000);
    expect(a.equals(b)).toBe(true);
  });
}
