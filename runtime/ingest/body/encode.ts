import { RveError } from '../../errors/index.js';
import { asBytes, CborWriter } from './cbor_writer.js';
import { CborReader } from './cbor_reader.js';
import { bodyFormat } from './decode.js';
import { floatToHalf } from './half.js';
import { JsonReader } from './json_reader.js';
import type { BodyFormat, Correlation, QueryReply, WireFilter } from './types.js';
import { TAG_F16, TAG_F32, TAG_INT8 } from './vector_sink.js';

/** Precision of a vector on the wire; f16 and int8 save a half and three quarters of it. */
export type WireVector = 'f32' | 'f16' | 'int8';

/** An ingest message as a client writes it; keys as on the wire, absent ones undefined. */
export interface IngestMessage {
  /** One vector, or `vectors`: n x dims, row-major. */
  v?: Float32Array;
  vectors?: Float32Array;
  dims?: number;
  id?: number;
  ids?: readonly number[];
  /** ms since 1970. */
  t?: number;
  times?: readonly number[];
  seq?: number;
  boot?: number;
  label?: string;
  labels?: readonly (string | null)[];
  payload?: unknown;
  payloads?: readonly unknown[];
}

export interface QueryMessage {
  v: Float32Array;
  id?: string | number;
  k?: number;
  ef?: number;
  recall?: number;
  filter?: WireFilter;
  replyTo?: string;
  correlation?: Correlation;
}

export function encodeIngestCbor(message: IngestMessage, as: WireVector = 'f32'): Buffer {
  return encodeCbor({ ...message }, as);
}

/** Numbers are written as the shortest text that gives the same float back. */
export function encodeIngestJson(message: IngestMessage): Buffer {
  return Buffer.from(JSON.stringify(message, plain));
}

export function encodeQueryCbor(message: QueryMessage, as: WireVector = 'f32'): Buffer {
  return encodeCbor({ ...message }, as);
}

export function encodeQueryJson(message: QueryMessage): Buffer {
  return Buffer.from(JSON.stringify(message, plain));
}

/** A reply in the form of the request. Scores are CBOR floats, so that any decoder reads them. */
export function encodeReply(reply: QueryReply, format: BodyFormat): Buffer {
  const entries = Object.entries(reply).filter(([, value]) => value !== undefined);
  if (format === 'json') return Buffer.from(JSON.stringify(Object.fromEntries(entries), plain));
  const writer = new CborWriter();
  writer.map(entries.length);
  for (const [key, value] of entries) {
    writer.text(key);
    if (key === 'ids' || key === 'scores') {
      const list = value as ArrayLike<number>;
      writer.array(list.length);
      for (let i = 0; i < list.length; i += 1) {
        if (key === 'ids') writer.number(list[i]!);
        else writer.float32(list[i]!);
      }
    } else {
      writer.value(value);
    }
  }
  return writer.finish();
}

/** Reads a reply or an event in either form; for clients. ERR_BODY if it is neither. */
export function decodeReply(body: Uint8Array): Record<string, unknown> {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  let value: unknown;
  if (bodyFormat(bytes) === 'cbor') value = new CborReader(bytes).readOnly();
  else {
    const steps = new JsonReader(bytes).readOnly();
    for (let step = steps.next(); ; step = steps.next()) {
      if (step.done !== true) continue;
      value = step.value;
      break;
    }
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new RveError('ERR_BODY', 'a reply is a map');
  }
  return value as Record<string, unknown>;
}

function encodeCbor(message: Record<string, unknown>, as: WireVector): Buffer {
  const vector = (message['v'] ?? message['vectors']) as Float32Array | undefined;
  if (as === 'int8' && vector !== undefined) message['scale'] = int8Scale(vector);
  const entries = Object.entries(message).filter(([, value]) => value !== undefined);
  const writer = new CborWriter(64 + 4 * (vector?.length ?? 0));
  writer.map(entries.length);
  for (const [key, value] of entries) {
    writer.text(key);
    if (key === 'v' || key === 'vectors') writeVector(writer, value as Float32Array, as, message);
    else writer.value(value);
  }
  return writer.finish();
}

function writeVector(
  writer: CborWriter,
  values: Float32Array,
  as: WireVector,
  message: Record<string, unknown>,
): void {
  if (as === 'f32') {
    writer.typedArray(TAG_F32, asBytes(values));
  } else if (as === 'f16') {
    writer.typedArray(TAG_F16, asBytes(Uint16Array.from(values, floatToHalf)));
  } else {
    const scale = message['scale'] as number;
    writer.typedArray(TAG_INT8, asBytes(Int8Array.from(values, (x) => Math.round(x / scale))));
  }
}

/** The step that maps the largest magnitude to 127; 1 for an all-zero vector. */
function int8Scale(values: Float32Array): number {
  let largest = 0;
  for (const value of values) largest = Math.max(largest, Math.abs(value));
  return largest > 0 ? Math.fround(largest / 127) : 1;
}

function plain(_key: string, value: unknown): unknown {
  if (value instanceof Float32Array || value instanceof Float64Array)
    return Array.from(value, shortest);
  // Buffer has a toJSON of its own: bytes have no JSON form here, base64 is what others use.
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  return value;
}

/** The shortest decimal that reads back as the same float: 9 digits suffice for binary32. */
function shortest(value: number): number {
  for (let digits = 6; digits <= 9; digits += 1) {
    const candidate = Number(value.toPrecision(digits));
    if (Math.fround(candidate) === value) return candidate;
  }
  return value;
}
