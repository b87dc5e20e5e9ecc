// A process that holds one memory and nothing else: rows come from a file a batch at a time, so
// that what is resident is the memory's and Node's.
import { closeSync, openSync, readSync } from 'node:fs';

import { serve } from '../lib/child.mjs';
import { Memory } from '../lib/door.mjs';
import { rssAnonMiB } from '../lib/machine.mjs';
import { quantile, recallOf } from '../lib/numbers.mjs';
import { TRUTH_K, rowOf, sensors } from '../lib/sets.mjs';

const BATCH = 100;
const IN_FLIGHT = 16;
/** Queries beside the work: one, and then a pause: some 150 a second. */
const PAUSE_MS = 5;
const WATCH_MS = 10;

let memory = null;
let set = null;

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** The highest RssAnon until stop(), MiB. */
function watchRss() {
  let peak = 0;
  const timer = setInterval(() => {
    peak = Math.max(peak, rssAnonMiB());
  }, WATCH_MS);
  return () => {
    clearInterval(timer);
    return Math.max(peak, rssAnonMiB());
  };
}

/** Asks queries while `work` runs: what it gives, with the latencies in ms and the peak. */
async function beside(work) {
  const stop = watchRss();
  const latencies = [];
  let working = true;
  const asking = (async () => {
    for (let q = 0; working; q = (q + 1) % set.queries) {
      const at = performance.now();
      await memory.query({ vector: rowOf(set.query, q, set.dimensions), k: 10 });
      latencies.push(performance.now() - at);
      await pause(PAUSE_MS);
    }
  })();
  const start = performance.now();
  try {
    await work();
  } finally {
    working = false;
  }
  const seconds = (performance.now() - start) / 1000;
  await asking;
  return {
    seconds,
    p50: quantile(latencies, 0.5),
    p99: quantile(latencies, 0.99),
    queries: latencies.length,
    rssPeak: stop(),
  };
}

async function insertFrom(file, rows, perSecond) {
  const { dimensions } = set;
  const handle = openSync(file, 'r');
  const open = [];
  const start = performance.now();
  for (let row = 0; row < rows; row += BATCH) {
    const count = Math.min(BATCH, rows - row);
    const bytes = new Uint8Array(count * dimensions * 4);
    readSync(handle, bytes, 0, bytes.length, row * dimensions * 4);
    open.push(memory.insert(new Float32Array(bytes.buffer)));
    if (open.length >= IN_FLIGHT) await open.shift();
    const due = start + (1000 * row) / perSecond;
    if (due > performance.now()) await pause(due - performance.now());
  }
  await Promise.all(open);
  closeSync(handle);
}

serve({
  /** Queries and truth only. */
  open: async ({ path, options, name }) => {
    set = await sensors(name, { checked: true, withBase: false });
    memory = await Memory.open(path, options);
    return { rssAnonMiB: rssAnonMiB() };
  },
  insert: ({ file, rows, perSecond = Infinity }) =>
    beside(() => insertFrom(file, rows, perSecond)),
  settle: async () => {
    const cost = await beside(() => memory.settle());
    globalThis.gc?.();
    return { ...cost, rssAnonMiB: rssAnonMiB(), stats: memory.stats() };
  },
  /** All queries, one after the other. */
  ask: ({ ef }) => {
    const start = performance.now();
    const found = [];
    const latencies = [];
    for (let q = 0; q < set.queries; q++) {
      const at = performance.now();
      found.push(memory.querySync({ vector: rowOf(set.query, q, set.dimensions), k: 10, ef }).ids);
      latencies.push(performance.now() - at);
    }
    return {
      seconds: (performance.now() - start) / 1000,
      recall: recallOf(found, set.truth, TRUTH_K, 10),
      p50: quantile(latencies, 0.5),
      p99: quantile(latencies, 0.99),
      rssAnonMiB: rssAnonMiB(),
    };
  },
  close: () => memory.close(),
});
