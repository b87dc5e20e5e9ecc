// ruvector-edge through its public door. Inserts are durable, in batches of 100 with 32 in flight;
// settled is when the background has nothing left to do.
import { join } from 'node:path';

import { GRAPH_EFS } from './shared.mjs';
import { Memory } from '../door.mjs';
import { insertRows } from '../fill.mjs';
import { PROFILES, RATIOS } from '../profiles.mjs';

export const MINE = 'ruvector-edge';
export const variants = Object.keys(PROFILES).map((variant) => ({
  name: `${MINE} ${variant}`,
  variant,
  efs: GRAPH_EFS,
  mine: true,
  /** A budget that no set of these dimensions aims at is not tried. */
  fits: ({ dimensions }) =>
    PROFILES[variant].bytesRatioMax === undefined ||
    Object.values(RATIOS[dimensions] ?? {}).includes(PROFILES[variant].bytesRatioMax),
}));

export async function create({ variant, set, folder, fresh }) {
  const path = join(folder, 'memory.rve');
  const { dimensions, metric, rows } = set;
  const open = (more) => Memory.open(path, { ...PROFILES[variant], ...more });
  // A profile that is not there yet is refused here, before anything is measured.
  let memory = fresh ? await open({ dimensions, metric }) : null;
  return {
    insert: () => insertRows(memory, set.base, dimensions, { to: rows, batch: 100, inFlight: 32 }),
    finish: () => memory.settle(),
    reopen: async () => {
      memory = await open({});
    },
    prepare: () => {},
    search: (vector, k, ef) => memory.querySync({ vector, k, ef }).ids,
    /** Asked for the first time, a recall is answered by a guess, and measured behind it. */
    prepareRecall: async (vector, k, recall) => {
      memory.querySync({ vector, k, recall });
      await memory.settle();
    },
    /** The recall is named in place of ef. */
    searchAtRecall: (vector, k, recall) => memory.querySync({ vector, k, recall }).ids,
    close: () => memory.close(),
    stats: () => memory.stats(),
  };
}
