import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { VECTOR_NUMBERS } from './cmapss_vector.js';
import {
  openReplay,
  REPLAY_START_MS,
  type CmapssOptions,
  type Replay,
  type ReplayRecord,
} from './index.js';
import { failure, realData, withFolder } from './testdata.fixture.js';

const HOUR_MS = 3_600_000;

/** Engines of so many cycles; channel 0 grows with the cycle, channel 1 stands still. */
function table(...cycles: number[]): string {
  return cycles
    .flatMap((count, e) =>
      Array.from({ length: count }, (_, i) => {
        const rest = Array.from({ length: 22 }, (_, c) => Math.sin((c + 1) * (i + e)).toFixed(4));
        return `${e + 1} ${i + 1} ${i} 518.67 ${rest.join(' ')}  \n`;
      }),
    )
    .join('');
}

async function small<T>(
  use: (folder: string) => Promise<T>,
  files: Readonly<Record<string, string | Uint8Array>> = {
    'train_FD001.txt': table(32, 30, 12),
    'test_FD001.txt.gz': gzipSync(table(31, 33)),
    'RUL_FD001.txt': '7 \n0 \n',
  },
): Promise<T> {
  return withFolder(async (folder) => {
    for (const [name, content] of Object.entries(files)) {
      await writeFile(join(folder, name), content);
    }
    return use(folder);
  });
}

async function all(replay: Replay): Promise<ReplayRecord[]> {
  const records: ReplayRecord[] = [];
  for await (const record of replay) records.push(record);
  return records;
}

describe('the C-MAPSS reader', () => {
  test('gives each engine its windows in order of cycle, with what is left to it', async () => {
    await small(async (folder) => {
      const replay = await openReplay('cmapss', folder);
      const records = await all(replay);
      expect(records.map((r) => [r.source, r.sequence, r.payload])).toEqual([
        ['cmapss-FD001-train-1', 0, { engine: 1, cycle: 30, rul: 2 }],
        ['cmapss-FD001-train-2', 0, { engine: 2, cycle: 30, rul: 0 }],
        ['cmapss-FD001-train-1', 1, { engine: 1, cycle: 31, rul: 1 }],
        ['cmapss-FD001-train-1', 2, { engine: 1, cycle: 32, rul: 0 }],
      ]);
      expect(records[2]!.timeMs).toBe(REPLAY_START_MS + 31 * HOUR_MS);
      expect(records.every((r) => !('label' in r))).toBe(true);
      // Engine 3 has fewer cycles than a window: it never sends.
      expect(replay.sources).toEqual(['cmapss-FD001-train-1', 'cmapss-FD001-train-2']);
      expect(replay.count).toBe(4);
    });
  });

  test('counts the cycles left of a test engine from its truth, and null without', async () => {
    const ruls = async (folder: string): Promise<unknown[]> =>
      (await all(await openReplay('cmapss', folder, { split: 'test', hopCycles: 3 }))).map(
        (r) => r.payload!['rul'],
      );
    expect(await small(ruls)).toEqual([8, 3, 0]);
    const files = { 'train_FD001.txt': table(32), 'test_FD001.txt': table(31, 33) };
    expect(await small(ruls, files)).toEqual([null, null, null]);
  });

  test('puts z-scores first, 0 where nothing moves, and an anchor last', async () => {
    await small(
      async (folder) => {
        const [first, ...rest] = await all(await openReplay('cmapss', folder));
        // Channel 0 is 0..59 over 60 cycles: mean 29.5, deviation sqrt((60^2 - 1) / 12).
        const deviation = Math.sqrt(3599 / 12);
        const fifths = [2.5, 8.5, 14.5, 20.5, 26.5].map((mean) => (mean - 29.5) / deviation);
        for (const [i, z] of fifths.entries()) expect(first!.vector[i]!).toBeCloseTo(z, 5);
        expect([...first!.vector.subarray(5, 10)]).toEqual([0, 0, 0, 0, 0]);
        expect(first!.vector[120]!).toBeCloseTo(Math.sqrt(120), 5);
        expect([...first!.vector.subarray(VECTOR_NUMBERS)]).toEqual(new Array(7).fill(0));
        expect(rest.at(-1)!.vector[4]!).toBeGreaterThan(first!.vector[4]!);
      },
      { 'train_FD001.txt': table(60) },
    );
  });

  test('scales train and test alike: the same rows give the same vector', async () => {
    const files = { 'train_FD001.txt': table(40, 50), 'test_FD001.txt': table(40) };
    await small(async (folder) => {
      const train = await all(await openReplay('cmapss', folder));
      const asked = await all(await openReplay('cmapss', join(folder, 'test_FD001.txt')));
      expect(asked[0]!.vector).toEqual(train[0]!.vector);
      expect(asked[0]!.boot).not.toBe(train[0]!.boot);
    }, files);
  });

  test('reads the same records from text and from gzip', async () => {
    const plain = await small(
      async (f) => all(await openReplay('cmapss', f)),
      { 'train_FD001.txt': table(31) },
    );
    const packed = await small(
      async (f) => all(await openReplay('cmapss', f)),
      { 'train_FD001.txt.gz': gzipSync(table(31)) },
    );
    expect(packed).toEqual(plain);
  });

  test.each([
    ['a line of 25 numbers', table(30).replace(/ 518.67/, ''), 'Line 1 is not 26 numbers'],
    ['a word', table(30).replace('518.67', 'hot'), 'Line 1'],
    ['a missing cycle', table(30).replace(/^1 7 .*\n/m, ''), 'cycle 8 does not follow'],
    ['an engine twice', table(30) + table(30), 'Line 31: cycle 1 does not follow'],
    ['engines that go back', table(30, 30) + table(30), 'engine 1 does not follow'],
    ['nothing', '', 'Line 1'],
  ])('refuses a table with %s', async (_, text, part) => {
    const files = { 'train_FD001.txt': text };
    const message = await small((f) => failure(() => openReplay('cmapss', f)), files);
    expect(message).toMatch(/^ERR_DATASET: .*train_FD001\.txt$/);
    expect(message).toContain(part);
  });

  test('refuses broken gzip, a bomb, a wrong truth and a missing train file', async () => {
    const broken = { 'train_FD001.txt.gz': gzipSync(table(30)).subarray(0, 200) };
    expect(await small((f) => failure(() => openReplay('cmapss', f)), broken)).toContain('unpack');
    const bomb = { 'train_FD001.txt.gz': gzipSync(Buffer.alloc(65 * 1024 * 1024)) };
    expect(await small((f) => failure(() => openReplay('cmapss', f)), bomb)).toContain('unpack');
    const truth = {
      'train_FD001.txt': table(30),
      'test_FD001.txt': table(31, 33),
      'RUL_FD001.txt': '7\n',
    };
    const split = { split: 'test' } as const;
    expect(await small((f) => failure(() => openReplay('cmapss', f, split)), truth)).toContain(
      'each of 2 engines',
    );
    const lone = { 'test_FD001.txt': table(31) };
    expect(await small((f) => failure(() => openReplay('cmapss', f, split)), lone)).toContain(
      'no train_FD001.txt',
    );
  });

  test.each<[CmapssOptions, string]>([
    [{ dimensions: 120 }, 'dimensions is 120'],
    [{ windowCycles: 9 }, 'windowCycles'],
    [{ hopCycles: 0 }, 'hopCycles'],
    [{ cycleMs: 0.5 }, 'cycleMs'],
    [{ subset: '../FD001' }, 'subset'],
    [{ split: 'both' as 'test' }, 'split'],
  ])('refuses the options %o', async (options, part) => {
    const message = await small((f) => failure(() => openReplay('cmapss', f, options)));
    expect(message).toMatch(/^ERR_OPTION: /);
    expect(message).toContain(part);
  });

  test('refuses an option that contradicts the file', async () => {
    const message = await small((f) =>
      failure(() => openReplay('cmapss', join(f, 'train_FD001.txt'), { split: 'test' })),
    );
    expect(message).toContain('ERR_OPTION: split is test, but the file is train');
  });
});

const data = realData('cmapss');

describe.skipIf(data === null)('the real C-MAPSS files', () => {
  test('give every window of FD001, and know its engines and lives', async () => {
    const train = await openReplay('cmapss', data!);
    expect(train.count).toBe(20_631 - 100 * 29);
    expect(train.sources).toHaveLength(100);
    const asked = await openReplay('cmapss', data!, { split: 'test' });
    expect(asked.count).toBe(13_096 - 100 * 29);
  });

  test('tell the remaining life better than the mean of a window does (20-NN)', async () => {
    // Known: every 5th window of train; asked: the last window of each test engine; capped at 125.
    const known = await all(await openReplay('cmapss', data!, { hopCycles: 5 }));
    const last = new Map<string, ReplayRecord>();
    for await (const r of await openReplay('cmapss', data!, { split: 'test' })) {
      last.set(r.source, r);
    }
    const unit = (v: Float32Array): Float32Array => {
      const length = Math.hypot(...v);
      return v.map((x) => x / length);
    };
    const rul = (r: ReplayRecord): number => Math.min(125, Number(r.payload!['rul']));
    const units = known.map((r) => ({ vector: unit(r.vector), rul: rul(r) }));
    let squares = 0;
    for (const asked of last.values()) {
      const query = unit(asked.vector);
      const nearest = units
        .map((u) => ({ s: u.vector.reduce((sum, x, i) => sum + x * query[i]!, 0), rul: u.rul }))
        .sort((a, b) => b.s - a.s)
        .slice(0, 20);
      squares += (nearest.reduce((sum, n) => sum + n.rul, 0) / 20 - rul(asked)) ** 2;
    }
    const rmse = Math.sqrt(squares / last.size);
    console.log(`C-MAPSS FD001, 20-NN: RMSE ${rmse.toFixed(1)} cycles`);
    expect(last.size).toBe(100);
    expect(rmse).toBeLessThan(26); // The plain baseline of the data set's notes.
  });
});
