// Fashion-MNIST, 60,000 x 784, 1,000 test queries, truth as supplied: recall@10 and rate by ef.
import { join } from 'node:path';

import { Memory } from '../lib/door.mjs';
import { insertRows } from '../lib/fill.mjs';
import { scratchFolder } from '../lib/machine.mjs';
import { median } from '../lib/numbers.mjs';
import { fashion } from '../lib/sets.mjs';
import { sweepsOf } from '../lib/sweep.mjs';

const EFS = [10, 16, 24, 32, 48, 64, 96, 128, 200];

async function measure(report, set, metric, repeats) {
  const path = join(scratchFolder(), `fashion-${metric}.rve`);
  const memory = await Memory.open(path, { dimensions: set.dimensions, metric });
  report.kernels(memory.stats().kernels);
  const start = performance.now();
  await insertRows(memory, set.base, set.dimensions, { to: set.rows, batch: 100, inFlight: 16 });
  const inserted = (performance.now() - start) / 1000;
  await memory.settle();
  const settled = (performance.now() - start) / 1000;
  report.figure(`${metric}: insert, batches of 100`, 'vec/s', [set.rows / inserted]);
  report.figure(`${metric}: build, to settled`, 'vec/s', [set.rows / settled]);
  const search = (vector, k, ef) => memory.querySync({ vector, k, ef }).ids;
  const points = await sweepsOf(search, set, EFS, repeats);
  for (const wanted of [0.95, 0.99]) {
    const at = points.find((p) => p.recall >= wanted) ?? points.at(-1);
    report.figure(`${metric}: recall@10 at ef ${at.ef}`, '', [at.recall], ['>=', wanted]);
    report.figure(`${metric}: QPS at ef ${at.ef}, one thread`, '1/s', at.rates);
    report.figure(`${metric}: queries a CPU second at ef ${at.ef}`, '1/s', at.cpuRates);
  }
  await memory.close();
  report.table(
    `${metric}, k = 10, querySync, median of ${repeats} rounds`,
    ['ef', 'recall@10', 'QPS', 'per CPU s', 'p50 ms', 'p99 ms'],
    points.map((p) => [
      String(p.ef),
      p.recall.toFixed(4),
      median(p.rates),
      median(p.cpuRates),
      median(p.p50s),
      median(p.p99s),
    ]),
  );
  return points;
}

export async function run(report, { repeats }) {
  const series = [];
  for (const metric of ['l2', 'cosine']) {
    const set = fashion(metric);
    if (set === null) return 'ann/fashion-mnist is absent (RVE_DATA names the folder of data sets)';
    const points = await measure(report, set, metric, repeats);
    series.push({ name: metric, points: points.map((p) => [p.recall, median(p.rates)]) });
  }
  report.plot('fashion', {
    title: 'Fashion-MNIST: recall against rate, one thread, from JavaScript',
    x: { title: 'recall@10', to: 1 },
    y: { title: 'queries a second', log: true },
    series,
    target: { x: 0.95, text: '0.95' },
  });
  return undefined;
}
