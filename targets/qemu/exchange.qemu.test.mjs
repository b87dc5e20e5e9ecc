// One format on every machine: stores written here are opened there, and back.
import { cpSync, mkdirSync, readFileSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { BUILD, HOST_CORE, emulated, ok, scratch, target } from './kit.mjs';

const BENCH = ['--rows', '9000', '--dims', '32', '--seed', '7', '--queries', '1'];
const QUERY = ['--file', '-', '-k', '10', '--ef', '400'];

let at;
let queries;
beforeAll(() => {
  at = scratch();
  const rows = Float32Array.from({ length: 32 * 20 }, (_, i) => Math.sin(i * 1.7) * 2);
  queries = Buffer.from(rows.buffer);
});
afterAll(() => at.remove());

const here = [HOST_CORE];
const there = (cpu) => [...emulated(cpu), join(BUILD, 'rve-core')];

async function answers(core, store) {
  return (await ok([...core, 'query', store, ...QUERY], { input: queries }))
    .trim()
    .split('\n')
    .map((line) => line.split('\t').map(Number));
}

/** The same ids with scores that agree but for the order in which kernels add up. */
function expectSame(a, b) {
  expect(a.length).toBe(b.length);
  let different = 0;
  a.forEach(([id, score], index) => {
    const [otherId, otherScore] = b[index];
    if (id !== otherId) different += 1;
    expect(Math.abs(score - otherScore)).toBeLessThan(1e-3);
  });
  // Neighbours at equal distance may change places.
  expect(different).toBeLessThanOrEqual(a.length / 20);
}

for (const profile of ['precise', 'edge']) {
  test(`a sealed, linked store of profile ${profile} written here is read on every CPU there`, async () => {
    const store = join(at.folder, `here-${profile}.rve`);
    await ok([...here, 'bench', store, ...BENCH, '--profile', profile]);
    const expected = await answers(here, store);
    for (const cpu of target.cpus) {
      await ok([...there(cpu), 'check', store, '--deep']);
      expectSame(await answers(there(cpu), store), expected);
    }
  });

  test(`a store of profile ${profile} written there is read here, and goes on there`, async () => {
    const store = join(at.folder, `there-${profile}.rve`);
    const small = ['--rows', '9000', '--dims', '16', '--seed', '7', '--queries', '1'];
    await ok([...there(), 'bench', store, ...small, '--profile', profile]);
    await ok([...here, 'check', store, '--deep']);
    expect(JSON.parse(await ok([...here, 'stats', store, '--json'])).live).toBe(9000);
    const more = [...small.slice(2), '--rows', '100', '--first', '9000', '--unsettled'];
    await ok([...here, 'bench', store, ...more]);
    await ok([...there(), 'check', store, '--deep']);
    expect(JSON.parse(await ok([...there(), 'stats', store, '--json'])).live).toBe(9100);
  });
}

test('the golden stores that are made there are those that are made here, byte for byte', async () => {
  const folders = ['here', 'there'].map((name) => join(at.folder, `golden-${name}`));
  for (const folder of folders) mkdirSync(folder);
  await ok([resolve('build/host/make_golden'), folders[0]]);
  await ok([...emulated(), join(BUILD, 'make_golden'), folders[1]]);
  const names = readdirSync(folders[0]).sort();
  expect(names.length).toBeGreaterThan(10);
  expect(readdirSync(folders[1]).sort()).toEqual(names);
  for (const name of names) {
    const [a, b] = folders.map((folder) => readFileSync(join(folder, name)));
    expect(a.equals(b), name).toBe(true);
  }
});

test('golden files made there are opened by the tests here', async () => {
  // The tests read native/test/golden below the folder they run in.
  const root = join(at.folder, 'root');
  mkdirSync(join(root, 'native/test'), { recursive: true });
  cpSync(join(at.folder, 'golden-there'), join(root, 'native/test/golden'), { recursive: true });
  const words = [resolve('build/host/native_test'), '--filter', 'golden_test'];
  expect(await ok(words, { cwd: root })).toMatch(/^[1-9]\d* passed, 0 failed/m);
});
