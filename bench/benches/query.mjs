// Queries on 100,000 vectors: recall and rate by ef on the settled memory, then latencies at rest
// and while another process publishes to the same memory over MQTT.
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';

import { Child } from '../lib/child.mjs';
import { Memory, startMqtt, world } from '../lib/door.mjs';
import { insertRows } from '../lib/fill.mjs';
import { scratchFolder } from '../lib/machine.mjs';
import { median, quantile } from '../lib/numbers.mjs';
import { eachProfile } from '../lib/profiles.mjs';
import { rowOf, sensorsOf } from '../lib/sets.mjs';
import { passOf, sweepsOf } from '../lib/sweep.mjs';

const K = 10;
const EFS = [16, 24, 32, 48, 64, 96, 128, 256];
const EF_OF_LATENCIES = 64;
const MANY = 32;
/** Long enough for p99 to stand on hundreds of queries. */
const PHASE_MS = 2_500;

// What the other process publishes. `rows` a message, `perSecond` messages (0: as fast as
// acknowledged).
const FLOWS = [
  { name: 'at rest', flow: null },
  { name: '1,000 singles/s', flow: { rows: 1, window: 200, perSecond: 1000 } },
  { name: 'singles, full speed', flow: { rows: 1, window: 200, perSecond: 0 } },
  { name: 'batches of 100, full speed', flow: { rows: 100, window: 16, perSecond: 0 } },
];

const METHODS = {
  query: async (memory, set, q) =>
    memory.query({ vector: rowOf(set.query, q, set.dimensions), k: K, ef: EF_OF_LATENCIES }),
  querySync: (memory, set, q) =>
    memory.querySync({ vector: rowOf(set.query, q, set.dimensions), k: K, ef: EF_OF_LATENCIES }),
  queryMany: async (memory, set, q) => {
    const first = q % (set.queries - MANY);
    const vectors = set.query.subarray(first * set.dimensions, (first + MANY) * set.dimensions);
    return memory.queryMany({ vectors, k: K, ef: EF_OF_LATENCIES });
  },
};

/**
 * Latencies in ms of one method for PHASE_MS, one call after the other. Between calls the event
 * loop gets its turn, or no message would come in beside querySync().
 */
async function latenciesOf(method, memory, set) {
  const latencies = [];
  const end = performance.now() + PHASE_MS;
  for (let q = 0; performance.now() < end; q++) {
    await turn();
    const at = performance.now();
    await METHODS[method](memory, set, q % set.queries);
    latencies.push(performance.now() - at);
  }
  return latencies;
}

async function phase(memory, set, port, { name, flow }, boot) {
  const child = flow === null ? null : new Child('publisher');
  let running = null;
  if (child !== null) {
    const topic = 'rve/bench/ingest/flow';
    running = child.ask('flow', { port, topic, dimensions: set.dimensions, boot, ...flow });
    running.catch(() => {});
    const before = memory.stats().inserts;
    while (memory.stats().inserts === before) await turn();
  }
  const rows = [];
  for (const method of Object.keys(METHODS)) {
    const before = memory.stats().inserts;
    const start = performance.now();
    const latencies = await latenciesOf(method, memory, set);
    const inserts = ((memory.stats().inserts - before) / (performance.now() - start)) * 1000;
    rows.push({
      flow: name,
      method,
      inserts,
      queries: latencies.length,
      p50: quantile(latencies, 0.5),
      p99: quantile(latencies, 0.99),
      max: Math.max(...latencies),
    });
  }
  if (child !== null) {
    child.ask('stop').catch(() => {});
    await running;
    await child.kill();
  }
  return rows;
}

function recallFigures(report, set, points) {
  const enough = points.find((p) => p.recall >= 0.95) ?? points.at(-1);
  report.figure(`recall@10 at ef ${enough.ef}`, '', [enough.recall], ['>=', 0.95]);
  report.figure(`  querySync p50 at ef ${enough.ef}`, 'ms', enough.p50s, ['<', 1]);
  report.figure(`  querySync p99 at ef ${enough.ef}`, 'ms', enough.p99s);
  for (const point of [enough, points.find((p) => p.recall >= 0.99)]) {
    if (point === undefined) continue;
    const at = `ef ${point.ef} (recall ${point.recall.toFixed(4)})`;
    report.figure(`QPS at ${at}, one thread`, '1/s', point.rates);
    report.figure(`  queries a CPU second at ${at}`, '1/s', point.cpuRates);
  }
  report.table(
    'settled, k = 10, querySync, median of the rounds',
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
  report.plot('query', {
    title: `Recall against rate, ${set.rows} x 128, one thread, from JavaScript`,
    x: { title: 'recall@10', to: 1 },
    y: { title: 'queries a CPU second', log: true },
    series: [{ name: 'ruvector-edge', points: points.map((p) => [p.recall, median(p.cpuRates)]) }],
    target: { x: 0.95, text: '0.95' },
  });
}

export async function run(report, { repeats, rows, profiles }) {
  const set = await sensorsOf(rows, '100k');
  return eachProfile(report, profiles, Memory, (part, name, open) =>
    measure(part, set, open, repeats),
  );
}

async function measure(report, set, open, repeats) {
  const path = join(scratchFolder(), 'query.rve');
  const memory = await Memory.open(path, { dimensions: set.dimensions, ...open });
  await insertRows(memory, set.base, set.dimensions, { to: set.rows, batch: 100, inFlight: 32 });
  const { tailRows, frozenRows, kernels } = memory.stats();
  report.kernels(kernels);
  const search = (vector, k, ef) => memory.querySync({ vector, k, ef }).ids;
  const fresh = await passOf(search, set, EF_OF_LATENCIES);
  report.figure('recall@10 at once after inserting, ef 64', '', [fresh.recall], ['>=', 0.95]);
  report.figure('querySync p50 at once after inserting', 'ms', [fresh.p50]);
  report.note(`at once after inserting: ${tailRows} rows in the tail, ${frozenRows} frozen`);
  await memory.settle();
  report.note(
    `settled segments: ${memory
      .stats()
      .segments.map((s) => s.rows)
      .join(', ')} rows, ` + `${memory.stats().tailRows} in the tail`,
  );
  recallFigures(
    report,
    set,
    await sweepsOf(search, set, EFS, repeats),
  );

  const mqtt = await startMqtt({
    memory,
    dimensions: set.dimensions,
    node: 'bench',
    ...world,
    broker: { port: 0 },
  });
  const rows = [];
  for (const [i, flow] of FLOWS.entries()) {
    rows.push(...(await phase(memory, set, mqtt.port, flow, i + 1)));
  }
  for (const { flow, method, p50, p99 } of rows) {
    const bounded = method !== 'queryMany' && flow !== 'batches of 100, full speed';
    const target = (value) => (bounded ? ['<', value] : null);
    const busy = flow === 'at rest' ? flow : `ingest ${flow}`;
    report.figure(`${method} p50, ${busy}`, 'ms', [p50], target(1));
    report.figure(`${method} p99, ${busy}`, 'ms', [p99], target(10));
  }
  report.table(
    `ef ${EF_OF_LATENCIES}, k = 10; queryMany asks ${MANY} at once`,
    ['ingest', 'call', 'vec/s in', 'calls', 'p50 ms', 'p99 ms', 'max ms'],
    rows.map((r) => [r.flow, r.method, r.inserts, r.queries, r.p50, r.p99, r.max]),
  );
  await mqtt.stop();
  await memory.close();
}
