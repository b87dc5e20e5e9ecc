// One line of NDJSON: the keys of the wire (DESIGN.md section 5), plus `source` (which the wire has
// in its topic) and three spellings that JSON needs for exact bytes:
//
//   v32           base64 of f32 little-endian, in place of v: what export writes, bit for bit
//   payload64     base64 of a payload that is bytes
//   payload_cbor  base64 of a payload that JSON cannot hold: undefined, NaN, bytes in an object

import { didYouMean } from '../../config/index.js';
import { RveError } from '../../errors/index.js';
import type { MemoryRecord } from '../../memory/index.js';
import { decodeBase64, decodePayload, encodePayload } from './payload.js';

/** Rows that one line holds; arrays are null where the line does not speak of them. */
export interface Rows {
  count: number;
  matrix: Float32Array;
  ids: readonly number[] | null;
  times: readonly number[] | null;
  source: string | null;
  boot: number | null;
  seq: number | null;
  labels: readonly (string | null)[] | null;
  payloads: readonly unknown[] | null;
  /** About what the rows take in memory. */
  bytes: number;
}

const KEYS = [
  'v',
  'v32',
  'vectors',
  'dims',
  'id',
  'ids',
  't',
  'times',
  'seq',
  'boot',
  'label',
  'labels',
  'payload',
  'payload64',
  'payload_cbor',
  'payloads',
  'source',
] as const;

const ID_MAX = 2 ** 48 - 1;
const NAME_BYTES_MAX = 256;
const U32_MAX = 2 ** 32 - 1;

export interface LineOptions {
  /** Floats per vector of the store. */
  dimensions: number;
  /** Cosine has no direction for a zero vector. */
  metric: string;
}

/**
 * Reads one line.
 * @throws RveError ERR_BODY (not an object, unknown or contradicting keys), ERR_DIMENSIONS,
 * ERR_VECTOR,
 *   ERR_ID_RANGE, ERR_ID_DUPLICATE, ERR_NAME, ERR_ARGUMENT; the message does not name the line.
 */
export function parseRecordLine(text: string, options: LineOptions): Rows {
  const line = parseObject(text);
  const matrix = readVectors(line, options);
  const rowCount = matrix.length / options.dimensions;
  const many = line.has('vectors');
  const ids = readMany(line, many ? 'ids' : 'id', many, rowCount, checkId);
  if (ids !== null && new Set(ids).size < ids.length) {
    throw new RveError('ERR_ID_DUPLICATE', 'an id stands twice in "ids".');
  }
  const boot = readNumber(line, 'boot', U32_MAX);
  const seq = readNumber(line, 'seq', Number.MAX_SAFE_INTEGER - rowCount);
  if ((boot === null) !== (seq === null)) {
    throw new RveError('ERR_ARGUMENT', '"boot" and "seq" go together: they are the key of dedupe.');
  }
  const source = line.has('source') ? checkName(line.get('source'), 'source') : null;
  if (seq !== null && source === null)
    throw new RveError('ERR_ARGUMENT', '"seq" needs a "source".');
  const payloads = readPayloads(line, many, rowCount);
  return {
    count: rowCount,
    matrix,
    ids,
    source,
    boot,
    seq,
    times: readMany(line, many ? 'times' : 't', many, rowCount, checkTime),
    labels: readLabels(line, many, rowCount),
    payloads,
    bytes: matrix.byteLength + rowCount * 64 + (payloads === null ? 0 : text.length),
  };
}

/** The line that parseRecordLine() reads back to the same record, bit for bit. */
export function formatRecordLine(record: MemoryRecord): string {
  const { vector } = record;
  const bytes = Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength);
  return JSON.stringify({
    id: record.id,
    v32: bytes.toString('base64'),
    t: record.time,
    ...(record.source === null ? {} : { source: record.source }),
    ...(record.label === null ? {} : { label: record.label }),
    ...encodePayload(record.payload),
  });
}

type LineObject = ReadonlyMap<string, unknown>;

function parseObject(text: string): LineObject {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new RveError('ERR_BODY', `not JSON (${(error as Error).message.split('\n')[0]}).`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new RveError('ERR_BODY', 'a line must be one JSON object.');
  }
  const line = new Map(Object.entries(value));
  for (const key of line.keys()) {
    if (!(KEYS as readonly string[]).includes(key)) {
      throw new RveError('ERR_BODY', `unknown key "${key.slice(0, 40)}".${didYouMean(key, KEYS)}`);
    }
  }
  const alone = line.has('vectors')
    ? ['id', 't', 'payload', 'payload64', 'payload_cbor']
    : ['ids', 'times', 'labels', 'payloads'];
  for (const key of alone) {
    if (line.has(key)) {
      throw new RveError(
        'ERR_BODY',
        `"${key}" does not go with "${line.has('vectors') ? 'vectors' : 'v'}".`,
      );
    }
  }
  return line;
}

function readVectors(line: LineObject, { dimensions, metric }: LineOptions): Float32Array {
  const given = ['v', 'v32', 'vectors'].filter((key) => line.has(key));
  if (given.length !== 1) {
    throw new RveError('ERR_BODY', 'a line needs one of "v", "v32" and "vectors".');
  }
  const dims = line.get('dims');
  if (dims !== undefined && dims !== dimensions) {
    throw new RveError('ERR_DIMENSIONS', `"dims" is ${String(dims)}, the store has ${dimensions}.`);
  }
  const matrix = readMatrix(line, given[0] ?? 'v', dimensions);
  for (let row = 0; row < matrix.length; row += dimensions) {
    checkVector(matrix.subarray(row, row + dimensions), metric);
  }
  return matrix;
}

function readMatrix(line: LineObject, key: string, dimensions: number): Float32Array {
  const value = line.get(key);
  if (key === 'v32') return readBase64Vector(value, dimensions);
  if (!Array.isArray(value))
    throw new RveError('ERR_BODY', `"${key}" must be an array of numbers.`);
  if (key === 'v') return Float32Array.from(checkNumbers(value, dimensions));
  if (value.length === 0) throw new RveError('ERR_BODY', '"vectors" is empty.');
  if (!Array.isArray(value[0])) {
    if (value.length % dimensions !== 0) {
      throw new RveError(
        'ERR_DIMENSIONS',
        `"vectors" holds ${value.length} numbers, no multiple of the store's ${dimensions}.`,
      );
    }
    return Float32Array.from(checkNumbers(value, value.length));
  }
  const matrix = new Float32Array(value.length * dimensions);
  value.forEach((row: unknown, index) => {
    if (!Array.isArray(row))
      throw new RveError('ERR_BODY', `row ${index} of "vectors" is no array.`);
    matrix.set(checkNumbers(row, dimensions), index * dimensions);
  });
  return matrix;
}

function readBase64Vector(value: unknown, dimensions: number): Float32Array {
  if (typeof value !== 'string') throw new RveError('ERR_BODY', '"v32" must be base64 text.');
  const bytes = decodeBase64(value, 'v32');
  if (bytes.length !== dimensions * 4) {
    throw new RveError(
      'ERR_DIMENSIONS',
      `"v32" holds ${bytes.length / 4} floats, the store has ${dimensions}.`,
    );
  }
  // Buffer.from may hand out a slice of a pool at an odd offset: a copy is aligned.
  return new Float32Array(new Uint8Array(bytes).buffer);
}

function checkNumbers(values: readonly unknown[], dimensions: number): readonly number[] {
  if (values.length !== dimensions) {
    throw new RveError(
      'ERR_DIMENSIONS',
      `the vector has ${values.length} numbers, the store has ${dimensions}.`,
    );
  }
  const bad = values.findIndex((value) => typeof value !== 'number');
  if (bad !== -1)
    throw new RveError(
      'ERR_VECTOR',
      `number ${bad} of the vector is ${JSON.stringify(values[bad])}.`,
    );
  return values as readonly number[];
}

function checkVector(vector: Float32Array, metric: string): void {
  const bad = vector.findIndex((value) => !Number.isFinite(value));
  if (bad !== -1)
    throw new RveError('ERR_VECTOR', `number ${bad} of the vector is not finite as an f32.`);
  if (metric === 'cosine' && vector.every((value) => value === 0)) {
    throw new RveError('ERR_VECTOR', 'the vector is zero, which has no direction under cosine.');
  }
}

function readMany<T>(
  line: LineObject,
  key: string,
  many: boolean,
  rowCount: number,
  check: (value: unknown, key: string) => T,
): readonly T[] | null {
  if (!line.has(key)) return null;
  const value = line.get(key);
  if (!many) return [check(value, key)];
  if (!Array.isArray(value) || value.length !== rowCount) {
    throw new RveError('ERR_ARGUMENT', `"${key}" must be an array of ${rowCount}, one per row.`);
  }
  return value.map((one: unknown) => check(one, key));
}

function readLabels(
  line: LineObject,
  many: boolean,
  rowCount: number,
): readonly (string | null)[] | null {
  if (line.has('label') && line.has('labels')) {
    throw new RveError('ERR_BODY', '"label" and "labels" exclude each other.');
  }
  const check = (value: unknown, key: string): string | null =>
    value === null ? null : checkName(value, key);
  if (!line.has('label')) return readMany(line, 'labels', many, rowCount, check);
  return Array<string | null>(rowCount).fill(check(line.get('label'), 'label'));
}

function readPayloads(
  line: LineObject,
  many: boolean,
  rowCount: number,
): readonly unknown[] | null {
  if (many) return readMany(line, 'payloads', many, rowCount, (value) => value);
  const given = ['payload', 'payload64', 'payload_cbor'].filter((key) => line.has(key));
  if (given.length > 1)
    throw new RveError('ERR_BODY', `"${given[0]}" and "${given[1]}" exclude each other.`);
  const key = given[0];
  return key === undefined ? null : [decodePayload(key, line.get(key))];
}

function readNumber(line: LineObject, key: string, max: number): number | null {
  if (!line.has(key)) return null;
  const value = line.get(key);
  if (!Number.isSafeInteger(value) || (value as number) < 0 || (value as number) > max) {
    throw new RveError('ERR_ARGUMENT', `"${key}" must be an integer 0 to ${max}.`);
  }
  return value as number;
}

function checkId(value: unknown): number {
  if (!Number.isInteger(value) || (value as number) < 0 || (value as number) > ID_MAX) {
    throw new RveError(
      'ERR_ID_RANGE',
      `an id must be an integer 0 to ${ID_MAX}, not ${JSON.stringify(value)}.`,
    );
  }
  return value as number;
}

function checkTime(value: unknown, key: string): number {
  if (!Number.isSafeInteger(value)) {
    throw new RveError('ERR_ARGUMENT', `"${key}" must be whole milliseconds since 1970.`);
  }
  return value as number;
}

function checkName(value: unknown, key: string): string {
  if (typeof value !== 'string' || value === '' || Buffer.byteLength(value) > NAME_BYTES_MAX) {
    throw new RveError('ERR_NAME', `"${key}" must be text of 1 to ${NAME_BYTES_MAX} bytes.`);
  }
  return value;
}
