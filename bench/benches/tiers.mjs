// Codes by themselves: every vector in one tier, no originals, no graph, no rescoring, against the
// exact ten nearest; beside codes of peers, and the tiers on a codebook that saw no data.
import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { bestRecall } from '../lib/curve.mjs';
import { scratchFolder } from '../lib/machine.mjs';
import { contenders } from '../lib/peers/index.mjs';
import { race } from '../lib/race.mjs';
import { bytesOf, folderOf, setOf } from '../lib/sets.mjs';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const PROGRAM = 'build/host/tier_recall';
/** Queries of each set: a scan of all rows for each, a minute a set. */
const QUERIES = { fashion: 200, '60k': 1000, '1m': 50 };
/** Candidates that make a walk of a graph as good as a scan. */
const EF = 1000;

// Bytes of the code alone of one vector. Factors and numbers of centroids are not counted, which
// favours the peers.
const CODES = {
  'usearch i8': (d) => d,
  'usearch b1': (d) => d / 8,
  'zvec rabitq-7': (d) => (d * 7) / 8,
  'zvec rabitq-4': (d) => d / 2,
  'zvec rabitq-1': (d) => d / 8,
  'faiss sq8': (d) => d,
  'faiss sq4': (d) => d / 2,
  'faiss pq': (d) => d / 4,
  'sqlite-vec int8': (d) => d,
  'sqlite-vec bit': (d) => d / 8,
};

// Name, bits, bytes, recall, encodes, ns.
const LINE = new RegExp(
  /^(\w+) +([\d.]+) bits\/dim +(\d+) B .*recall@10 ([\d.]+)/.source +
    / +encode +(\d+)\/s +distance +(\d+) ns/.source,
);

const TRAINED = /^codebook: .*trained on (\d+) rows in ([\d.]+) s/m;

/** Runs the native program on a set: its training, and a line for each tier, trained and not. */
function ownCodes(set, setName) {
  const whole = folderOf(setName);
  const folder = existsSync(join(whole, 'truth.i32')) && set.whole ? whole : scratchFolder();
  if (folder !== whole) {
    for (const [file, array] of [
      ['base.f32', set.base],
      ['query.f32', set.query],
      ['truth.i32', set.truth],
    ]) {
      writeFileSync(join(folder, file), bytesOf(array));
    }
  }
  const args = [folder, set.metric, String(set.dimensions), String(set.queries)];
  const ran = spawnSync(join(ROOT, PROGRAM), args, { encoding: 'utf8' });
  if (ran.status !== 0) throw new Error(`${PROGRAM} ended with ${ran.status}: ${ran.stderr}`);
  let suffix = '';
  const out = [];
  for (const text of ran.stdout.split('\n')) {
    if (text.startsWith('without training')) suffix = ', untrained';
    const match = LINE.exec(text);
    if (match === null) continue;
    const [bits, bytes, recall, encodes, ns] = match.slice(2).map(Number);
    out.push({ name: `${match[1]}${suffix}`, mine: true, bits, bytes, recall, encodes, ns });
  }
  const [rows, seconds] = TRAINED.exec(ran.stdout).slice(1).map(Number);
  return { training: { rows, seconds }, codes: out };
}

function tellCosts(report, set, { training, codes }) {
  const what = `${set.name}: refresh of the codebook, sample of ${training.rows} x ${set.dimensions}`;
  report.figure(what, 's', [training.seconds], ['<', 1]);
  for (const { name, encodes } of codes) {
    if (name.includes('untrained')) continue;
    report.figure(`${set.name}: encoded to ${name}, one core`, 'vec/s', [encodes], ['>=', 10_000]);
  }
}

/** Codes of peers by as good as a scan. */
async function peerCodes(report, set, setName, limits, only) {
  const named = (await contenders(only)).filter(({ name }) => name in CODES);
  const entries = named.map((entry) => ({ ...entry, efs: entry.efs.length > 1 ? [EF] : [0] }));
  if (entries.length === 0) return [];
  const results = await race(entries, { ...set, base: undefined }, { setName, limits }, 1);
  const out = [];
  for (const { name, skipped, points } of results) {
    if (skipped !== null) {
      report.note(`skipped ${name}: ${skipped}`);
      continue;
    }
    const bytes = CODES[name](set.dimensions);
    const bits = (8 * bytes) / set.dimensions;
    out.push({ name, bits, bytes, recall: bestRecall(points), encodes: NaN, ns: NaN });
  }
  return out;
}

function tell(report, set, setName, codes) {
  for (const { name, mine, recall, bytes } of codes) {
    if (!mine) continue;
    report.figure(`${set.name}: recall@10 of ${name}, ${bytes} B`, '', [recall]);
    const rivals = codes.filter((c) => !c.mine && c.bytes <= bytes * 1.1 && c.bytes >= bytes / 2);
    if (rivals.length === 0) continue;
    const best = rivals.reduce((a, b) => (b.recall > a.recall ? b : a));
    report.figure(`  of ${best.name}, ${best.bytes} B`, '', [best.recall]);
  }
  report.table(
    `${set.name}, ${set.rows} x ${set.dimensions}, ${set.queries} queries, codes alone`,
    ['code', 'bits/dim', 'bytes', 'recall@10', 'encodes/s', 'ns a distance'],
    [...codes]
      .sort((a, b) => b.bytes - a.bytes)
      .map((c) => [c.name, c.bits, c.bytes, c.recall.toFixed(4), c.encodes, c.ns]),
  );
  report.plot(`tiers-${setName}`, {
    title: `Recall of codes alone, ${set.name}`,
    x: { title: 'bits a dimension', log: true },
    y: { title: 'recall@10', from: 0, to: 1 },
    series: [
      { name: 'tiers', of: (c) => c.mine && !c.name.includes('untrained'), strong: true },
      { name: 'tiers, untrained', of: (c) => c.name.includes('untrained'), strong: true },
      ...codes
        .filter((c) => !c.mine)
        .map(({ name }) => ({ name, of: (c) => c.name === name, strong: false })),
    ].map(({ name, of, strong }) => ({
      name,
      strong,
      points: codes
        .filter(of)
        .map((c) => [c.bits, c.recall])
        .sort((a, b) => a[0] - b[0]),
    })),
  });
}

export async function run(report, { rows, queries, sets, only }) {
  const makefiles = ['-f', 'Makefile', '-f', 'bench/native/build.mk', PROGRAM];
  const made = spawnSync('make', makefiles, { cwd: ROOT, stdio: 'inherit' });
  if (made.status !== 0) return `${PROGRAM} does not build`;
  for (const setName of sets ?? ['fashion', '60k']) {
    const limits = { rows, queries: queries ?? QUERIES[setName] };
    const set = await setOf(setName, limits);
    if (set === null) {
      report.note(`${setName}: skipped: the data is absent (RVE_DATA names its folder)`);
      continue;
    }
    const own = ownCodes(set, setName);
    const peers = await peerCodes(report, set, setName, limits, only);
    tell(report, set, setName, [...own.codes, ...peers]);
    tellCosts(report, set, own);
  }
  report.note('peers: bytes of the code alone, by scan or by a walk with 1,000 candidates');
  return undefined;
}
