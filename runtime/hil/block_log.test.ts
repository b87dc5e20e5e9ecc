// Synthetic logs: what a cut may take back, and what it may not.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { BlockLog, FLAG, flushedBefore, Replayer, type LogEntry } from './block_log.js';

const SECTOR = 512;

interface Written {
  sector?: number;
  fill?: number;
  flags?: number;
}

/** A log as blklogwrites writes it; without `fill` an entry has no data. */
function logOf(list: readonly Written[], claimed = list.length): Buffer {
  const sectors = [Buffer.alloc(SECTOR)];
  for (const { sector = 0, fill, flags = 0 } of list) {
    const head = Buffer.alloc(SECTOR);
    head.writeBigUInt64LE(BigInt(sector), 0);
    head.writeBigUInt64LE(fill === undefined ? 0n : 1n, 8);
    head.writeBigUInt64LE(BigInt(flags), 16);
    sectors.push(head);
    if (fill !== undefined) sectors.push(Buffer.alloc(SECTOR, fill));
  }
  sectors[0]?.writeBigUInt64LE(0x6a736677736872n, 0);
  sectors[0]?.writeBigUInt64LE(1n, 8);
  sectors[0]?.writeBigUInt64LE(BigInt(claimed), 16);
  sectors[0]?.writeUInt32LE(SECTOR, 24);
  return Buffer.concat(sectors);
}

function holeAt(log: Buffer, at: number): Buffer {
  return Buffer.from(log).fill(0, log.length + at, log.length + at + SECTOR);
}

describe('a block log', () => {
  let folder: string;
  let path: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'rve-log-'));
    path = join(folder, 'log');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const opened = async (list: readonly Written[]): Promise<BlockLog> => {
    writeFileSync(path, logOf(list));
    return BlockLog.open(path);
  };

  /** First byte of each of four sectors after a cut. */
  async function after(
    list: readonly Written[],
    cut: number,
    keeps: () => boolean,
  ): Promise<{ sectors: number[]; dropped: number }> {
    const log = await opened(list);
    const base = join(folder, 'base');
    writeFileSync(base, Buffer.alloc(4 * SECTOR));
    const image = join(folder, 'image');
    const { dropped } = await new Replayer(log, base).image(cut, image, keeps);
    await log.close();
    const bytes = readFileSync(image);
    return { sectors: [0, 1, 2, 3].map((index) => bytes[index * SECTOR] ?? -1), dropped };
  }

  const LIST: readonly Written[] = [
    { sector: 0, fill: 1 },
    { sector: 1, fill: 2 },
    { flags: FLAG.flush },
    { sector: 1, fill: 3 },
    { sector: 2, fill: 4 },
    { sector: 3, fill: 5, flags: FLAG.fua },
  ];

  it('keeps all up to the last flush when everything since then is dropped', async () => {
    expect(await after(LIST, 5, () => false)).toEqual({ sectors: [1, 2, 0, 0], dropped: 2 });
  });

  it('drops what was never flushed, the first writes too', async () => {
    expect(await after(LIST, 2, () => false)).toEqual({ sectors: [0, 0, 0, 0], dropped: 2 });
  });

  it('never drops a write that was forced to the medium', async () => {
    expect(await after(LIST, 6, () => false)).toEqual({ sectors: [1, 2, 0, 5], dropped: 2 });
  });

  it('is a plain prefix when nothing is dropped, the whole of it at its end', async () => {
    expect(await after(LIST, 4, () => true)).toEqual({ sectors: [1, 3, 0, 0], dropped: 0 });
    expect(await after(LIST, 6, () => true)).toEqual({ sectors: [1, 3, 4, 5], dropped: 0 });
  });

  it('takes a flush that is a flag of a write as one before that write', async () => {
    const log = await opened([{ sector: 0, fill: 1 }, { sector: 1, fill: 2, flags: FLAG.flush }]);
    expect(flushedBefore(log.entries, 2)).toBe(1);
    await log.close();
  });

  it('gives cuts that rise from one base', async () => {
    const log = await opened(LIST);
    const base = join(folder, 'base');
    writeFileSync(base, Buffer.alloc(4 * SECTOR));
    const replayer = new Replayer(log, base);
    const image = join(folder, 'image');
    await replayer.image(4, image, () => false);
    await expect(replayer.image(3, image, () => false)).rejects.toThrow('rise');
    await replayer.image(6, image, () => true);
    expect(readFileSync(image)[2 * SECTOR]).toBe(4);
    await log.close();
  });

  it('writes nothing for a discard or a mark', async () => {
    const log = await opened([{ flags: FLAG.discard }, { flags: FLAG.mark, fill: 9 }]);
    const flags = log.entries.map((entry: LogEntry) => entry.flags);
    expect(flags).toEqual([FLAG.discard, FLAG.mark]);
    await log.close();
    const { sectors } = await after([{ sector: 0, flags: FLAG.mark, fill: 9 }], 1, () => true);
    expect(sectors).toEqual([0, 0, 0, 0]);
  });

  it.each([
    ['cut off in its data', logOf(LIST).subarray(0, -1)],
    ['cut off in its head', logOf(LIST).subarray(0, -2 * SECTOR + 8)],
    ['a hole, with a later one behind it', holeAt(logOf(LIST), -2 * SECTOR)],
  ])('ends before an entry that a killed emulator left: %s', async (_what, bytes) => {
    writeFileSync(path, bytes);
    const log = await BlockLog.open(path);
    expect(log.entries).toHaveLength(LIST.length - 1);
    await log.close();
  });

  it.each([
    ['empty', Buffer.alloc(0), 'no superblock'],
    ['not a log', Buffer.alloc(2048, 7), 'magic'],
    ['cut short', logOf(LIST, 1000), 'ends after 6 of 1000'],
  ])('is refused when it is %s', async (_what, bytes, message) => {
    writeFileSync(path, bytes);
    await expect(BlockLog.open(path)).rejects.toThrow(new RegExp(message));
  });
});
