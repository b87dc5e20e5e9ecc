// Parts, columns, pieces and the graph of one segment: native/FORMAT.md 10 and 11.
import { ByteReader, FormatError, crc32c, floatFromHalf, hexOf } from './bytes.js';
import type { Identity, Layout } from './fixed.js';
import { readRunHeader } from './fixed.js';
import type { GraphSummary } from './graph.js';
import { readGraph } from './graph.js';
import type { PartEntry, PartKind, SegmentEntry } from './manifest.js';
import { PART_KINDS } from './manifest.js';
import { Tiers } from './tiers.js';

export interface Part {
  kind: PartKind;
  dataPages: number;
  badPages: number[];
  sections: Map<number, Uint8Array>;
  /** Offset of a section in the file. */
  at: Map<number, number>;
}

export interface Piece {
  firstRow: number;
  rows: number;
  dtype: number;
  at: number;
  recordAt: number;
}

function part(
  file: Uint8Array, layout: Layout, identity: Identity, segment: SegmentEntry, entry: PartEntry,
): Part {
  const run = readRunHeader(file, layout, entry.run.firstChunk, identity.uuid);
  if (run.kind !== 'parts' || run.sequence !== segment.id || run.own.chunks !== entry.run.chunks) {
    throw new FormatError('the run header names something else');
  }
  const start = layout.runAt(entry.run) + entry.page * layout.page;
  const bytes = file.subarray(start, start + entry.pages * layout.page);
  const head = bytes.subarray(0, layout.page);
  const r = new ByteReader(head);
  r.expect('part magic', r.u32(), 0x54525052);
  r.expect('part kind', r.u8(), PART_KINDS.indexOf(entry.kind) + 1);
  r.expect('part version', r.u8(), 1);
  r.zero(2);
  r.expect('part crc', r.u32(), crc32c(head, 8));
  r.expect('part crc in its entry', entry.headerCrc, crc32c(head, 8));
  const count = r.u32();
  if (hexOf(r.take(16)) !== identity.uuid || count > 12) {
    throw new FormatError('a part of another file');
  }
  r.expect('segment of a part', r.size(), segment.id);
  r.expect('rows of a part', r.u32(), segment.rows);
  r.expect('dimensions of a part', r.u32(), identity.dimensions);
  const dataPages = r.u32();
  r.zero(12);
  const tablePages = Math.ceil((dataPages * 4) / layout.page);
  if (dataPages === 0 || dataPages + tablePages !== entry.pages) throw new FormatError('part size');
  const out: Part = {
    kind: entry.kind, dataPages, badPages: [], sections: new Map(), at: new Map(),
  };
  let end = layout.page;
  for (let i = 0; i < count; i++) {
    const kind = r.u32();
    const at = r.u32() * 64;
    const size = r.size();
    if (at < end || at + size > dataPages * layout.page) throw new FormatError('section place');
    new ByteReader(bytes.subarray(end, at)).zero(at - end);
    end = at + size;
    if (size === 0) continue;
    out.sections.set(kind, bytes.subarray(at, end));
    out.at.set(kind, start + at);
  }
  r.zero(r.left);
  const table = new ByteReader(bytes.subarray(dataPages * layout.page));
  r.expect('page table crc', crc32c(table.bytes), entry.tableCrc);
  for (let page = 0; page < dataPages; page++) {
    const crc = crc32c(bytes.subarray(page * layout.page, (page + 1) * layout.page));
    if (crc !== table.u32()) out.badPages.push(page);
  }
  table.zero(table.left);
  return out;
}

const HEAT_STEP_MS = 65_536;
const HEAT_BIAS = 2 ** 22;

/** FORMAT.md 11. An absent column is all `absent`. */
export function readColumn(bytes: Uint8Array | undefined, rows: number, absent = 0n): bigint[] {
  if (bytes === undefined) return Array.from({ length: rows }, () => absent);
  const out: bigint[] = [];
  const r = new ByteReader(bytes);
  for (let first = 0; first < rows; first += 256) {
    r.at = (first / 256) * 16;
    const [base, at, width] = [r.u64(), r.u32(), r.u32()];
    const count = Math.min(256, rows - first);
    if (width > 64) throw new FormatError(`a column of width ${width}`);
    r.at = at;
    const packed = r.take(Math.ceil((width * count) / 8));
    let bits = 0n;
    for (let i = packed.length - 1; i >= 0; i--) bits = (bits << 8n) | BigInt(packed[i] ?? 0);
    const mask = (1n << BigInt(width)) - 1n;
    for (let i = 0; i < count; i++) {
      out.push(BigInt.asUintN(64, base + ((bits >> BigInt(width * i)) & mask)));
    }
  }
  return out;
}

/** Plain values: dtype 1 is f32, 2 is f16. */
export function readVector(file: Uint8Array, at: number, dtype: number, dims: number): number[] {
  const r = new ByteReader(file);
  r.at = at;
  return Array.from({ length: dims }, () => (dtype === 1 ? r.f32() : floatFromHalf(r.u16())));
}

/** Full norms (10), or the high 24 bits of each (13). */
function readNorms(base: Map<number, Uint8Array>, rows: number): number[] | undefined {
  const short = base.get(13);
  const full = base.get(10);
  if (short === undefined && full === undefined) return undefined;
  if (short !== undefined && full !== undefined) throw new FormatError('norms twice');
  const r = new ByteReader(short ?? full ?? new Uint8Array());
  r.expect('bytes of the norms', r.left, (short === undefined ? 4 : 3) * rows);
  return Array.from({ length: rows }, () => {
    if (short === undefined) return r.f32();
    return new ByteReader(Uint8Array.of(0, ...r.take(3))).f32();
  });
}

export class Segment {
  readonly parts: Part[];
  readonly pieces: Piece[] = [];
  /** Of a segment in tiers, which has no pieces. */
  readonly tiers: Tiers | undefined;
  readonly ids: number[];
  readonly times: bigint[];
  readonly sources: number[];
  readonly labels: number[];
  readonly norms: number[] | undefined;
  /** Moments of heat in ms of active time; undefined: not stored. */
  readonly heat: number[] | undefined;
  readonly payloads: (Uint8Array | undefined)[];

  constructor(
    readonly file: Uint8Array,
    readonly layout: Layout,
    readonly identity: Identity,
    readonly entry: SegmentEntry,
  ) {
    this.parts = entry.parts.map((p) => part(file, layout, identity, entry, p));
    const rows = entry.rows;
    const base = this.#part('base').sections;
    const column = (kind: number): number[] => readColumn(base.get(kind), rows).map(Number);
    this.ids = column(2);
    const sign = 1n << 63n;
    this.times = readColumn(base.get(3), rows).map((value) => BigInt.asIntN(64, value ^ sign));
    this.sources = column(4);
    this.labels = column(5);
    this.norms = readNorms(base, rows);
    if (base.has(12)) this.heat = column(12).map((stored) => (stored - HEAT_BIAS) * HEAT_STEP_MS);
    this.payloads = this.#readPayloads();
    const vectors = this.#part('vectors').sections;
    if (vectors.has(32)) this.tiers = new Tiers(vectors, rows, identity);
    else this.#readPieces();
    this.#checkDerived(base);
  }

  #part(kind: PartKind): Part {
    const found = this.parts.find((p) => p.kind === kind);
    if (found === undefined) throw new FormatError(`no ${kind} part`);
    return found;
  }

  #readPayloads(): (Uint8Array | undefined)[] {
    const sections = this.parts.find((p) => p.kind === 'payloads')?.sections;
    if (sections === undefined) return this.ids.map(() => undefined);
    const at = readColumn(sections.get(40), this.entry.rows).map(Number);
    const bytes = readColumn(sections.get(41), this.entry.rows).map(Number);
    const all = new ByteReader(sections.get(42) ?? new Uint8Array());
    return at.map((from, row) => {
      all.at = from;
      const length = bytes[row] ?? 0;
      return length === 0 ? undefined : all.take(length);
    });
  }

  #readPieces(): void {
    const vectors = this.#part('vectors');
    const r = new ByteReader(vectors.sections.get(30) ?? new Uint8Array());
    const matrixAt = vectors.at.get(31) ?? 0;
    const matrixBytes = vectors.sections.get(31)?.length ?? 0;
    let row = 0;
    while (r.left > 0) {
      const [firstRow, rows, dtype] = [r.u32(), r.u32(), r.u32()];
      r.zero(4);
      const piece = { firstRow, rows, dtype, at: r.size(), recordAt: r.size() };
      const bytes = rows * this.identity.dimensions * (dtype === 1 ? 4 : 2);
      const within = (from: number, size: number): boolean =>
        piece.at >= from && piece.at + bytes <= from + size;
      const inside = piece.recordAt === 0
        ? within(matrixAt, matrixBytes)
        : this.entry.adopted.some((run) => {
            const from = this.layout.runAt(run);
            return within(from, this.layout.runBytes(run)) && piece.recordAt >= from &&
              piece.recordAt < piece.at;
          });
      const known = (dtype === 1 || dtype === 2) && piece.at % 4 === 0;
      if (firstRow !== row || rows === 0 || !known || !inside) {
        throw new FormatError(`piece ${this.pieces.length} has impossible values`);
      }
      row += rows;
      this.pieces.push(piece);
    }
    if (row !== this.entry.rows) throw new FormatError('the pieces do not cover the rows');
  }

  /** What can be told from the columns must agree with them. */
  #checkDerived(base: Map<number, Uint8Array>): void {
    const { rows, idMin, idMax } = this.entry;
    const order = base.has(6)
      ? readColumn(base.get(6), rows).map(Number)
      : this.ids.map((_, row) => row);
    const sorted = order.map((row) => this.ids[row] ?? -1);
    const ranges = base.has(6) ? undefined : this.tiers?.ranges;
    const begins = new Set(ranges?.map(({ firstRow }) => firstRow) ?? [0]);
    const ascending = sorted.every((id, i) => begins.has(i) || id > (sorted[i - 1] ?? id));
    const least = sorted.reduce((a, b) => Math.min(a, b));
    const most = sorted.reduce((a, b) => Math.max(a, b));
    const distinct = new Set(order).size === rows && new Set(sorted).size === rows;
    if (!ascending || !distinct || least !== idMin || most !== idMax) {
      throw new FormatError('ids are not in order, or not in the range of the entry');
    }
    for (const [kind, values] of [[7, this.sources], [8, this.labels]] as const) {
      const counts = new Map<number, number>();
      for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
      const r = new ByteReader(base.get(kind) ?? new Uint8Array());
      for (const number of [...counts.keys()].sort((a, b) => a - b)) {
        r.expect('number of a count', r.u32(), number);
        r.expect(`rows of number ${number}`, r.u32(), counts.get(number) ?? 0);
      }
      r.zero(r.left);
      if (r.bytes.length !== counts.size * 8) throw new FormatError('counts of more than occur');
    }
    const blocks = new ByteReader(base.get(9) ?? new Uint8Array());
    for (let first = 0; first < rows; first += 1024) {
      const times = this.times.slice(first, first + 1024);
      blocks.expect('min of a time block', blocks.i64(), times.reduce((a, b) => (b < a ? b : a)));
      blocks.expect('max of a time block', blocks.i64(), times.reduce((a, b) => (b > a ? b : a)));
    }
    const padded = Math.ceil(this.identity.dimensions / 64) * 64;
    const codes = this.tiers === undefined
      ? Math.ceil(rows / 32) * 32 * (padded / 8 + 8) : undefined;
    if (base.get(1)?.length !== codes) throw new FormatError('the codes have another size');
    const records = this.parts.find((p) => p.kind === 'graph')?.sections.get(20);
    if (records === undefined) return;
    const r = new ByteReader(records);
    for (let row = 0; row < rows; row++) {
      const sum = r.take(padded / 2).reduce((total, byte) => total + (byte & 15) + (byte >> 4), 0);
      r.take(8);
      r.expect('code sum of a navigation record', r.u32(), sum);
      r.zero(4);
    }
  }

  /** A row's vector as stored, under cosine without its norm, and in what form it stands. */
  vectorOf(row: number): { form: string; vector: number[] } {
    if (this.tiers !== undefined) {
      return { form: this.tiers.rangeOf(row).tier, vector: this.tiers.vectorOf(row) };
    }
    const piece = this.pieces.find((p) => row >= p.firstRow && row < p.firstRow + p.rows);
    if (piece === undefined) throw new FormatError(`row ${row} has no piece`);
    const { dimensions } = this.identity;
    const stride = dimensions * (piece.dtype === 1 ? 4 : 2);
    const at = piece.at + stride * (row - piece.firstRow);
    return {
      form: piece.dtype === 1 ? 'f32' : 'f16',
      vector: readVector(this.file, at, piece.dtype, dimensions),
    };
  }

  /** Adopted pieces whose record fails its checksum. */
  badPieces(): number[] {
    return this.pieces.flatMap((piece, index) => {
      if (piece.recordAt === 0) return [];
      const r = new ByteReader(this.file.subarray(piece.recordAt));
      const [crc, length, type] = [r.u32(), r.u32(), r.u8()];
      const bytes = piece.rows * this.identity.dimensions * (piece.dtype === 1 ? 4 : 2);
      const fine = type === 1 && length >= 32 && length <= r.bytes.length &&
        piece.at + bytes <= piece.recordAt + length && crc === crc32c(r.bytes.subarray(4, length));
      return fine ? [] : [index];
    });
  }

  graph(): GraphSummary | undefined {
    const bytes = this.parts.find((p) => p.kind === 'graph')?.sections.get(21);
    return bytes === undefined ? undefined : readGraph(bytes, this.entry.rows);
  }
}
