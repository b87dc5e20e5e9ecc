// A memory of which a few neighbourhoods are asked for often: Fashion-MNIST, queries drawn by a
// Zipf law over clusters, hours that pass on a clock of our own, small budgets of bytes. What is
// hot should keep its recall, and all of it should be found still.
import { join } from 'node:path';

import { clustersOf, zipf } from '../lib/clusters.mjs';
import { Memory } from '../lib/door.mjs';
import { insertRows } from '../lib/fill.mjs';
import { scratchFolder } from '../lib/machine.mjs';
import { recallOf } from '../lib/numbers.mjs';
import { reasonOf } from '../lib/profiles.mjs';
import { uniform } from '../lib/sensor_set.mjs';
import { TRUTH_K, rowOf, setOf } from '../lib/sets.mjs';

/** Of raw f32, whole file. The first has a target. */
const RATIOS = [0.17, 0.11, 0.07];
const HOT_RECALL_MIN = 0.97;
const SEED = 20260607;
const CLUSTERS = 100,
  EXPONENT = 1.2;
/** Hours that pass, and queries in each. */
const HOURS = 8,
  QUERIES_AN_HOUR = 2_000;
const HOUR_MS = 3_600_000;
const K = 10;
/** Wide enough that what is lost is lost to the codes. */
const EF = 200;

/** Draws query numbers: a cluster by the Zipf law, then one of its queries. */
function drawer(set, random) {
  const clusters = clustersOf(set, CLUSTERS, random);
  const rank = zipf(clusters.length, EXPONENT, random);
  return () => {
    const members = clusters[rank()];
    return members[Math.floor(random() * members.length)];
  };
}

function recallOn(memory, set, numbers) {
  const found = [];
  const truth = new Int32Array(numbers.length * TRUTH_K);
  for (const [i, q] of numbers.entries()) {
    const vector = rowOf(set.query, q, set.dimensions);
    found.push(memory.querySync({ vector, k: K, ef: EF }).ids);
    truth.set(set.truth.subarray(q * TRUTH_K, (q + 1) * TRUTH_K), i * TRUTH_K);
  }
  return recallOf(found, truth, TRUTH_K, K);
}

async function measure(set, options) {
  let now = 1_700_000_000_000;
  const clock = { now: () => now };
  const { dimensions, metric } = set;
  const path = join(scratchFolder(), 'mixed.rve');
  const memory = await Memory.open(path, { dimensions, metric, clock, ...options });
  await insertRows(memory, set.base, dimensions, { to: set.rows, batch: 100, inFlight: 16 });
  await memory.settle();
  const draw = drawer(set, uniform(SEED));
  const step = HOUR_MS / QUERIES_AN_HOUR;
  for (let hour = 0; hour < HOURS; hour++) {
    for (let i = 0; i < QUERIES_AN_HOUR; i++) {
      now += step;
      const vector = rowOf(set.query, draw(), dimensions);
      memory.querySync({ vector, k: K, ef: EF });
    }
    await memory.settle();
  }
  const hot = recallOn(memory, set, Array.from({ length: set.queries }, draw));
  const all = recallOn(memory, set, [...Array(set.queries).keys()]);
  const stats = memory.stats();
  await memory.close();
  return { hot, all, stats, ratio: stats.fileBytes / (stats.live * dimensions * 4) };
}

export async function run(report, { rows, queries }) {
  const set = await setOf('fashion', { rows, queries });
  if (set === null) return 'ann/fashion-mnist is absent (RVE_DATA names the folder of data sets)';
  const cases = [
    { name: 'precise', options: { profile: 'precise' } },
    ...RATIOS.map((bytesRatioMax) => ({
      name: `edge ${bytesRatioMax}`,
      bound: bytesRatioMax,
      options: { profile: 'edge', bytesRatioMax },
    })),
  ];
  const lines = [];
  for (const { name, bound, options } of cases) {
    let result;
    try {
      result = await measure(set, options);
    } catch (error) {
      report.note(`skipped ${name}: ${reasonOf(error)}`);
      continue;
    }
    const { hot, all, stats, ratio } = result;
    report.kernels(stats.kernels);
    const target = bound === RATIOS[0] ? ['>=', HOT_RECALL_MIN] : null;
    report.figure(`recall@10 of hot queries, ${name}`, '', [hot], target);
    report.figure(`  of all queries, ${name}`, '', [all]);
    const budget = bound === undefined ? null : ['<=', bound];
    report.figure(`  file bytes / raw bytes, ${name}`, 'x', [ratio], budget);
    const tiers = (stats.tiers ?? []).map((tier) => JSON.stringify(tier)).join(' ');
    if (tiers !== '') report.note(`${name}: tiers ${tiers}`);
    lines.push([name, hot.toFixed(4), all.toFixed(4), ratio, stats.fileBytes / stats.live]);
  }
  report.table(
    `${set.name}, ${set.rows} x ${set.dimensions}, ef ${EF}, ${HOURS} hours`,
    ['profile', 'hot recall', 'all recall', 'of raw', 'bytes/vec'],
    lines,
  );
  report.note(`seed ${SEED}; Zipf exponent ${EXPONENT} over ${CLUSTERS} clusters of k-means`);
  return undefined;
}
