// ruvector-edge through its public door. Inserts are durable, in batches of 100 with 32 in flight;
// settled is when the background has nothing left to do.
import { join } from 'node:path';

import { GRAPH_EFS } from './shared.mjs';
import { Memory } from '../door.mjs';
import { insertRows } from '../fill.mjs';

export const MINE = 'ruvector-edge';
/** Budgets of the whole file, by dimensions: what recall 0.95 and 0.99 are to be had for. */
export const RATIOS = { 128: { 0.95: 0.3, 0.99: 0.4 }, 784: { 0.95: 0.13, 0.99: 0.25 } };

const edge = (bytesRatioMax) => ({ profile: 'edge', bytesRatioMax });
const OPTIONS = {
  precise: { profile: 'precise' },
  balanced: { profile: 'balanced' },
  edge: { profile: 'edge' },
  'edge 0.13': edge(0.13),
  'edge 0.25': edge(0.25),
  'edge 0.30': edge(0.3),
  'edge 0.40': edge(0.4),
};

export const variants = Object.keys(OPTIONS).map((variant) => ({
  name: `${MINE} ${variant}`,
  variant,
  efs: GRAPH_EFS,
  mine: true,
  /** A budget that no set of these dimensions aims at is not tried. */
  fits: ({ dimensions }) =>
    OPTIONS[variant].bytesRatioMax === undefined ||
    Object.values(RATIOS[dimensions] ?? {}).includes(OPTIONS[variant].bytesRatioMax),
}));

export async function create({ variant, set, folder, fresh }) {
  const path = join(folder, 'memory.rve');
  const { dimensions, metric, rows } = set;
  const open = (more) => Memory.open(path, { ...OPTIONS[variant], ...more });
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
    /** The recall is named in place of ef; throws where that is not there yet. */
    searchAtRecall: (vector, k, recall) => memory.querySync({ vector, k, recall }).ids,
    close: () => memory.close(),
    stats: () => memory.stats(),
  };
}
