// Segment entries and the manifest: native/FORMAT.md 8 and 9.
import { ByteReader, FormatError, hex32, numberOf } from './bytes.js';
import type { Layout, Run } from './fixed.js';

export type PartKind = 'base' | 'graph' | 'vectors' | 'payloads';
export const PART_KINDS: readonly PartKind[] = ['base', 'graph', 'vectors', 'payloads'];

export interface PartEntry {
  kind: PartKind;
  run: Run;
  page: number;
  pages: number;
  headerCrc: number;
  tableCrc: number;
}

export interface SegmentEntry {
  id: number;
  rows: number;
  lsnFrom: number;
  lsnTo: number;
  idMin: number;
  idMax: number;
  parts: PartEntry[];
  adopted: Run[];
}

export function readRun(r: ByteReader, layout: Layout): Run {
  return layout.checkRun({ firstChunk: r.u32(), chunks: r.u32() });
}

export function readEntry(r: ByteReader, layout: Layout): SegmentEntry {
  const id = r.size();
  const rows = r.u32();
  const [lsnFrom, lsnTo, idMin, idMax] = [r.size(), r.size(), r.size(), r.size()];
  const parts: PartEntry[] = [];
  for (let left = r.count(25); left > 0; left--) {
    const kind = PART_KINDS[r.u8() - 1];
    const run = readRun(r, layout);
    const [page, pages, headerCrc, tableCrc] = [r.u32(), r.u32(), r.u32(), r.u32()];
    const inside = page >= 1 && pages >= 2 && (page + pages) * layout.page <= layout.runBytes(run);
    if (kind === undefined || !inside || parts.some((part) => part.kind === kind)) {
      throw new FormatError(`segment ${id} has an impossible part`);
    }
    parts.push({ kind, run, page, pages, headerCrc, tableCrc });
  }
  const adopted: Run[] = [];
  for (let left = r.count(8); left > 0; left--) adopted.push(readRun(r, layout));
  const base = parts.find((part) => part.kind === 'base');
  const fine = base !== undefined && parts.some((part) => part.kind === 'vectors') && rows >= 1 &&
    rows * 16 <= base.pages * layout.page && idMin <= idMax && idMax < 2 ** 48;
  if (!fine) throw new FormatError(`segment ${id} has impossible values`);
  return { id, rows, lsnFrom, lsnTo, idMin, idMax, parts, adopted };
}

/** Ascending rows below `rows`: FORMAT.md 8.2. */
export function readRows(r: ByteReader, rows: number): number[] {
  const count = Number(r.varint());
  if (count > rows) throw new FormatError(`${count} dead rows of ${rows}`);
  if (count === 0) return [];
  const out: number[] = [];
  const form = r.u8();
  if (form === 1) {
    const bits = r.take(Math.ceil(rows / 8));
    for (let row = 0; row < rows; row++) {
      if (((bits[row >> 3] ?? 0) & (1 << (row & 7))) !== 0) out.push(row);
    }
    if (out.length !== count) throw new FormatError('a bitmap of dead rows has another count');
    return out;
  }
  if (form !== 0) throw new FormatError(`form ${form} of dead rows`);
  let row = 0;
  for (let i = 0; i < count; i++) {
    const delta = Number(r.varint());
    row += delta;
    if (row >= rows || (i > 0 && delta === 0)) throw new FormatError('dead rows do not ascend');
    out.push(row);
  }
  return out;
}

export interface TailGroup {
  lsn: number;
  offset: number;
  length: number;
  rows: number;
  headerCrc: number;
}

export interface Mark {
  source: number;
  boot: number;
  high: number | string;
  /** Sequences of the window below `high` that are not stored. */
  gaps: number;
}

export interface Manifest {
  lsn: number;
  replayLsn: number;
  nextSegmentId: number;
  nextId: number;
  lostRecords: number;
  segments: { entry: SegmentEntry; dead: number[] }[];
  tail: TailGroup[];
  tailDead: number[];
  logRuns: { run: Run; firstLsn: number }[];
  editRuns: Run[];
  holes: { lsnFrom: number; lsnTo: number }[];
  sources: string[];
  labels: string[];
  marks: Mark[];
}

export function decodeName(bytes: Uint8Array): string {
  const fine = bytes.length >= 1 && bytes.length <= 256 && !bytes.includes(0);
  if (!fine) throw new FormatError('a name of impossible length, or with a NUL');
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
}

function readNames(r: ByteReader): string[] {
  const names: string[] = [];
  for (let left = r.count(2); left > 0; left--) names.push(decodeName(r.take(r.count(1))));
  return names;
}

function readMarks(r: ByteReader): Mark[] {
  const marks: Mark[] = [];
  for (let left = r.count(17); left > 0; left--) {
    const [source, boot, high, form] = [r.u32(), r.u32(), numberOf(r.u64()), r.u8()];
    let gaps = 0;
    if (form > 1) throw new FormatError(`form ${form} of a mark`);
    if (form === 1) {
      gaps = 1024;
      for (const byte of r.take(128)) for (let bit = 0; bit < 8; bit++) gaps -= (byte >> bit) & 1;
    }
    marks.push({ source, boot, high, gaps });
  }
  return marks;
}

function readTail(r: ByteReader, layout: Layout, from: number, to: number): TailGroup[] {
  const tail: TailGroup[] = [];
  let lsn = from;
  for (let left = r.count(28); left > 0; left--) {
    const group = {
      lsn: r.size(), offset: r.size(), length: r.u32(), rows: r.u32(), headerCrc: r.u32(),
    };
    const fine = group.lsn >= lsn && group.length >= layout.page &&
      group.length <= layout.groupMax && group.length % layout.page === 0 &&
      group.offset % layout.page === 0 &&
      group.offset + group.length <= layout.fileBytes && group.rows <= group.length;
    if (!fine) throw new FormatError('an impossible group in the tail directory');
    lsn = group.lsn + group.length;
    tail.push(group);
  }
  if (lsn > to) throw new FormatError('the tail directory ends beyond the manifest');
  return tail;
}

export function readManifest(bytes: Uint8Array, layout: Layout): Manifest {
  const r = new ByteReader(bytes);
  r.expect('manifest magic', r.u32(), 0x4e414d52);
  r.expect('manifest version', r.u16(), 1);
  r.zero(2);
  const [lsn, replayLsn, nextSegmentId] = [r.size(), r.size(), r.size()];
  const [nextId, lostRecords] = [r.size(), r.size()];
  const segments: Manifest['segments'] = [];
  for (let left = r.count(72); left > 0; left--) {
    const entry = readEntry(r, layout);
    segments.push({ entry, dead: readRows(r, entry.rows) });
    if (entry.id >= nextSegmentId) throw new FormatError(`segment ${entry.id} is not given yet`);
  }
  const tail = readTail(r, layout, replayLsn, lsn);
  const tailDead = readRows(r, tail.reduce((sum, group) => sum + group.rows, 0));
  const logRuns: Manifest['logRuns'] = [];
  for (let left = r.count(16); left > 0; left--) {
    logRuns.push({ run: readRun(r, layout), firstLsn: r.size() });
  }
  const editRuns: Run[] = [];
  for (let left = r.count(8); left > 0; left--) editRuns.push(readRun(r, layout));
  const holes: Manifest['holes'] = [];
  for (let left = r.count(16); left > 0; left--) holes.push({ lsnFrom: r.size(), lsnTo: r.size() });
  const sources = readNames(r);
  const labels = readNames(r);
  const marks = readMarks(r);
  if (r.left !== 0 || logRuns.length === 0) throw new FormatError('the manifest ends elsewhere');
  return {
    lsn, replayLsn, nextSegmentId, nextId, lostRecords, segments, tail, tailDead, logRuns, editRuns,
    holes, sources, labels, marks,
  };
}

/** An entry as it is shown. */
export function showEntry(entry: SegmentEntry): unknown {
  const parts = entry.parts.map((part) => ({
    ...part, headerCrc: hex32(part.headerCrc), tableCrc: hex32(part.tableCrc),
  }));
  return { ...entry, parts };
}
