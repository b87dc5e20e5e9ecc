// Recall against rate beside usearch and hnswlib, same set, same run: at each ef each library takes
// its turn, round after round, so that all meet the same machine. One thread, one query a call.
import { join } from 'node:path';

import { Memory, peer } from '../lib/door.mjs';
import { filled } from '../lib/fill.mjs';
import { scratchFolder } from '../lib/machine.mjs';
import { interpolate, median } from '../lib/numbers.mjs';
import { rowOf, sensors } from '../lib/sets.mjs';
import { passOf, pointOf } from '../lib/sweep.mjs';

const LINKS = 16,
  EF_BUILD = 128;
const EFS = [10, 14, 20, 28, 40, 56, 80, 112, 160];
const MINE = 'ruvector-edge';

// Each opener gives { name, seconds, prepare(ef), search(vector, k, ef) -> ids } or null.

async function mine(set) {
  const path = join(scratchFolder(), 'peers.rve');
  const start = performance.now();
  const memory = await filled(Memory, path, set);
  const seconds = (performance.now() - start) / 1000;
  return {
    name: MINE,
    seconds,
    memory,
    prepare: () => {},
    search: (vector, k, ef) => memory.querySync({ vector, k, ef }).ids,
  };
}

// `kind` is what it stores: f32, f16 or i8 (which takes unit vectors).
async function usearch(set, kind) {
  const library = await peer('usearch');
  if (library === null) return null;
  const make = (ef) => new library.Index(set.dimensions, 'ip', kind, LINKS, EF_BUILD, ef, false);
  const built = make(64);
  const start = performance.now();
  for (let row = 0; row < set.rows; row++) {
    built.add(BigInt(row), rowOf(set.base, row, set.dimensions), 1);
  }
  const seconds = (performance.now() - start) / 1000;
  // ef is fixed when an index is made, so each takes a copy of the graph from a file.
  const path = join(scratchFolder(), `usearch-${kind}.bin`);
  built.save(path);
  let index = built;
  return {
    name: `usearch ${kind}`,
    seconds,
    prepare: (ef) => {
      index = make(ef);
      index.load(path);
    },
    search: (vector, k) => Array.from(index.search(vector, k, 1).keys, Number),
  };
}

async function hnswlib(set) {
  const library = await peer('hnswlib-node');
  if (library === null) return null;
  const index = new library.HierarchicalNSW('ip', set.dimensions);
  index.initIndex(set.rows, LINKS, EF_BUILD, 100);
  const start = performance.now();
  for (let row = 0; row < set.rows; row++) {
    index.addPoint(Array.from(rowOf(set.base, row, set.dimensions)), row);
  }
  const seconds = (performance.now() - start) / 1000;
  // It takes plain arrays only. They are made ahead, so that making them is not measured.
  const plain = new Map();
  for (let q = 0; q < set.queries; q++) {
    const vector = rowOf(set.query, q, set.dimensions);
    plain.set(vector.byteOffset, Array.from(vector));
  }
  return {
    name: 'hnswlib f32',
    seconds,
    prepare: (ef) => index.setEf(ef),
    search: (vector, k) => index.searchKnn(plain.get(vector.byteOffset), k).neighbors,
  };
}

/** Rate at a recall, on the line between the measured points; by wall time and by CPU time. */
function rateAt(points, recall) {
  const sorted = [...points].sort((a, b) => a.recall - b.recall);
  const of = (key) =>
    interpolate(
      sorted.map((p) => ({ x: p.recall, y: median(p[key]) })),
      recall,
    );
  return { wall: of('rates'), cpu: of('cpuRates') };
}

export async function run(report, { repeats }) {
  const set = await sensors('60k');
  const libraries = [];
  const kinds = ['f32', 'f16', 'i8'].map((kind) => (of) => usearch(of, kind));
  for (const open of [mine, ...kinds, hnswlib]) {
    const library = await open(set);
    if (library !== null) libraries.push(library);
  }
  report.kernels(libraries[0].memory.stats().kernels);
  const { segments, tailRows } = libraries[0].memory.stats();
  report.note(
    `${MINE} settled: segments of ${segments.map((s) => s.rows).join(', ')} rows, ` +
      `${tailRows} rows in the tail`,
  );
  const passes = new Map(libraries.map(({ name }) => [name, EFS.map(() => [])]));
  for (const [e, ef] of EFS.entries()) {
    for (const library of libraries) library.prepare(ef);
    for (let i = 0; i < repeats; i++) {
      for (const { name, search } of libraries) {
        // Each meets its own caches cold after its neighbours' turns; one short run warms them.
        passOf(search, { ...set, queries: 100 }, ef);
        passes.get(name)[e].push(passOf(search, set, ef));
      }
    }
  }
  const curves = libraries.map(({ name, seconds }) => ({
    name,
    seconds,
    points: EFS.map((ef, e) => pointOf(ef, passes.get(name)[e])),
  }));
  tell(report, set, curves);
  await libraries[0].memory.close();
}

function tell(report, set, curves) {
  for (const recall of [0.95, 0.99]) {
    const rates = new Map(curves.map((c) => [c.name, rateAt(c.points, recall)]));
    const own = rates.get(MINE);
    for (const [name, { wall, cpu }] of rates) {
      report.figure(`QPS at recall ${recall}, ${name}`, '1/s', [wall]);
      report.figure('  queries a CPU second', '1/s', [cpu]);
      if (name !== MINE)
        report.figure(`  ratio of ${MINE} to it, by CPU time`, 'x', [own.cpu / cpu]);
    }
  }
  for (const { name, seconds } of curves) {
    const what = name === MINE ? 'durable, to settled' : 'in RAM, one thread';
    report.figure(`build, ${name}, ${what}`, 'vec/s', [set.rows / seconds]);
  }
  report.table(
    '60,000 x 128, k = 10, one thread, median of the rounds',
    ['library', 'ef', 'recall@10', 'QPS', 'per CPU s', 'p50 ms', 'p99 ms'],
    curves.flatMap(({ name, points }) =>
      points.map((p) => [
        name,
        p.ef,
        p.recall.toFixed(4),
        median(p.rates),
        median(p.cpuRates),
        median(p.p50s),
        median(p.p99s),
      ]),
    ),
  );
  report.note(`graphs with M = ${LINKS} and efConstruction = ${EF_BUILD}; ours with its defaults`);
  report.note('a point outside the measured recalls is shown as –');
  report.plot('peers', {
    title: 'Recall against rate, 60,000 x 128, one thread, from JavaScript',
    x: { title: 'recall@10', to: 1 },
    y: { title: 'queries a CPU second', log: true },
    series: curves.map(({ name, points }) => ({
      name,
      points: points.map((p) => [p.recall, median(p.cpuRates)]),
    })),
    target: { x: 0.95, text: '0.95' },
  });
}
