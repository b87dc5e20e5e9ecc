// A process that holds one contender of a race: builds its index, answers passes when asked, or
// opens what another such process built. One a process, so that none lives in another's memory.
import { serve } from '../lib/child.mjs';
import { cpuSeconds, rssAnonMiB } from '../lib/machine.mjs';
import { create } from '../lib/peers/index.mjs';
import { rowOf, setOf } from '../lib/sets.mjs';
import { passOf } from '../lib/sweep.mjs';

let set = null;
let contender = null;

/** Queries before a pass is measured: the caches were the neighbours' meanwhile. */
const WARM_UP = 100;
const K = 10;
/** Queries after an open, before resident memory is read. */
const QUERIES_OF_RSS = 200;

async function pass(search, parameter, secondsMax) {
  const few = { ...set, queries: Math.min(WARM_UP, set.queries) };
  await passOf(search, few, parameter, secondsMax / 4);
  return passOf(search, set, parameter, secondsMax);
}

serve({
  build: async ({ library, variant, setName, limits, folder }) => {
    set = await setOf(setName, { ...limits, checked: true });
    contender = await create(library, { variant, set, folder, fresh: true });
    const cpu = cpuSeconds();
    const start = performance.now();
    await contender.insert();
    const inserted = (performance.now() - start) / 1000;
    await contender.finish();
    const settled = (performance.now() - start) / 1000;
    const rows = set.rows;
    set.base = undefined; // Many processes at once hold an index each, not a set each.
    return {
      insertRate: rows / inserted,
      settledRate: rows / settled,
      settledCpuRate: rows / (cpuSeconds() - cpu),
      stats: contender.stats?.() ?? null,
    };
  },
  prepare: ({ ef }) => contender.prepare(ef),
  pass: ({ ef, secondsMax }) => pass(contender.search, ef, secondsMax),
  passAtRecall: async ({ recall, secondsMax }) => {
    if (contender.searchAtRecall === undefined) return null;
    await contender.prepareRecall(rowOf(set.query, 0, set.dimensions), K, recall);
    return pass(contender.searchAtRecall, recall, secondsMax);
  },
  close: () => contender.close(),
  /** Times from the call that opens to the first answer; then the memory that it all took. */
  reopen: async ({ library, variant, setName, limits, folder }) => {
    set = await setOf(setName, { ...limits, withBase: false });
    contender = await create(library, { variant, set, folder, fresh: false });
    const ask = (q) => contender.search(rowOf(set.query, q, set.dimensions), K, 64);
    globalThis.gc?.();
    const before = rssAnonMiB();
    const start = performance.now();
    await contender.reopen();
    const openedMs = performance.now() - start;
    await ask(0);
    const answeredMs = performance.now() - start;
    const end = start + 5_000;
    for (let q = 1; q < Math.min(QUERIES_OF_RSS, set.queries) && performance.now() < end; q++) {
      await ask(q);
    }
    globalThis.gc?.();
    return { openedMs, answeredMs, rssAnonMiB: rssAnonMiB() - before };
  },
});
