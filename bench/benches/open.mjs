// From Memory.open() to the first answer, in a new process each time, with the file out of the page
// cache and in it. States: closed cleanly; killed with the tail just short of a seal; killed in the
// middle of full-rate ingest, with nothing linked and the tail as long as it gets.
import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { Child } from '../lib/child.mjs';
import { Memory } from '../lib/door.mjs';
import { cachedBytes, evict, scratchFolder } from '../lib/machine.mjs';
import { eachProfile } from '../lib/profiles.mjs';
import { sensorsOf } from '../lib/sets.mjs';

const DIMENSIONS = 128;
const FULL = { batch: 100, inFlight: 32 };

/** What the settled stores get after it, which stays in the tail: short of a seal. */
const TAIL_ROWS = 8_000;

/** Makes a store of each state; gives { name: { path, rows, tail } }. */
async function makeStores(folder, rows, open) {
  const stores = {};
  const make = async (name, work) => {
    const path = join(folder, `${name}.rve`);
    const child = new Child('store');
    await child.ask('prepare', { name: '100k', rows });
    await child.ask('open', { path, options: { dimensions: DIMENSIONS, ...open } });
    const { stats, close } = await work(child);
    if (close) {
      await child.ask('close');
      await child.end();
    } else {
      await child.kill();
    }
    stores[name] = { path, rows: stats.live, tail: stats.tailRows, frozen: stats.frozenRows };
  };
  const settledWithTail = async (child) => {
    await child.ask('insert', { from: 0, to: rows - TAIL_ROWS, ...FULL });
    await child.ask('settle');
    return child.ask('insert', { from: rows - TAIL_ROWS, to: rows, ...FULL });
  };
  await make('closed', async (child) => ({ stats: await settledWithTail(child), close: true }));
  await make('killed', async (child) => ({ stats: await settledWithTail(child), close: false }));
  await make('killed-in-burst', async (child) => {
    const stats = await child.ask('insert', { from: 0, to: rows, ...FULL });
    return { stats, close: false };
  });
  return stores;
}

async function openOnce(store, copy, cold, row, options) {
  copyFileSync(store.path, copy);
  evict(copy); // Also writes what the copy left dirty.
  if (!cold) readFileSync(copy);
  const cached = cachedBytes(copy);
  const child = new Child('store');
  await child.ask('prepare', { name: '100k', rows: options.rows, queriesOnly: true });
  const result = await child.ask('firstAnswer', { path: copy, row, options: options.open });
  await child.kill();
  return { ...result, cached };
}

export async function run(report, { repeats, rows = 100_000, profiles }) {
  const set = await sensorsOf(rows, '100k');
  return eachProfile(report, profiles, Memory, (part, name, open) =>
    measure(part, set, open, repeats),
  );
}

async function measure(report, set, open, repeats) {
  const folder = scratchFolder();
  const options = { rows: set.rows, open };
  const stores = await makeStores(folder, set.rows, open);
  const rows = [];
  for (const [name, store] of Object.entries(stores)) {
    for (const cold of [true, false]) {
      const runs = [];
      for (let i = 0; i < repeats; i++) {
        runs.push(await openOnce(store, join(folder, 'copy.rve'), cold, i, options));
      }
      const what = `${name}, ${cold ? 'cold' : 'warm'} cache`;
      report.kernels(runs[0].kernels);
      report.figure(
        `open to first answer, ${what}`,
        'ms',
        runs.map((r) => r.answered),
        ['<', 100],
      );
      report.figure(
        `  of it the open, ${what}`,
        'ms',
        runs.map((r) => r.opened),
      );
      const top = new Set(set.truth.subarray(0, 10));
      const recall = runs[0].ids.filter((id) => top.has(id)).length;
      rows.push([
        what,
        store.rows,
        store.tail,
        store.frozen,
        runs[0].live,
        recall,
        runs[0].cached / 2 ** 20,
      ]);
      report.figure(
        `  vectors there again, ${what}`,
        '',
        runs.map((r) => r.live),
        ['=', store.rows],
        'worst',
      );
    }
  }
  report.table(
    'stores as they were left',
    ['state', 'acked', 'in tail', 'unlinked', 'after', 'of top 10', 'MiB cached'],
    rows,
  );
  report.note("cold: out of the guest's page cache; a host under it may still hold the blocks");
}
