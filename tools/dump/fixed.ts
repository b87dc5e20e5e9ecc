// Identity, slots and run headers: native/FORMAT.md 1, 3, 4 and 5.
import { ByteReader, FormatError, crc32c, hex32, hexOf, numberOf } from './bytes.js';

export interface Run {
  firstChunk: number;
  chunks: number;
}

/** Where things stand; all arithmetic on places goes through here (FORMAT.md 1). */
export class Layout {
  readonly chunkCount: number;
  constructor(
    readonly fileBytes: number,
    readonly page = 4096,
    readonly chunk = 65536,
    readonly groupMax = 1048576,
  ) {
    this.chunkCount = Math.max(0, Math.floor(fileBytes / chunk) - 8);
  }
  place(index: number): number {
    return index * this.chunk;
  }
  runAt(run: Run): number {
    return (run.firstChunk + 7) * this.chunk;
  }
  runBytes(run: Run): number {
    return run.chunks * this.chunk;
  }
  checkRun(run: Run): Run {
    const inside =
      run.firstChunk >= 1 && run.chunks >= 1 && run.firstChunk + run.chunks - 1 <= this.chunkCount;
    if (!inside) throw new FormatError(`run ${run.firstChunk}+${run.chunks} is not in the file`);
    return run;
  }
}

export interface Identity {
  uuid: string;
  createdMs: number | string;
  pageBytes: number;
  chunkBytes: number;
  groupBytesMax: number;
  dimensions: number;
  metric: 'cosine' | 'l2' | 'ip';
}

const METRICS = ['', 'cosine', 'l2', 'ip'] as const;

export function readIdentity(page: Uint8Array): Identity {
  const r = new ByteReader(page);
  if (Buffer.from(r.take(8)).toString('latin1') !== 'RVEEGE01') {
    throw new FormatError('the first bytes are not those of a memory');
  }
  const major = r.u16();
  if (major !== 1) throw new FormatError(`format ${major}; this program reads 1`);
  r.u16();
  r.expect('crc', r.u32(), crc32c(page, 12));
  const uuid = hexOf(r.take(16));
  const createdMs = numberOf(r.i64());
  const chunkBytes = 2 ** r.u8();
  const pageBytes = 2 ** r.u8();
  r.expect('crc unit', 2 ** r.u8(), pageBytes);
  r.zero(1);
  r.expect('endian tag', r.u32(), 0x01020304);
  r.expect('incompatible features', r.u64(), 0n);
  const groupBytesMax = r.u32();
  const dimensions = r.u32();
  const metric = METRICS[r.u8()];
  if (metric === undefined || metric === '' || dimensions < 1 || dimensions > 4096) {
    throw new FormatError('metric or dimensions are impossible');
  }
  r.zero(r.left);
  if (pageBytes !== 4096 || chunkBytes !== 65536 || groupBytesMax !== 1048576) {
    throw new FormatError('a layout that version 1.0 does not have');
  }
  return { uuid, createdMs, pageBytes, chunkBytes, groupBytesMax, dimensions, metric };
}

export interface Slot {
  generation: number;
  replayLsn: number;
  manifestLsn: number;
  durableLsn: number;
  scan: Run;
  manifest: Run;
  manifestBytes: number;
  manifestCrc: number;
  epoch: number;
  nextId: number;
  logicalMs: number;
  wallMs: number | string;
  boot: string;
  clean: boolean;
  chunkCount: number;
  previousSlotCrc: string;
  lastGroupCrc: number;
}

export function readSlot(page: Uint8Array, layout: Layout, uuid: string): Slot {
  const r = new ByteReader(page);
  if (Buffer.from(r.take(8)).toString('latin1') !== 'REVESLOT') throw new FormatError('no slot');
  r.take(4);
  r.expect('crc', r.u32(), crc32c(page, 12));
  if (hexOf(r.take(16)) !== uuid) throw new FormatError('a slot of another file');
  const [generation, replayLsn, manifestLsn] = [r.size(), r.size(), r.size()];
  const durableLsn = r.size();
  const [scanChunk, manifestChunk] = [r.u32(), r.u32()];
  const [manifestBytes, manifestCrc, epoch, scanChunks] = [r.u32(), r.u32(), r.u32(), r.u32()];
  const [nextId, logicalMs] = [r.size(), r.size()];
  const wallMs = numberOf(r.i64());
  const boot = hexOf(r.take(16));
  r.take(16); // compat, ro_compat: a reader that only reads may ignore both
  r.expect('incompatible features', r.u64(), 0n);
  const [flags, chunkCount, manifestChunks, previous, lastGroupCrc] = [
    r.u32(), r.u32(), r.u32(), r.u32(), r.u32(),
  ];
  r.zero(r.left);
  const scan = layout.checkRun({ firstChunk: scanChunk, chunks: scanChunks });
  const manifest = layout.checkRun({ firstChunk: manifestChunk, chunks: manifestChunks });
  if (manifestBytes > layout.runBytes(manifest) - layout.page || replayLsn > manifestLsn) {
    throw new FormatError('a slot has impossible values');
  }
  return {
    generation, replayLsn, manifestLsn, durableLsn, scan, manifest, manifestBytes, manifestCrc,
    epoch, nextId, logicalMs, wallMs, boot, clean: (flags & 1) !== 0, chunkCount,
    previousSlotCrc: hex32(previous), lastGroupCrc,
  };
}

export interface RunHeader {
  kind: 'log' | 'parts' | 'manifest';
  own: Run;
  next: Run;
  sequence: number;
  epoch: number;
  firstLsn: number;
}

const RUN_KINDS = ['', 'log', 'parts', 'manifest'] as const;

export function readRunHeader(
  file: Uint8Array, layout: Layout, firstChunk: number, uuid: string,
): RunHeader {
  layout.checkRun({ firstChunk, chunks: 1 });
  const at = layout.runAt({ firstChunk, chunks: 1 });
  const bytes = file.subarray(at, at + 64);
  const r = new ByteReader(bytes);
  r.expect('run magic', r.u32(), 0x4e555256);
  const kind = RUN_KINDS[r.u8()];
  r.expect('run version', r.u8(), 1);
  r.zero(2);
  r.expect('run crc', r.u32(), crc32c(bytes, 8));
  r.expect('own chunk', r.u32(), firstChunk);
  const own = layout.checkRun({ firstChunk, chunks: r.u32() });
  const nextChunk = r.u32();
  const sequence = r.size();
  const epoch = r.u32();
  const next = { firstChunk: nextChunk, chunks: r.u32() };
  const firstLsn = r.size();
  if (hexOf(r.take(8)) !== uuid.slice(0, 16)) throw new FormatError('a run of another file');
  r.zero(8);
  if (kind === undefined || kind === '') throw new FormatError('a run of no known kind');
  return { kind, own, next, sequence, epoch, firstLsn };
}
