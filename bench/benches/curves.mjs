// Recall against rate, bytes, builds and cold opens of every profile, beside every peer that is
// installed, in one run. One thread, one query a call, from JavaScript.
import { bestRecall, rateAt } from '../lib/curve.mjs';
import { median } from '../lib/numbers.mjs';
import { MINE } from '../lib/peers/mine.mjs';
import { contenders } from '../lib/peers/index.mjs';
import { EF_BUILD, LINKS } from '../lib/peers/shared.mjs';
import { RATIOS } from '../lib/profiles.mjs';
import { coldMs, race } from '../lib/race.mjs';
import { setOf } from '../lib/sets.mjs';

const RECALLS = [0.95, 0.99];
/** What we want to be to the best peer, in rate at both recalls and in building. */
const RATIO_MIN = 1.5;
/** Vectors a second, of so many dimensions. */
const INSERT_MIN = 50_000,
  INSERT_DIMENSIONS = 128;
const COLD_MS_MAX = 100;
/** The plot leaves out what is useless as an index. */
const PLOT_RECALL_MIN = 0.8;

const raw = (set) => set.dimensions * 4;
const median0 = (values) => (values === undefined ? NaN : median(values));

/** Ratios of one of ours to each peer: its figure, and a target on the smallest. */
function ratioFigures(report, set, own, peers) {
  for (const recall of RECALLS) {
    const at = (result, key) => rateAt(result.points, recall, key).rate;
    report.figure(`${set.name}: QPS at ${recall}, ${own.name}`, '1/s', [at(own, 'rates')]);
    report.figure('  queries a CPU second', '1/s', [at(own, 'cpuRates')]);
    const ratios = peers
      .map((peer) => ({ peer, ratio: at(own, 'cpuRates') / at(peer, 'cpuRates') }))
      .filter(({ peer }) => !Number.isNaN(at(peer, 'cpuRates')));
    if (ratios.length === 0) continue;
    // A curve of ours that never reaches the recall has no ratio, and so misses.
    const worst = ratios.reduce((a, b) => (b.ratio < a.ratio ? b : a));
    const what = `  ratio to the best peer (${worst.peer.name}), by CPU time`;
    report.figure(what, 'x', [worst.ratio], ['>=', RATIO_MIN]);
    const wall = Math.min(...peers.map((p) => at(own, 'rates') / at(p, 'rates') || Infinity));
    report.figure('  the same by wall time', 'x', [Number.isFinite(wall) ? wall : NaN]);
  }
}

/** Bytes, inserts, build and cold open of one of ours. */
function ownFigures(report, set, own, peers) {
  const wanted = RATIOS[set.dimensions] ?? {};
  const budget = Object.entries(wanted).find(([, ratio]) => own.variant === edgeName(ratio));
  const ratio = own.bytes / raw(set);
  const target = budget === undefined ? null : ['<=', budget[1]];
  report.figure(`${set.name}: file bytes / raw bytes, ${own.name}`, 'x', [ratio], target);
  const { liveBytes, fixedBytes } = own.stats;
  const used = (liveBytes + fixedBytes) / set.rows / raw(set);
  report.figure('  live and fixed parts of it, when settled', 'x', [used]);
  if (budget !== undefined) {
    const [recall] = budget;
    const best = bestRecall(own.points);
    report.figure('  best recall@10 within these bytes', '', [best], ['>=', Number(recall)]);
  }
  const insertMin = set.dimensions === INSERT_DIMENSIONS ? ['>=', INSERT_MIN] : null;
  report.figure('  durable inserts', 'vec/s', [own.insertRate], insertMin);
  // A graph that never finds 19 of 20 is no build to compare with.
  const graphs = peers.filter((p) => !p.scan && bestRecall(p.points) >= RECALLS[0]);
  const best = Math.max(...graphs.map((p) => p.settledRate));
  report.figure('  build, to settled', 'vec/s', [own.settledRate]);
  if (graphs.length > 0) {
    const to = own.settledRate / best;
    const what = '  ratio of it to the fastest build of a peer that reaches 0.95';
    report.figure(what, 'x', [to], ['>=', RATIO_MIN]);
  }
  const cold = own.cold?.answeredMs ?? [];
  report.figure('  cold open to first answer', 'ms', cold, ['<', COLD_MS_MAX]);
  for (const { recall, pass, refused } of own.atRecall) {
    if (refused !== undefined) {
      report.note(`${own.name}: recall: ${recall} in place of ef: skipped: ${refused}`);
      continue;
    }
    // What codes of these bytes have lost, no ef finds.
    const target = bestRecall(own.points) >= recall ? ['>=', recall] : null;
    report.figure(`  recall@10 when ${recall} is asked for`, '', [pass.recall], target);
    report.figure('  queries a CPU second at that', '1/s', [pass.cpuRate]);
  }
}

const edgeName = (ratio) => `edge ${ratio.toFixed(2)}`;

const shownRate = ({ rate, bound }) =>
  bound ? `>= ${Math.round(rate).toLocaleString('en-US')}` : rate;

function tables(report, set, results) {
  const rates = (r, key) => RECALLS.map((recall) => shownRate(rateAt(r.points, recall, key)));
  const size = `${set.name}, ${set.rows} x ${set.dimensions}, k = 10`;
  const columns = ['contender', 'insert/s', 'settled/s', 'per CPU s', 'best recall', 'QPS 0.95'];
  columns.push('0.99', 'per CPU s 0.95', '0.99', 'bytes/vec', 'of raw', 'cold ms', 'RssAnon MiB');
  report.table(
    size,
    columns,
    results.map((r) => [
      r.name,
      r.insertRate,
      r.settledRate,
      r.settledCpuRate,
      bestRecall(r.points).toFixed(4),
      ...rates(r, 'rates'),
      ...rates(r, 'cpuRates'),
      r.bytes,
      r.bytes / raw(set),
      coldMs(r),
      median0(r.cold?.rssAnonMiB),
    ]),
  );
  const sorted = [...results].sort((a, b) => a.bytes - b.bytes);
  report.table(
    `${set.name}: bytes a vector against queries a CPU second at 0.95, all bytes counted`,
    ['contender', 'bytes/vec', 'at 0.95'],
    sorted.map((r) => [r.name, r.bytes, shownRate(rateAt(r.points, 0.95, 'cpuRates'))]),
  );
  const own = results.filter((r) => r.mine);
  for (const recall of RECALLS) {
    const of = (r) => rateAt(r.points, recall, 'cpuRates').rate;
    report.table(
      `${set.name}: how many times the peer's rate at ${recall}, by CPU time`,
      ['peer', ...own.map((r) => r.variant)],
      results.filter((r) => !r.mine).map((p) => [p.name, ...own.map((o) => of(o) / of(p))]),
    );
  }
  report.table(
    `${size}, median of the rounds`,
    ['contender', 'ef', 'recall@10', 'QPS', 'per CPU s', 'p50 ms', 'p99 ms'],
    results.flatMap((r) =>
      r.points.map((p) => [
        r.name,
        p.ef === 0 ? '' : String(p.ef),
        p.recall.toFixed(4),
        ...[p.rates, p.cpuRates, p.p50s, p.p99s].map(median),
      ]),
    ),
  );
}

function plots(report, set, results, setName) {
  const title = `${set.name}, ${set.rows} x ${set.dimensions}, from JavaScript`;
  const y = { title: 'queries a CPU second', log: true };
  report.plot(`curves-${setName}`, {
    title: `Recall and rate, ${title}`,
    x: { title: 'recall@10', from: PLOT_RECALL_MIN, to: 1 },
    y,
    series: results
      .map((r, look) => ({
        name: r.name,
        strong: r.mine,
        look,
        points: r.points
          .filter((p) => p.recall >= PLOT_RECALL_MIN)
          .map((p) => [p.recall, median(p.cpuRates)]),
      }))
      .filter(({ points }) => points.length > 0),
    target: { x: 0.95, text: '0.95' },
  });
  report.plot(`bytes-${setName}`, {
    title: `Bytes and rate at 0.95, ${title}`,
    x: { title: 'bytes a vector, whole file', log: true },
    y,
    series: results
      .map((r, look) => ({
        name: r.name,
        strong: r.mine,
        look,
        points: [[r.bytes, rateAt(r.points, 0.95, 'cpuRates').rate]],
      }))
      .filter(({ points }) => Number.isFinite(points[0][1])),
  });
}

export async function run(report, { repeats, rows, queries, sets, only }) {
  const entries = await contenders(only);
  let measured = 0;
  for (const setName of sets ?? ['fashion', '60k']) {
    const limits = { rows, queries };
    const set = await setOf(setName, limits);
    if (set === null) {
      report.note(`${setName}: skipped: the data is absent (RVE_DATA names its folder)`);
      continue;
    }
    console.log(`\n${set.name}, ${set.rows} x ${set.dimensions}`);
    const all = await race(entries, { ...set, base: undefined }, { setName, limits }, repeats);
    const results = all.filter((r) => r.skipped === null);
    for (const r of all) if (r.skipped !== null) report.note(`skipped ${r.name}: ${r.skipped}`);
    if (results.length === 0) continue;
    const peers = results.filter((r) => !r.mine);
    for (const own of results.filter((r) => r.mine)) {
      report.kernels(own.stats.kernels);
      ratioFigures(report, set, own, peers);
      ownFigures(report, set, own, peers);
    }
    tables(report, set, results);
    plots(report, set, results, setName);
    measured += 1;
  }
  report.note(`graphs of peers: M = ${LINKS}, efConstruction = ${EF_BUILD}; ${MINE}: its defaults`);
  report.note('>=: the curve begins above that recall; –: it never reaches it');
  return measured === 0 ? 'no set, or nobody who could be measured' : undefined;
}
