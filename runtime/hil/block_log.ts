// Reads the log that QEMU's blklogwrites writes (the format of Linux' dm-log-writes), and makes the
// images that a power cut could have left.
//
// | Offset | Bytes | Of | Meaning |
// |---:|---:|---|---|
// | 0 | 8 | superblock | magic 0x006a736677736872 |
// | 8 | 8 | superblock | version, 1 |
// | 16 | 8 | superblock | entries so far |
// | 24 | 4 | superblock | bytes of a log sector |
// | 0 | 8 | entry | first sector on the disk |
// | 8 | 8 | entry | sectors |
// | 16 | 8 | entry | flags: 1 flush, 2 FUA, 4 discard, 8 mark |
// | 24 | 8 | entry | bytes of a mark's text |
//
// All little-endian. The superblock and each entry fill one log sector; the data of a write follows
// its entry. A flush is an entry of its own, or a flag of a write that comes after the flush.
//
// The superblock counts entries when they begin, not when they are there: an emulator that is killed
// may leave the last ones incomplete. None of them was completed to the guest either, so the log
// ends before the first of them.

import { readSync } from 'node:fs';
import { copyFile, open, type FileHandle } from 'node:fs/promises';

import { RveError } from '../errors/index.js';

const MAGIC = 0x6a736677736872n;
const VERSION = 1n;
const HEADER_BYTES = 32;
/** A log of a few minutes has some 100 thousand. */
const ENTRIES_MAX = 10_000_000;
/** Requests that a virtual disk has in flight: more than that cannot be missing. */
const INCOMPLETE_MAX = 256;

export const FLAG = { flush: 1, fua: 2, discard: 4, mark: 8 } as const;

export interface LogEntry {
  /** On the disk, in bytes. */
  readonly offset: number;
  readonly bytes: number;
  readonly flags: number;
  /** Of the data, in the log file. */
  readonly dataAt: number;
}

/**
 * Entries logged so far, of an open log; 0 while there is no superblock. Synchronous: it is read at
 * an acknowledgement, before anything else happens, and costs one read of 24 bytes.
 */
export function countEntries(fd: number): number {
  const head = Buffer.alloc(24);
  return readSync(fd, head, 0, head.length, 0) < head.length
    ? 0
    : Number(head.readBigUInt64LE(16));
}

export class BlockLog {
  readonly entries: readonly LogEntry[];
  readonly #file: FileHandle;

  private constructor(file: FileHandle, entries: readonly LogEntry[]) {
    this.#file = file;
    this.entries = entries;
  }

  /** Reads every entry's head; the data stays in the file. @throws RveError ERR_CORRUPT */
  static async open(path: string): Promise<BlockLog> {
    const file = await open(path, 'r');
    try {
      return new BlockLog(file, await readEntries(file, path));
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  async data(entry: LogEntry): Promise<Buffer> {
    const data = Buffer.alloc(entry.bytes);
    await readFully(this.#file, data, entry.dataAt);
    return data;
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

/** Whether the entry carries bytes for the disk. */
export function isWrite({ bytes, flags }: LogEntry): boolean {
  return bytes > 0 && (flags & (FLAG.discard | FLAG.mark)) === 0;
}

/**
 * Count of entries, from the start, that a cut before entry `cut` cannot take back: all up to and
 * with the last flush.
 */
export function flushedBefore(entries: readonly LogEntry[], cut: number): number {
  for (let index = Math.min(cut, entries.length) - 1; index >= 0; index--) {
    const { flags } = entries[index] ?? { flags: 0 };
    if ((flags & FLAG.flush) === 0) continue;
    // As a flag of a write the flush came before its data: the write itself may be lost.
    return isWrite(entries[index] as LogEntry) && (flags & FLAG.fua) === 0 ? index : index + 1;
  }
  return 0;
}

/**
 * Makes images of cuts on one base image. Cuts must come in rising order: what was flushed before a
 * cut is written to a working copy once, and stays.
 */
export class Replayer {
  readonly #log: BlockLog;
  readonly #base: string;
  #settled = 0;
  #lastCut = 0;

  /** `base` is the disk before the first entry; it is changed. */
  constructor(log: BlockLog, base: string) {
    this.#log = log;
    this.#base = base;
  }

  /**
   * Writes to `path` the disk as a cut before entry `cut` may leave it: everything up to the last
   * flush, and of the writes since then those for which `keeps` says so, in their order.
   */
  async image(cut: number, path: string, keeps: () => boolean): Promise<{ dropped: number }> {
    if (cut < this.#lastCut) throw new RveError('ERR_INTERNAL', 'cuts must rise');
    this.#lastCut = cut;
    const { entries } = this.#log;
    const settled = flushedBefore(entries, cut);
    await this.#write(this.#base, this.#settled, settled, () => true);
    this.#settled = Math.max(this.#settled, settled);
    await copyFile(this.#base, path);
    return { dropped: await this.#write(path, settled, cut, keeps) };
  }

  async #write(path: string, from: number, to: number, keeps: () => boolean): Promise<number> {
    const image = await open(path, 'r+');
    let dropped = 0;
    try {
      for (const entry of this.#log.entries.slice(from, to)) {
        if (!isWrite(entry)) continue;
        // FUA: this very write is on the medium when it is done.
        if ((entry.flags & FLAG.fua) === 0 && !keeps()) {
          dropped++;
          continue;
        }
        await image.write(await this.#log.data(entry), 0, entry.bytes, entry.offset);
      }
    } finally {
      await image.close();
    }
    return dropped;
  }
}

async function readEntries(file: FileHandle, path: string): Promise<LogEntry[]> {
  const bad = (what: string): RveError =>
    new RveError('ERR_CORRUPT', `${path} is no block log: ${what}. Was block_log on at a start?`);
  const head = Buffer.alloc(HEADER_BYTES);
  await readFully(file, head, 0).catch(() => {
    throw bad('it has no superblock');
  });
  if (head.readBigUInt64LE(0) !== MAGIC) throw bad('its magic is wrong');
  if (head.readBigUInt64LE(8) !== VERSION) throw bad('its version is not 1');
  const count = Number(head.readBigUInt64LE(16));
  const sector = head.readUInt32LE(24);
  if (count > ENTRIES_MAX) throw bad(`it claims ${count} entries`);
  if (sector < 512 || sector > 65_536) throw bad(`a sector of ${sector} bytes`);
  const entries: LogEntry[] = [];
  const { size } = await file.stat();
  let at = sector;
  while (entries.length < count && at + HEADER_BYTES <= size) {
    await readFully(file, head, at);
    // A hole: nothing is written with neither bytes nor flags.
    if (head.every((byte) => byte === 0)) break;
    const flags = Number(head.readBigUInt64LE(16));
    const entry = {
      offset: Number(head.readBigUInt64LE(0)) * sector,
      bytes: Number(head.readBigUInt64LE(8)) * sector,
      flags,
      dataAt: at + sector,
    };
    const held = (flags & FLAG.discard) !== 0 ? 0 : entry.bytes;
    if (!Number.isSafeInteger(entry.offset + entry.bytes)) {
      throw bad(`entry ${entries.length} of ${count} lies nowhere`);
    }
    if (at + sector + held > size) break;
    entries.push(entry);
    at += sector + held;
  }
  if (count - entries.length > INCOMPLETE_MAX) {
    throw bad(`it ends after ${entries.length} of ${count} entries`);
  }
  return entries;
}

async function readFully(file: FileHandle, into: Buffer, at: number): Promise<void> {
  const { bytesRead } = await file.read(into, 0, into.length, at);
  if (bytesRead < into.length) {
    throw new RveError('ERR_TRUNCATED', `the block log ends at byte ${at + bytesRead}`);
  }
}
