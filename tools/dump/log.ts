// Groups and records, and the walk that finds the end of the log: native/FORMAT.md 6, 7 and 12.
import { ByteReader, FormatError, crc32c, hex32, numberOf } from './bytes.js';
import { type Layout, type Run, type RunHeader, type Slot, readRunHeader } from './fixed.js';
import { type SegmentEntry, decodeName, readEntry, readRows } from './manifest.js';

export interface PutBatch {
  type: 'PUT_BATCH';
  count: number;
  dtype: 1 | 2;
  source: number;
  boot: number;
  sequence: bigint | undefined;
  ids: number[];
  times: bigint[];
  labels: number[];
  norms: number[] | undefined;
  /** Offset of the matrix in the file. */
  matrixAt: number;
  payloads: Uint8Array[];
}

export type LogRecord =
  | PutBatch
  | { type: 'DELETE'; ids?: number[]; source?: number }
  | { type: 'SYMBOL'; kind: 'source' | 'label'; number: number; name: string }
  | {
      type: 'SEAL' | 'REPLACE';
      sealedUpto: number;
      drops: number[];
      adds: { entry: SegmentEntry; dead: number[] }[];
    }
  | { type: 'CLOCK_STEP'; wallMs: number | string; stepMs: number | string }
  | { type: 'NOOP' }
  | { type: 'skipped'; number: number };

export interface Group {
  lsn: number;
  offset: number;
  length: number;
  epoch: number;
  firstOfEpoch: boolean;
  durableLsn: number;
  headerCrc: number;
  previousCrc: number;
  bodyCrc: number;
  recordCount: number;
  logicalMs: number;
  wallMs: number | string;
  /** False: acknowledged, but its body is damaged. */
  intact: boolean;
  records: LogRecord[];
}

export function readGroupHeader(file: Uint8Array, layout: Layout, at: number, room: number): Group {
  const bytes = file.subarray(at, at + 64);
  const r = new ByteReader(bytes);
  r.expect('group magic', r.u32(), 0x47455652);
  const headerCrc = r.u32();
  r.expect('group crc', headerCrc, crc32c(bytes, 4));
  const [bodyCrc, epoch, lsn, durableLsn] = [r.u32(), r.u32(), r.size(), r.size()];
  const [previousCrc, length, recordCount, flags] = [r.u32(), r.u32(), r.u32(), r.u32()];
  const logicalMs = r.size();
  const wallMs = numberOf(r.i64());
  if (length === 0 || length % layout.page !== 0 || length > Math.min(room, layout.groupMax)) {
    throw new FormatError(`a group of ${length} bytes`);
  }
  return {
    lsn, offset: at, length, epoch, firstOfEpoch: (flags & 1) !== 0, durableLsn, headerCrc,
    previousCrc, bodyCrc, recordCount, logicalMs, wallMs, intact: true, records: [],
  };
}

export function bodyIsIntact(file: Uint8Array, group: Group): boolean {
  return crc32c(file.subarray(group.offset + 64, group.offset + group.length)) === group.bodyCrc;
}

function up(value: number, multiple: number): number {
  return Math.ceil(value / multiple) * multiple;
}

/** The PUT_BATCH whose record starts at `recordAt` of the group at file offset `groupAt`. */
function readPut(
  record: Uint8Array, flags: number, time: bigint, recordAt: number, groupAt: number,
  dims: number,
): PutBatch {
  const r = new ByteReader(record);
  r.at = 32;
  const count = r.u32();
  r.expect('dimensions of a PUT_BATCH', r.u32(), dims);
  const dtype = r.u8();
  r.zero(3);
  const [source, boot, label, sequence] = [r.u32(), r.u32(), r.u32(), r.u64()];
  const [matrixAt, payloadAt] = [r.u32(), r.u32()];
  r.zero(8);
  if (count < 1 || count > record.length || (dtype !== 1 && dtype !== 2) || flags > 63) {
    throw new FormatError('a PUT_BATCH has impossible values');
  }
  const rows = Array.from({ length: count }, (_, i) => i);
  const first = (flags & 1) !== 0 ? r.size() : 0;
  const ids = (flags & 1) !== 0 ? rows.map((i) => first + i) : rows.map(() => r.size());
  const times = rows.map(() => ((flags & 8) !== 0 ? r.i64() : time));
  const labels = rows.map(() => ((flags & 4) !== 0 ? r.u32() : label));
  const norms = (flags & 32) !== 0 ? rows.map(() => r.f32()) : undefined;
  r.expect('matrix offset', matrixAt, up(recordAt + r.at, 64) - recordAt);
  r.zero(matrixAt - r.at);
  r.take(count * dims * (dtype === 1 ? 4 : 2));
  r.zero(up(r.at, 4) - r.at);
  const ends = rows.map(() => ((flags & 16) !== 0 ? r.u32() : 0));
  r.expect('payload offset', payloadAt, r.at);
  const payloads = ends.map((end, i) => {
    const begin = i === 0 ? 0 : (ends[i - 1] ?? 0);
    if (end < begin || end > record.length - payloadAt) throw new FormatError('a payload end');
    return record.subarray(payloadAt + begin, payloadAt + end);
  });
  if (ids.some((id) => id >= 2 ** 48)) throw new FormatError('an id above 2^48 - 1');
  return {
    type: 'PUT_BATCH', count, dtype, source, boot,
    sequence: (flags & 2) !== 0 ? sequence : undefined,
    ids, times, labels, norms, matrixAt: groupAt + recordAt + matrixAt, payloads,
  };
}

function readEdit(r: ByteReader, type: 'SEAL' | 'REPLACE', layout: Layout): LogRecord {
  const sealedUpto = r.size();
  const drops = Array.from({ length: r.count(8) }, () => r.size());
  const adds = Array.from({ length: r.count(72) }, () => {
    const entry = readEntry(r, layout);
    return { entry, dead: readRows(r, entry.rows) };
  });
  if (type === 'SEAL' ? drops.length > 0 : sealedUpto !== 0) {
    throw new FormatError(`a ${type} that does what only the other may`);
  }
  r.zero(r.left);
  return { type, sealedUpto, drops, adds };
}

function readSymbol(r: ByteReader): LogRecord {
  const [kind, number, length] = [r.u32(), r.u32(), r.u32()];
  if (kind !== 1 && kind !== 2) throw new FormatError(`a SYMBOL of kind ${kind}`);
  const name = decodeName(r.take(length));
  return { type: 'SYMBOL', kind: kind === 1 ? 'source' : 'label', number, name };
}

function readDelete(r: ByteReader): LogRecord {
  const [kind, count] = [r.u32(), r.u32()];
  if (kind === 2 && count === 1) return { type: 'DELETE', source: r.u32() };
  if (kind !== 1 || count > r.left / 8) throw new FormatError('a DELETE has impossible values');
  return { type: 'DELETE', ids: Array.from({ length: count }, () => r.size()) };
}

/** All records of a group whose body is intact, each with its own checksum compared. */
export function readRecords(
  file: Uint8Array, group: Group, layout: Layout, dims: number,
): LogRecord[] {
  const bytes = file.subarray(group.offset, group.offset + group.length);
  const records: LogRecord[] = [];
  let at = 64;
  while (at + 32 <= bytes.length) {
    const r = new ByteReader(bytes.subarray(at));
    const [crc, length] = [r.u32(), r.u32()];
    if (length === 0) break;
    if (length < 32 || length % 8 !== 0 || at + length > bytes.length) {
      throw new FormatError(`a record of ${length} bytes`);
    }
    const record = bytes.subarray(at, at + length);
    r.expect('record crc', crc, crc32c(record.subarray(4)));
    const [type, version, flags, collection] = [r.u8(), r.u8(), r.u16(), r.u32()];
    r.expect('collection', collection, 0);
    r.u64();
    const time = r.i64();
    const body = new ByteReader(record.subarray(32));
    if (version !== 1 && (type & 0x80) === 0) {
      throw new FormatError(`version ${version} of a record`);
    }
    if (type === 1) records.push(readPut(record, flags, time, at, group.offset, dims));
    else if (type === 2) records.push(readDelete(body));
    else if (type === 3) records.push(readSymbol(body));
    else if (type === 4) records.push(readEdit(body, 'SEAL', layout));
    else if (type === 5) records.push(readEdit(body, 'REPLACE', layout));
    else if (type === 7) {
      records.push({ type: 'CLOCK_STEP', wallMs: numberOf(time), stepMs: numberOf(body.i64()) });
    } else if (type === 0x80) records.push({ type: 'NOOP' });
    else if ((type & 0x80) !== 0) records.push({ type: 'skipped', number: type });
    else throw new FormatError(`a record of unknown type ${type}`);
    at += length;
  }
  new ByteReader(bytes.subarray(at)).zero(bytes.length - at);
  if (records.length !== group.recordCount) throw new FormatError('a group has other records');
  return records;
}

export interface Walk {
  groups: Group[];
  runs: RunHeader[];
  holes: { lsnFrom: number; lsnTo: number }[];
  endLsn: number;
  torn: boolean;
}

/** Steps 5 to 7 of FORMAT.md 12. */
export class LogWalker {
  readonly #file: Uint8Array;
  readonly #layout: Layout;
  readonly #uuid: string;
  readonly #out: Walk;
  #run: RunHeader;
  #inRun: number;
  #epoch: number;
  #durable: number;
  #previousCrc: number;

  constructor(file: Uint8Array, layout: Layout, uuid: string, slot: Slot) {
    this.#file = file;
    this.#layout = layout;
    this.#uuid = uuid;
    this.#run = this.#logRun(slot.scan);
    this.#inRun = layout.page + slot.manifestLsn - this.#run.firstLsn;
    if (this.#run.firstLsn > slot.manifestLsn || this.#inRun > layout.runBytes(this.#run.own)) {
      throw new FormatError('the scan run does not hold the end of the manifest');
    }
    this.#epoch = slot.epoch;
    this.#durable = slot.durableLsn;
    this.#previousCrc = slot.lastGroupCrc;
    this.#out = { groups: [], runs: [this.#run], holes: [], endLsn: slot.manifestLsn, torn: false };
  }

  walk(): Walk {
    while (this.#step() || this.#skipHole()) {
      // Each step moves the end up by a page at least.
    }
    this.#refuseLostSuccessor();
    this.#verify();
    return this.#out;
  }

  #logRun(run: Run): RunHeader {
    const { firstChunk } = this.#layout.checkRun(run);
    const header = readRunHeader(this.#file, this.#layout, firstChunk, this.#uuid);
    if (header.kind !== 'log') throw new FormatError('not a run of the log');
    this.#layout.checkRun(header.next); // else it was never opened: FORMAT.md 5
    return header;
  }

  #group(run: Run, inRun: number): Group | undefined {
    const room = this.#layout.runBytes(run) - inRun;
    if (room < this.#layout.page) return undefined;
    try {
      return readGroupHeader(this.#file, this.#layout, this.#layout.runAt(run) + inRun, room);
    } catch {
      return undefined;
    }
  }

  #nextRun(): RunHeader | undefined {
    try {
      const next = this.#logRun(this.#run.next);
      return next.sequence === this.#run.sequence + 1 ? next : undefined;
    } catch {
      return undefined;
    }
  }

  #links(group: Group): boolean {
    const raises = group.epoch > this.#epoch && group.firstOfEpoch;
    return group.lsn === this.#out.endLsn && (group.epoch === this.#epoch || raises) &&
      group.previousCrc === this.#previousCrc;
  }

  #take(group: Group, inRun: number): true {
    this.#out.groups.push(group);
    this.#out.endLsn = group.lsn + group.length;
    this.#inRun = inRun + group.length;
    this.#epoch = group.epoch;
    this.#durable = Math.max(this.#durable, group.durableLsn);
    this.#previousCrc = group.headerCrc;
    return true;
  }

  #enter(next: RunHeader, group: Group, inRun: number): true {
    this.#run = next;
    this.#out.runs.push(next);
    return this.#take(group, inRun);
  }

  /**
   * One link of the chain: in the run, else at its successor; where both would go on, the younger
   * epoch.
   */
  #step(): boolean {
    const here = this.#group(this.#run.own, this.#inRun);
    const inRun = here !== undefined && this.#links(here) ? here : undefined;
    const next = this.#nextRun();
    const follows = next !== undefined && next.firstLsn === this.#out.endLsn;
    const there = follows ? this.#group(next.own, this.#layout.page) : undefined;
    const inNext =
      there !== undefined && this.#links(there) && there.epoch === next?.epoch ? there : undefined;
    if (inRun !== undefined && (inNext === undefined || inRun.epoch >= inNext.epoch)) {
      return this.#take(inRun, this.#inRun);
    }
    if (inNext === undefined || next === undefined) return false;
    return this.#enter(next, inNext, this.#layout.page);
  }

  /** A group from `from` in the run on that proves that what is missing here was durable. */
  #findBeyond(
    run: Run, from: number, lsnAt: (inRun: number) => number | undefined,
  ): [Group, number] | undefined {
    const page = this.#layout.page;
    const end = this.#out.endLsn;
    for (let at = from; at < from + this.#layout.groupMax + page; at += page) {
      const group = this.#group(run, at);
      if (group === undefined || group.lsn !== (lsnAt(at) ?? group.lsn)) continue;
      const proves = group.epoch >= this.#epoch && group.lsn > end && group.durableLsn > end;
      if (proves) return [group, at];
    }
    return undefined;
  }

  #skipHole(): boolean {
    const lsnFrom = this.#out.endLsn;
    const page = this.#layout.page;
    const run = this.#run;
    const here = this.#findBeyond(run.own, this.#inRun + page, (at) => run.firstLsn + at - page);
    if (here !== undefined) {
      this.#out.holes.push({ lsnFrom, lsnTo: here[0].lsn });
      return this.#take(...here);
    }
    const next = this.#nextRun();
    if (next === undefined || next.firstLsn < lsnFrom) return false;
    const there = this.#findBeyond(next.own, page, (at) => next.firstLsn + at - page);
    if (there === undefined) return false;
    this.#out.holes.push({ lsnFrom, lsnTo: there[0].lsn });
    return this.#enter(next, ...there);
  }

  #refuseLostSuccessor(): void {
    try {
      this.#logRun(this.#run.next);
    } catch {
      const found = this.#findBeyond(this.#run.next, this.#layout.page, () => undefined);
      if (found === undefined) return;
      throw new FormatError('the header of a log run with groups is damaged');
    }
  }

  #verify(): void {
    for (const [index, group] of this.#out.groups.entries()) {
      if (bodyIsIntact(this.#file, group)) continue;
      if (group.lsn + group.length <= this.#durable) {
        group.intact = false;
        this.#out.holes.push({ lsnFrom: group.lsn, lsnTo: group.lsn + group.length });
        continue;
      }
      this.#out.torn = true;
      this.#out.endLsn = group.lsn;
      this.#out.groups.length = index;
      this.#out.holes = this.#out.holes.filter((hole) => hole.lsnFrom < group.lsn);
      return;
    }
  }
}

export function showGroup(group: Group, records: unknown[]): unknown {
  const { bodyCrc, headerCrc, previousCrc, recordCount, ...rest } = group;
  return {
    ...rest, headerCrc: hex32(headerCrc), previousCrc: hex32(previousCrc),
    bodyCrc: hex32(bodyCrc), records,
  };
}
