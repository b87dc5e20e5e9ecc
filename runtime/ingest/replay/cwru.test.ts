import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openReplay, REPLAY_START_MS, type Replay, type ReplayRecord } from './index.js';
import { failure, npyBytes, realData, withFolder } from './testdata.fixture.js';

const HEADER =
  'row,class,fault_part,fault_diameter_mil,load_hp,rpm,sensor,source_path,source_offset\n';
const LINES = ['0,Normal,none,0,0,1797,de,a,0\n', '1,OR@6_7,OR@6,7,0,1797,de,b,0\n'];
const CSV = HEADER + LINES.join('');

/** Two machines of 2,500 samples: two windows each, and a rest. */
function samples(): Float32Array {
  return Float32Array.from({ length: 5000 }, (_, n) => Math.sin(n * 0.7) + Math.sin(n * n));
}

async function small<T>(
  use: (folder: string) => Promise<T>,
  csv: string = CSV,
  npy: Uint8Array = npyBytes([2, 2500], samples()),
): Promise<T> {
  return withFolder(async (folder) => {
    await writeFile(join(folder, 'cwru_de12k_load0.npy'), npy);
    await writeFile(join(folder, 'cwru_de12k_load0.csv'), csv);
    return use(folder);
  });
}

async function all(replay: Replay): Promise<ReplayRecord[]> {
  const records: ReplayRecord[] = [];
  for await (const record of replay) records.push(record);
  return records;
}

describe('the CWRU reader', () => {
  test('mixes the machines window by window, with time, sequence, label and payload', async () => {
    await small(async (folder) => {
      const replay = await openReplay('cwru', folder);
      const records = await all(replay);
      const told = records.map((r) => [r.source, r.sequence, r.timeMs - REPLAY_START_MS, r.label]);
      expect(told).toEqual([
        ['cwru-load0-Normal', 0, 0, 'Normal'],
        ['cwru-load0-OR@6_7', 0, 0, 'OR@6_7'],
        ['cwru-load0-Normal', 1, 85, 'Normal'],
        ['cwru-load0-OR@6_7', 1, 85, 'OR@6_7'],
      ]);
      expect(replay).toMatchObject({ count: 4, dimensions: 128 });
      expect(replay.sources).toEqual(['cwru-load0-Normal', 'cwru-load0-OR@6_7']);
      expect(records[3]!.payload).toMatchObject({ row: 1, window: 1, rpm: 1797, loadHp: 0 });
      expect(records[3]!.vector).toHaveLength(128);
      expect(records[3]!.vector).not.toEqual(records[1]!.vector);
    });
  });

  test('gives the same records again, from the iterator and from the files', async () => {
    await small(async (folder) => {
      const replay = await openReplay('cwru', folder);
      const first = await all(replay);
      expect(await all(replay)).toEqual(first);
      const again = await openReplay('cwru', join(folder, 'cwru_de12k_load0.npy'));
      expect(await all(again)).toEqual(first);
    });
  });

  test('is another boot with other options or bytes, so nothing is taken for known', async () => {
    const boots = new Set<number>();
    const add = async (options: { dimensions?: number }, npy?: Uint8Array): Promise<void> =>
      small(
        async (folder) => {
          boots.add((await all(await openReplay('cwru', folder, options)))[0]!.boot);
        },
        CSV,
        npy,
      );
    await add({});
    await add({ dimensions: 128 }); // The default: the same boot.
    expect(boots.size).toBe(1);
    await add({ dimensions: 64 });
    await add({}, npyBytes([2, 2500], samples().fill(1, 4999)));
    expect(boots.size).toBe(3);
    for (const boot of boots) expect(boot >= 1 && boot < 2 ** 32).toBe(true);
  });

  test.each([
    ['another header', CSV.replace('rpm', 'speed'), 'header'],
    ['no rows', HEADER, '0 rows'],
    ['rows out of order', HEADER + LINES[1]! + LINES[0]!, 'Line 2'],
    ['a field too few', HEADER + LINES[0]! + '1,IR_7,IR,7,0,1797,de\n', 'Line 3'],
    ['a rpm of words', CSV.replace('1797', 'fast'), 'Line 2'],
    ['a class of topic characters', CSV.replace('OR@6_7,', 'a/#,'), 'odd or twice'],
    ['a class twice', CSV.replace('OR@6_7,', 'Normal,'), 'odd or twice'],
    ['fewer rows than the matrix', HEADER + LINES[0]!, 'Shape (2, 2500)'],
  ])('refuses a table with %s', async (_, csv, part) => {
    const message = await small((folder) => failure(() => openReplay('cwru', folder)), csv);
    expect(message).toMatch(/^ERR_DATASET: /);
    expect(message).toContain(part);
  });

  test('names the row and sample of a NaN', async () => {
    const bad = samples();
    bad[2500 + 1030] = Number.NaN;
    const message = await small(
      (folder) => failure(async () => all(await openReplay('cwru', folder))),
      CSV,
      npyBytes([2, 2500], bad),
    );
    expect(message).toContain('ERR_DATASET: Row 1: Window sample 6 is NaN');
  });

  test('says what is missing', async () => {
    await withFolder(async (folder) => {
      expect(await failure(() => openReplay('cwru', join(folder, 'nowhere')))).toMatch(
        /^ERR_DATASET: .*ENOENT.*nowhere$/,
      );
      expect(await failure(() => openReplay('cwru', folder))).toMatch(/load0\.npy$/);
      expect(await failure(() => openReplay('cwru', folder, { load: 3 }))).toMatch(/^ERR_OPTION/);
      expect(await failure(() => openReplay('cwru', '/dev/null'))).toMatch(/^ERR_DATASET/);
    });
  });

  test.each([
    [{ dimensions: 31 }, 'ERR_OPTION'],
    [{ windowSamples: 1000 }, 'ERR_OPTION'],
    [{ speed: 3 }, 'ERR_OPTION: cwru has no option speed'],
  ])('refuses the options %o', async (options, part) => {
    expect(await small((f) => failure(() => openReplay('cwru', f, options as object)))).toContain(
      part,
    );
  });

  test('refuses a data set it does not know', async () => {
    const name = 'toString' as 'cwru';
    expect(await failure(() => openReplay(name, '.'))).toContain('ERR_OPTION: Unknown data set');
  });
});

const data = realData('cwru');

describe.skipIf(data === null)('the real CWRU recordings', () => {
  /** Label that most of the k nearest have; the nearer one wins a tie. */
  function vote(query: Float32Array, known: readonly ReplayRecord[], k: number): string {
    const nearest: { similarity: number; label: string }[] = [];
    for (const { vector, label } of known) {
      let similarity = 0;
      for (let i = 0; i < vector.length; i += 1) similarity += vector[i]! * query[i]!;
      if (nearest.length === k && similarity <= nearest[k - 1]!.similarity) continue;
      nearest.push({ similarity, label: label! });
      nearest.sort((a, b) => b.similarity - a.similarity);
      nearest.length = Math.min(k, nearest.length);
    }
    const votes = new Map<string, number>();
    for (const { label } of nearest) votes.set(label, (votes.get(label) ?? 0) + 1);
    return [...votes].sort((a, b) => b[1] - a[1])[0]![0];
  }

  test('at load 1 are told apart by 10 neighbours of load 0, 99 of 100 windows', async () => {
    const known = await all(await openReplay('cwru', data!, { load: 0 }));
    const asked = await all(await openReplay('cwru', data!, { load: 1 }));
    expect([known.length, asked.length]).toEqual([12 * 117, 11 * 117]);
    const right = asked.filter((r) => vote(r.vector, known, 10) === r.label).length;
    const accuracy = right / asked.length;
    console.log(`CWRU load 0 to load 1, 12 classes, 10-NN: ${accuracy.toFixed(4)}`);
    expect(accuracy).toBeGreaterThanOrEqual(0.99);
  });
});
