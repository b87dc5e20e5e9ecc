// Durable inserts from JavaScript. Each round runs SQLite first and then the memory, so that both
// see the same machine; ratios are taken within a round.
import { closeSync, fdatasyncSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';

import { Memory, peer } from '../lib/door.mjs';
import { insertRows } from '../lib/fill.mjs';
import { scratchFolder } from '../lib/machine.mjs';
import { quantile } from '../lib/numbers.mjs';
import { eachProfile } from '../lib/profiles.mjs';
import { rowOf, sensorsOf } from '../lib/sets.mjs';
import { blobTable } from '../lib/sqlite.mjs';

// Rows of each part. The two in flight take the whole set, 200,000 rows or --rows; the others need
// enough for a steady rate.
const ROWS = { awaited: 40_000, sqlite100: 40_000, sqlite1000: 100_000 };
const SINGLES_AWAITED = 2_000;
const SINGLES_PIPELINED = 30_000;
/**
 * Calls open at once where inserts are pipelined: what a sender with a receive window would have.
 */
const BATCHES_IN_FLIGHT = 32;
const SINGLES_IN_FLIGHT = 1_000;
/** Rows between two points of the plot. */
const MARK = 10_000;

const seconds = (since) => (performance.now() - since) / 1000;

/**
 * 4 KiB appended and fdatasynced, one after the other, a second: what the disk allows a lone
 * insert.
 */
function appendRate(folder) {
  const file = openSync(join(folder, `append-${performance.now()}`), 'w');
  const page = Buffer.alloc(4096, 1);
  const start = performance.now();
  for (let i = 0; i < SINGLES_AWAITED; i++) {
    writeSync(file, page);
    fdatasyncSync(file);
  }
  const rate = SINGLES_AWAITED / seconds(start);
  closeSync(file);
  return rate;
}

function sqliteRate(Database, folder, set, wanted, batch) {
  const rows = Math.min(wanted, set.rows);
  const table = blobTable(Database, join(folder, `blob-${batch}-${performance.now()}.db`));
  const start = performance.now();
  for (let row = 0; row < rows; row += batch) {
    table.insert(set.base, set.dimensions, row, Math.min(row + batch, rows));
  }
  const rate = rows / seconds(start);
  table.close();
  return rate;
}

/** Of 100 rows spread over the set, how many are the first answer to themselves. */
function selfFound(memory, set, rows) {
  let found = 0;
  for (let i = 0; i < 100; i++) {
    const row = Math.floor((i * (rows - 1)) / 99);
    const { ids } = memory.querySync({ vector: rowOf(set.base, row, set.dimensions), k: 1 });
    if (ids[0] === row) found++;
  }
  return found;
}

async function memoryRate(folder, set, { rows: wanted, batch, inFlight, settle = false, open }) {
  const rows = Math.min(wanted, set.rows);
  const path = join(folder, `m-${batch}-${inFlight}-${performance.now()}.rve`);
  const memory = await Memory.open(path, { dimensions: set.dimensions, ...open });
  const start = performance.now();
  const marks = [];
  await insertRows(memory, set.base, set.dimensions, {
    to: rows,
    batch,
    inFlight,
    onDurable: (end) => {
      if (end % MARK === 0) marks.push([end, seconds(start)]);
    },
  });
  const rate = rows / seconds(start);
  const found = selfFound(memory, set, rows);
  const { groups, freezes, kernels, frozenRows, tailRows } = memory.stats();
  if (settle) await memory.settle();
  const settled = seconds(start);
  await memory.close();
  return { rate, marks, found, settled, groups, freezes, kernels, frozenRows, tailRows };
}

/** One insert at a time, each awaited: [rate, latencies in ms]. */
async function awaitedSingles(folder, set, open) {
  const path = join(folder, `s-${performance.now()}.rve`);
  const memory = await Memory.open(path, { dimensions: set.dimensions, ...open });
  const latencies = [];
  const start = performance.now();
  for (let row = 0; row < SINGLES_AWAITED; row++) {
    const at = performance.now();
    await memory.insert(rowOf(set.base, row, set.dimensions));
    latencies.push(performance.now() - at);
  }
  const rate = SINGLES_AWAITED / seconds(start);
  await memory.close();
  return { rate, latencies };
}

async function oneRound(round, folder, set, Database, open) {
  const out = { append: appendRate(folder) };
  if (Database !== null) {
    out.sqlite100 = sqliteRate(Database, folder, set, ROWS.sqlite100, 100);
    out.sqlite1000 = sqliteRate(Database, folder, set, ROWS.sqlite1000, 1000);
    out.sqlite1 = sqliteRate(Database, folder, set, SINGLES_AWAITED, 1);
  }
  const all = { rows: set.rows, inFlight: BATCHES_IN_FLIGHT, open };
  out.piped100 = await memoryRate(folder, set, { ...all, batch: 100, settle: round === 0 });
  out.piped1000 = await memoryRate(folder, set, { ...all, batch: 1000 });
  out.awaited100 = await memoryRate(folder, set, {
    rows: ROWS.awaited,
    batch: 100,
    inFlight: 1,
    open,
  });
  out.singles = await awaitedSingles(folder, set, open);
  out.pipedSingles = await memoryRate(folder, set, {
    rows: SINGLES_PIPELINED,
    batch: 1,
    inFlight: SINGLES_IN_FLIGHT,
    open,
  });
  return out;
}

// What, unit, how a round tells it; then the target, and how it is judged.
const FIGURES = [
  ['batches of 100, 32 in flight', 'vec/s', (r) => r.piped100.rate, ['>=', 50_000]],
  ['batches of 1,000, 32 in flight', 'vec/s', (r) => r.piped1000.rate, ['>=', 50_000]],
  ['batches of 100, each awaited', 'vec/s', (r) => r.awaited100.rate],
  ['singles, each awaited', 'vec/s', (r) => r.singles.rate, ['>=', 3_000]],
  ['4 KiB append + fdatasync, no store', '1/s', (r) => r.append],
  ['ratio singles awaited to bare appends', 'x', (r) => r.singles.rate / r.append],
  ['singles, 1,000 in flight', 'vec/s', (r) => r.pipedSingles.rate],
  ['single, awaited, p50', 'ms', (r) => quantile(r.singles.latencies, 0.5)],
  ['single, awaited, p99', 'ms', (r) => quantile(r.singles.latencies, 0.99)],
  ['found by self-query at once', 'of 100', (r) => r.piped100.found, ['>=', 99], 'worst'],
];
const BESIDE_SQLITE = [
  ['SQLite blobs, 100 a transaction', 'vec/s', (r) => r.sqlite100],
  ['SQLite blobs, 1,000 a transaction', 'vec/s', (r) => r.sqlite1000],
  ['SQLite blobs, 1 a transaction', 'vec/s', (r) => r.sqlite1],
  ['ratio to SQLite, 100, in flight', 'x', (r) => r.piped100.rate / r.sqlite100],
  ['ratio to SQLite, 100, awaited', 'x', (r) => r.awaited100.rate / r.sqlite100],
  ['ratio to SQLite, 1,000, in flight', 'x', (r) => r.piped1000.rate / r.sqlite1000],
  ['ratio to SQLite, singles awaited', 'x', (r) => r.singles.rate / r.sqlite1],
];

export async function run(report, { repeats, rows, profiles }) {
  const Database = await peer('better-sqlite3');
  const set = await sensorsOf(rows, '200k', { withQueries: false });
  return eachProfile(report, profiles, Memory, (part, name, open) =>
    measure(part, set, Database, open, repeats),
  );
}

async function measure(report, set, Database, open, repeats) {
  const folder = scratchFolder();
  const rounds = [];
  for (let i = 0; i < repeats; i++) {
    rounds.push(await oneRound(i, folder, set, Database, open));
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder);
  }
  report.kernels(rounds[0].piped100.kernels);
  const { settled, groups, freezes, frozenRows, tailRows } = rounds[0].piped100;
  for (const [what, unit, tell, ...target] of FIGURES) {
    report.figure(what, unit, rounds.map(tell), ...target);
  }
  report.figure(`to settled: ${set.rows} inserted, linked, merged`, 's', [settled]);
  report.figure('build rate, to settled', 'vec/s', [set.rows / settled]);
  for (const [what, unit, tell] of Database === null ? [] : BESIDE_SQLITE) {
    report.figure(what, unit, rounds.map(tell));
  }
  report.note(
    `first round, batches of 100: ${groups} groups, ${freezes} freezes, then ${frozenRows} ` +
      `rows frozen and ${tailRows} in the tail`,
  );
  report.plot('insert', {
    title: 'Durable inserts, d = 128',
    x: { title: 'vectors in the memory', from: 0 },
    y: { title: 'vectors a second, over each 10,000', from: 0 },
    series: [
      ...rounds.map((r, i) => ({
        name: `100 a batch, round ${i + 1}`,
        points: ratesOf(r.piped100.marks),
      })),
      { name: '1,000 a batch', points: ratesOf(rounds[0].piped1000.marks) },
    ],
    target: { y: 50_000, text: 'target 50,000/s' },
  });
}

const ratesOf = (marks) =>
  marks.map(([rows, at], i) => {
    const [before, since] = i === 0 ? [0, 0] : marks[i - 1];
    return [rows, (rows - before) / (at - since)];
  });
