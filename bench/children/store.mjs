// A process that holds one memory: fills it, tells what it cost, opens it cold. Fresh for each
// figure, so that resident memory and written bytes are this memory's alone.
import { Memory } from '../lib/door.mjs';
import { serve } from '../lib/child.mjs';
import { insertRows } from '../lib/fill.mjs';
import { rssAnonMiB, writeBytes } from '../lib/machine.mjs';
import { rowOf, sensorsOf } from '../lib/sets.mjs';

let memory = null;
let set = null;
let rssPeak = 0;
let watch = null;

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const counters = () => ({
  ...memory.stats(),
  written: writeBytes(),
  rssAnonMiB: rssAnonMiB(),
  rssPeak,
});

serve({
  /** Loads the set first, so that its memory is not counted as the store's. */
  prepare: async ({ name, rows, queriesOnly = false }) => {
    set = await sensorsOf(rows, name, { withTruth: false, withBase: !queriesOnly });
    globalThis.gc?.();
    return { rssAnonMiB: rssAnonMiB(), written: writeBytes() };
  },
  open: async ({ path, options }) => {
    memory = await Memory.open(path, options);
    rssPeak = 0;
    watch = setInterval(() => {
      rssPeak = Math.max(rssPeak, rssAnonMiB());
    }, 10);
    return counters();
  },
  insert: async ({ from, to, batch, inFlight }) => {
    await insertRows(memory, set.base, set.dimensions, { from, to, batch, inFlight });
    return counters();
  },
  /** Singles at `perSecond` for `seconds`, none waiting for the one before. */
  paced: async ({ perSecond, seconds }) => {
    const start = performance.now();
    const open = [];
    for (let row = 0; row < perSecond * seconds; row++) {
      const due = start + (row / perSecond) * 1000;
      while (performance.now() < due) await pause(Math.max(0, due - performance.now()));
      open.push(memory.insert(rowOf(set.base, row, set.dimensions)));
    }
    await Promise.all(open);
    return counters();
  },
  /**
   * Fills the tail as far as it goes while inserts run at full speed; gives the rows it then holds.
   */
  fillTail: async ({ wanted, rowsMax }) => {
    let row = 0;
    const open = [];
    while (memory.stats().tailRows < wanted && row < rowsMax) {
      const matrix = set.base.subarray(row * set.dimensions, (row + 100) * set.dimensions);
      open.push(memory.insert(matrix));
      row += 100;
      if (open.length >= 32) await open.shift();
    }
    await Promise.all(open);
    return counters();
  },
  settle: async () => {
    await memory.settle();
    return counters();
  },
  /** ms from the call of open() to the first answer, and to that of the open alone. */
  firstAnswer: async ({ path, row, options = {} }) => {
    const vector = rowOf(set.query, row, set.dimensions);
    const start = performance.now();
    memory = await Memory.open(path, options);
    const opened = performance.now() - start;
    const { ids } = memory.querySync({ vector, k: 10 });
    const answered = performance.now() - start;
    const again = performance.now();
    memory.querySync({ vector, k: 10 });
    return {
      opened,
      answered,
      second: performance.now() - again,
      found: ids.length,
      ids: [...ids],
      ...counters(),
    };
  },
  /** Opens, settles and asks all queries: what a machine keeps in memory that does only this. */
  useOnly: async ({ path, options }) => {
    memory = await Memory.open(path, options);
    await memory.settle();
    for (let q = 0; q < set.queries; q++) {
      memory.querySync({ vector: rowOf(set.query, q, set.dimensions), k: 10 });
    }
    globalThis.gc?.();
    return counters();
  },
  close: async () => {
    clearInterval(watch);
    await memory.close();
    return { written: writeBytes(), rssPeak };
  },
});
