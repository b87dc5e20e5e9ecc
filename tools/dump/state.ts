// What is alive: the manifest's state, then the records of the log in order (native/FORMAT.md 12,
// step 8).
import { FormatError, crc32c, hexOf, numberOf } from './bytes.js';
import type { Identity, Layout } from './fixed.js';
import type { Group, LogRecord, PutBatch } from './log.js';
import type { Manifest, SegmentEntry } from './manifest.js';
import { Segment, readVector } from './segment.js';

interface TailRow {
  lsn: number;
  put: PutBatch;
  row: number;
  dead: boolean;
}

interface LiveSegment {
  entry: SegmentEntry;
  dead: Set<number>;
  /** Undefined: does not open. */
  opened: Segment | undefined;
}

export interface LiveRecord {
  id: number;
  place: string;
  row: number;
  time: number | string;
  source: string;
  label: string;
  payload: string | { bytes: number; crc: number } | null;
  /** f32, f16, or the tier of a segment in tiers. */
  dtype: string;
  /** Moment of heat in ms of active time, where one is stored. */
  heat: number | undefined;
  vector: number[];
}

const PAYLOAD_SHOWN_MAX = 64;

/** Under cosine the vector that was given. */
function lengthened(vector: number[], norm: number | undefined): number[] {
  return norm === undefined ? vector : vector.map((value) => Math.fround(value * norm));
}

export class State {
  readonly sources: string[];
  readonly labels: string[];
  readonly segments: LiveSegment[] = [];
  nextId: number;
  #tail: TailRow[] = [];

  constructor(
    readonly file: Uint8Array,
    readonly layout: Layout,
    readonly identity: Identity,
    manifest: Manifest,
    readonly problem: (text: string) => void,
  ) {
    this.sources = [...manifest.sources];
    this.labels = [...manifest.labels];
    this.nextId = manifest.nextId;
    for (const { entry, dead } of manifest.segments) this.#add(entry, dead);
  }

  /** A group of the tail directory: only its rows count, the rest is in the manifest. */
  addTailGroup(group: Group, dead: ReadonlySet<number>, firstOrdinal: number): number {
    let ordinal = firstOrdinal;
    for (const put of group.records) {
      if (put.type !== 'PUT_BATCH') continue;
      for (let row = 0; row < put.count; row++, ordinal++) {
        this.#tail.push({ lsn: group.lsn, put, row, dead: dead.has(ordinal) });
      }
    }
    return ordinal - firstOrdinal;
  }

  apply(group: Group): void {
    for (const record of group.records) this.#applyRecord(group, record);
  }

  #applyRecord(group: Group, record: LogRecord): void {
    if (record.type === 'PUT_BATCH') {
      for (let row = 0; row < record.count; row++) {
        const id = record.ids[row] ?? 0;
        this.#kill(id);
        this.#tail.push({ lsn: group.lsn, put: record, row, dead: false });
        this.nextId = Math.max(this.nextId, id + 1);
      }
    } else if (record.type === 'DELETE') {
      for (const id of record.ids ?? []) this.#kill(id);
      if (record.source !== undefined) this.#killSource(record.source);
    } else if (record.type === 'SYMBOL') {
      const names = record.kind === 'source' ? this.sources : this.labels;
      const known = names[record.number - 1];
      if (known === undefined && record.number === names.length + 1) names.push(record.name);
      else if (known !== record.name) {
        throw new FormatError(`${record.kind} ${record.number} changes`);
      }
    } else if (record.type === 'SEAL' || record.type === 'REPLACE') {
      for (const id of record.drops) {
        const index = this.segments.findIndex((segment) => segment.entry.id === id);
        if (index < 0) throw new FormatError(`REPLACE drops segment ${id}, which is not there`);
        this.segments.splice(index, 1);
      }
      this.#tail = this.#tail.filter((row) => row.lsn >= record.sealedUpto);
      for (const { entry, dead } of record.adds) this.#add(entry, dead);
    }
  }

  #add(entry: SegmentEntry, dead: readonly number[]): void {
    let opened: Segment | undefined;
    try {
      opened = new Segment(this.file, this.layout, this.identity, entry);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      this.problem(`segment ${entry.id}: ${error.message}`);
    }
    this.segments.push({ entry, dead: new Set(dead), opened });
  }

  #kill(id: number): void {
    for (const row of this.#tail) if (row.put.ids[row.row] === id) row.dead = true;
    for (const { opened, dead } of this.segments) {
      opened?.ids.forEach((other, row) => {
        if (other === id) dead.add(row);
      });
    }
  }

  #killSource(source: number): void {
    for (const row of this.#tail) if (row.put.source === source) row.dead = true;
    for (const { opened, dead } of this.segments) {
      opened?.sources.forEach((other, row) => {
        if (other === source) dead.add(row);
      });
    }
  }

  #name(names: string[], number: number): string {
    const name = number === 0 ? '' : names[number - 1];
    if (name === undefined) throw new FormatError(`no name has the number ${number}`);
    return name;
  }

  #payload(bytes: Uint8Array | undefined): LiveRecord['payload'] {
    if (bytes === undefined || bytes.length === 0) return null;
    if (bytes.length <= PAYLOAD_SHOWN_MAX) return hexOf(bytes);
    return { bytes: bytes.length, crc: crc32c(bytes) };
  }

  tailCounts(): { rows: number; dead: number } {
    return { rows: this.#tail.length, dead: this.#tail.filter((row) => row.dead).length };
  }

  /** Every live record, by id. */
  records(): LiveRecord[] {
    const out: LiveRecord[] = [];
    for (const { put, row, dead } of this.#tail) {
      if (dead) continue;
      const { dimensions } = this.identity;
      const at = put.matrixAt + dimensions * (put.dtype === 1 ? 4 : 2) * row;
      const vector = readVector(this.file, at, put.dtype, dimensions);
      out.push({
        id: put.ids[row] ?? 0, place: 'tail', row, time: numberOf(put.times[row] ?? 0n),
        source: this.#name(this.sources, put.source),
        label: this.#name(this.labels, put.labels[row] ?? 0),
        payload: this.#payload(put.payloads[row]), dtype: put.dtype === 1 ? 'f32' : 'f16',
        heat: undefined, vector: lengthened(vector, put.norms?.[row]),
      });
    }
    for (const { entry, dead, opened } of this.segments) {
      if (opened === undefined) continue;
      for (let row = 0; row < entry.rows; row++) {
        if (dead.has(row)) continue;
        const { form, vector } = opened.vectorOf(row);
        out.push({
          id: opened.ids[row] ?? 0, place: `segment ${entry.id}`, row,
          time: numberOf(opened.times[row] ?? 0n),
          source: this.#name(this.sources, opened.sources[row] ?? 0),
          label: this.#name(this.labels, opened.labels[row] ?? 0),
          payload: this.#payload(opened.payloads[row]), dtype: form,
          heat: opened.heat?.[row], vector: lengthened(vector, opened.norms?.[row]),
        });
      }
    }
    out.sort((a, b) => a.id - b.id);
    for (const [i, record] of out.entries()) {
      if (record.id === out[i - 1]?.id) this.problem(`id ${record.id} is alive twice`);
    }
    return out;
  }
}
