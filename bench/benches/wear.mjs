// What reaches the flash for each byte of vectors, how large the file is, what stays resident.
import { join } from 'node:path';

import { Child } from '../lib/child.mjs';
import { Memory } from '../lib/door.mjs';
import { bytesOnDisk, scratchFolder } from '../lib/machine.mjs';
import { eachProfile } from '../lib/profiles.mjs';
import { sensorsOf } from '../lib/sets.mjs';

const DIMENSIONS = 128;
const RAW = DIMENSIONS * 4;
const ROWS = 100_000;

// Slow rates: all at once, each in its own process and file. `seconds` gives each at least 150
// inserts.
const PACES = [
  { perSecond: 10, seconds: 16, lingerMs: 0 },
  { perSecond: 100, seconds: 16, lingerMs: 0 },
  { perSecond: 1000, seconds: 16, lingerMs: 0 },
  { perSecond: 10, seconds: 16, lingerMs: 1000 },
  { perSecond: 100, seconds: 16, lingerMs: 100 },
];

/** Rows that the fastest of them needs. */
const PACED_ROWS = Math.max(...PACES.map(({ perSecond, seconds }) => perSecond * seconds));

const fresh = async (path, options, rows) => {
  const child = new Child('store');
  const before = await child.ask('prepare', { rows });
  await child.ask('open', { path, options: { dimensions: DIMENSIONS, ...options } });
  return { child, before };
};

async function fullRate(folder, round, rows, open) {
  const path = join(folder, `full-${round}.rve`);
  const { child, before } = await fresh(path, open, rows);
  // Up to here no background job may have compacted: linking begins behind it, merging later still.
  const inserted = await child.ask('insert', { from: 0, to: rows, batch: 100, inFlight: 32 });
  const settled = await child.ask('settle');
  const closed = await child.ask('close');
  await child.end();
  const use = await useOnly(path, rows, open);
  const raw = inserted.vectorBytesInserted;
  return {
    kernels: inserted.kernels,
    ingest: inserted.bytesWrittenIngest / raw,
    allAtInsert: inserted.bytesWritten / raw,
    kernelAtInsert: (inserted.written - before.written) / raw,
    compactionsAtInsert: inserted.compactions,
    settled: settled.bytesWritten / raw,
    ingestSettled: settled.bytesWrittenIngest / raw,
    kernelSettled: (closed.written - before.written) / raw,
    file: settled.fileBytes / raw,
    live: (settled.liveBytes + settled.fixedBytes) / raw,
    disk: bytesOnDisk(path) / raw,
    perGroup: inserted.bytesWrittenIngest / inserted.groups,
    groups: inserted.groups,
    rssBefore: before.rssAnonMiB,
    rssPeak: settled.rssPeak - before.rssAnonMiB,
    rssSettled: settled.rssAnonMiB - before.rssAnonMiB,
    rssTotal: settled.rssAnonMiB,
    rssUse: use,
  };
}

/** Private memory, MiB, that opening, settling and 1,000 queries add to a bare process. */
async function useOnly(path, rows, options) {
  const child = new Child('store', { execArgv: ['--expose-gc'] });
  const before = await child.ask('prepare', { rows, queriesOnly: true });
  const after = await child.ask('useOnly', { path, options });
  await child.ask('close');
  await child.end();
  return after.rssAnonMiB - before.rssAnonMiB;
}

async function paced(folder, pace, open) {
  const { perSecond, seconds, lingerMs } = pace;
  const path = join(folder, `paced-${perSecond}-${lingerMs}.rve`);
  const { child, before } = await fresh(path, { lingerMs, ...open }, PACED_ROWS);
  const done = await child.ask('paced', { perSecond, seconds });
  await child.ask('close');
  await child.end();
  return {
    pace,
    groups: done.groups,
    perGroup: done.bytesWrittenIngest / done.groups,
    factor: done.bytesWrittenIngest / done.vectorBytesInserted,
    kernel: (done.written - before.written) / done.vectorBytesInserted,
    vectors: done.inserts,
  };
}

export async function run(report, { repeats, rows = ROWS, profiles }) {
  // Made here, once, before processes of their own read them.
  for (const count of [rows, PACED_ROWS]) await sensorsOf(count, '100k', { withTruth: false });
  return eachProfile(report, profiles, Memory, (part, name, open) =>
    measure(part, rows, open, repeats),
  );
}

async function measure(report, rows, open, repeats) {
  const folder = scratchFolder();
  const full = [];
  for (let i = 0; i < repeats; i++) full.push(await fullRate(folder, i, rows, open));
  const slow = await Promise.all(PACES.map((pace) => paced(folder, pace, open)));
  const of = (key) => full.map((r) => r[key]);
  report.kernels(full[0].kernels);
  report.figure('written / vector bytes, full rate, ingest', 'x', of('ingest'), ['<=', 1.1]);
  report.figure('  all writes until the last ack', 'x', of('allAtInsert'));
  report.figure('  the same by the kernel (/proc/self/io)', 'x', of('kernelAtInsert'));
  report.figure('  compactions until then', '', of('compactionsAtInsert'));
  report.figure('written / vector bytes, settled, all writes', 'x', of('settled'), ['<=', 2.5]);
  report.figure('  of it log, seal and checkpoint', 'x', of('ingestSettled'));
  report.figure('  the same by the kernel, after close', 'x', of('kernelSettled'));
  report.figure('bytes a group, full rate', 'B', of('perGroup'));
  for (const { pace, factor } of slow) {
    const bound = pace.perSecond !== 10 ? null : pace.lingerMs === 0 ? ['<=', 10] : ['<=', 2];
    report.figure(
      `written / vector bytes, ${pace.perSecond}/s, linger ${pace.lingerMs}`,
      'x',
      [factor],
      bound,
    );
  }
  report.figure('file bytes / raw bytes, settled', 'x', of('file'));
  report.figure('  live and fixed parts of it', 'x', of('live'));
  report.figure('  blocks on disk', 'x', of('disk'));
  report.figure('RssAnon the memory adds, peak', 'MiB', of('rssPeak'));
  report.figure('RssAnon the memory adds, settled', 'MiB', of('rssSettled'));
  report.figure('RssAnon that opening, settling and queries add', 'MiB', of('rssUse'));
  report.figure('RssAnon of Node and the set before', 'MiB', of('rssBefore'));
  report.table(
    `singles at a pace, ${RAW} bytes each`,
    ['rate', 'linger ms', 'vectors', 'groups', 'bytes a group', 'written/vector', 'by the kernel'],
    slow.map((s) => [
      `${s.pace.perSecond}/s`,
      s.pace.lingerMs,
      s.vectors,
      s.groups,
      s.perGroup,
      s.factor,
      s.kernel,
    ]),
  );
  report.plot('wear', {
    title: 'Bytes written for each byte of vectors, singles at a pace',
    x: { title: 'vectors a second', log: true },
    y: { title: 'written / vector bytes', log: true },
    series: [
      {
        name: 'linger 0',
        points: slow.filter((s) => s.pace.lingerMs === 0).map((s) => [s.pace.perSecond, s.factor]),
      },
      {
        name: 'linger 100 to 1,000 ms',
        points: slow.filter((s) => s.pace.lingerMs > 0).map((s) => [s.pace.perSecond, s.factor]),
      },
      { name: 'full rate, batches', points: [[50_000, full[0].ingest]] },
    ],
    target: { y: 1.1, text: '1.1 at full rate' },
  });
}
