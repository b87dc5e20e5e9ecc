import { RveError } from '../../errors/index.js';
import { CborReader } from './cbor_reader.js';
import { asFinite, asText, asWhole, perRow, whole, wrong } from './checks.js';
import { Fields } from './fields.js';
import { JsonReader } from './json_reader.js';
import {
  BODY_BYTES_CEILING,
  BODY_BYTES_MAX,
  CORRELATION_BYTES_MAX,
  EF_MAX,
  JSON_BYTES_MAX,
  K_MAX,
  RECALL_MAX,
  RECALL_MIN,
  TOPIC_BYTES_MAX,
} from './limits.js';
import type {
  BodyFormat,
  Correlation,
  DecodeOptions,
  IngestRequest,
  QueryRequest,
  WireFilter,
} from './types.js';

const INGEST_KEYS: ReadonlySet<string> = new Set([
  'v',
  'vectors',
  'dims',
  'scale',
  'id',
  'ids',
  't',
  'times',
  'seq',
  'boot',
  'label',
  'labels',
  'payload',
  'payloads',
]);
const QUERY_KEYS: ReadonlySet<string> = new Set([
  'v',
  'dims',
  'scale',
  'id',
  'k',
  'ef',
  'recall',
  'filter',
  'replyTo',
  'correlation',
]);
const FILTER_KEYS: ReadonlySet<string> = new Set(['source', 'label', 'from', 'to']);
const ID_MAX = 2 ** 48 - 1;
const U32_MAX = 0xffff_ffff;
/** Sources and labels are at most this long (ERR_NAME in the memory). */
const NAME_BYTES_MAX = 256;
const K_DEFAULT = 10;

/** 'json' if the first byte opens an object (white space may precede it), else 'cbor'. */
export function bodyFormat(body: Uint8Array): BodyFormat {
  for (const byte of body) {
    if (byte === 0x7b) return 'json';
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return 'cbor';
  }
  return 'cbor';
}

/**
 * Reads an ingest body. A promise only when more than 16 KiB of JSON or of plain CBOR numbers are
 * to be read: that goes in slices, so that the loop never waits for more than one. Typed arrays are
 * read at once whatever their size (560 bytes: 2 to 4 us; 256 KiB of f32: 0.3 ms). Throws or
 * rejects with RveError ERR_BODY, ERR_BODY_LIMIT, ERR_DIMENSIONS or ERR_VECTOR.
 */
export function decodeIngest(
  body: Uint8Array,
  options: DecodeOptions,
): IngestRequest | Promise<IngestRequest> {
  return decode(body, options, INGEST_KEYS, buildIngest);
}

/** Reads a query body; as decodeIngest. */
export function decodeQuery(
  body: Uint8Array,
  options: DecodeOptions,
): QueryRequest | Promise<QueryRequest> {
  return decode(body, options, QUERY_KEYS, buildQuery);
}

type Build<T> = (fields: Fields, format: BodyFormat, dimensions: number) => T;

function decode<T>(
  body: Uint8Array,
  options: DecodeOptions,
  keys: ReadonlySet<string>,
  build: Build<T>,
): T | Promise<T> {
  const bytes = Buffer.isBuffer(body)
    ? body
    : Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const format = bodyFormat(bytes);
  const wanted = Math.min(options.bytesMax ?? BODY_BYTES_MAX, BODY_BYTES_CEILING);
  const bytesMax = format === 'json' ? Math.min(wanted, JSON_BYTES_MAX) : wanted;
  if (bytes.length > bytesMax) {
    throw new RveError(
      'ERR_BODY_LIMIT',
      `a ${format} body of ${bytes.length} bytes exceeds ${bytesMax}`,
    );
  }
  const fields = new Fields(keys);
  const reader = format === 'cbor' ? new CborReader(bytes) : new JsonReader(bytes);
  const steps = reader.readBody(fields);
  if (steps.next().done === true) return build(fields, format, options.dimensions);
  return inSlices(steps).then(() => build(fields, format, options.dimensions));
}

async function inSlices(steps: Generator<void, void>): Promise<void> {
  do {
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
  } while (steps.next().done !== true);
}

/** Checks dims, scale and the vectors; gives the matrix. */
function matrix(fields: Fields, dimensions: number): Float32Array {
  const dims = whole(fields, 'dims', U32_MAX);
  if (dims !== undefined && dims !== dimensions) {
    throw new RveError('ERR_DIMENSIONS', `dims is ${dims}, the memory has ${dimensions}`);
  }
  const scale = fields.values.has('scale')
    ? asFinite(fields.values.get('scale'), 'scale')
    : undefined;
  if (fields.vectorKey === null)
    throw new RveError('ERR_BODY', 'the key "v" or "vectors" is missing');
  return fields.sink.finish(dimensions, fields.vectorKey === 'v', scale);
}

function buildIngest(fields: Fields, format: BodyFormat, dimensions: number): IngestRequest {
  const vectors = matrix(fields, dimensions);
  const rows = fields.sink.rows;
  const request: IngestRequest = { format, vectors, rows };
  const ids = perRow(fields, 'id', 'ids', rows, false);
  if (ids !== undefined) request.ids = ids.map((id) => asWhole(id, 'ids', ID_MAX));
  const times = perRow(fields, 't', 'times', rows, true);
  if (times !== undefined) request.times = times.map((time) => asFinite(time, 'times'));
  const sequence = whole(fields, 'seq');
  if (sequence !== undefined) request.sequence = sequence;
  const boot = whole(fields, 'boot', U32_MAX);
  if (boot !== undefined) request.boot = boot;
  const labels = ingestLabels(fields, rows);
  if (labels !== undefined) request.labels = labels;
  const payloads = perRow(fields, 'payload', 'payloads', rows, false);
  if (payloads !== undefined) request.payloads = payloads;
  return request;
}

function ingestLabels(fields: Fields, rows: number): string | (string | null)[] | undefined {
  if (fields.values.has('label') && !fields.values.has('labels')) {
    const label = fields.values.get('label');
    return label === null ? undefined : asText(label, 'label', NAME_BYTES_MAX);
  }
  return perRow(fields, 'label', 'labels', rows, false)?.map((label) =>
    label === null ? null : asText(label, 'labels', NAME_BYTES_MAX),
  );
}

function buildQuery(fields: Fields, format: BodyFormat, dimensions: number): QueryRequest {
  const request: QueryRequest = {
    format,
    vector: matrix(fields, dimensions),
    k: positive(fields, 'k', K_MAX) ?? K_DEFAULT,
  };
  const ef = positive(fields, 'ef', EF_MAX);
  if (ef !== undefined) request.ef = ef;
  const { values } = fields;
  if (values.has('recall')) request.recall = asRecall(values.get('recall'), ef);
  if (values.has('filter')) request.filter = asFilter(values.get('filter'));
  if (values.has('replyTo'))
    request.replyTo = asText(values.get('replyTo'), 'replyTo', TOPIC_BYTES_MAX);
  if (values.has('id')) {
    const id = values.get('id');
    request.id =
      typeof id === 'string' ? asText(id, 'id', CORRELATION_BYTES_MAX) : asWhole(id, 'id');
  }
  if (values.has('correlation')) request.correlation = asCorrelation(values.get('correlation'));
  return request;
}

function positive(fields: Fields, key: string, max: number): number | undefined {
  const value = whole(fields, key, max);
  if (value === 0) throw wrong(key, `a whole number from 1 to ${max}`);
  return value;
}

function asRecall(value: unknown, ef: number | undefined): number {
  // A sender that writes f32 says 0.999 as 0.99900001.
  const recall = typeof value === 'number' ? Math.fround(value) : NaN;
  if (!(recall >= RECALL_MIN && recall <= Math.fround(RECALL_MAX)))
    throw wrong('recall', `a number from ${RECALL_MIN} to ${RECALL_MAX}`);
  if (ef !== undefined) throw new RveError('ERR_BODY', 'recall and ef: give one of them');
  return Math.min(value as number, RECALL_MAX);
}

function asCorrelation(value: unknown): Correlation {
  if (value instanceof Uint8Array && value.length <= CORRELATION_BYTES_MAX) return value;
  if (typeof value === 'number') return asFinite(value, 'correlation');
  return asText(value, 'correlation', CORRELATION_BYTES_MAX);
}

function asFilter(value: unknown): WireFilter {
  if (!isObject(value)) throw wrong('filter', 'a map');
  const filter: WireFilter = {};
  for (const [key, item] of Object.entries(value)) {
    if (!FILTER_KEYS.has(key))
      throw new RveError('ERR_FILTER', `unknown filter key "${key.slice(0, 32)}"`);
    if (key === 'source') filter.source = asText(item, 'filter.source', NAME_BYTES_MAX);
    else if (key === 'label') filter.label = asLabels(item);
    else filter[key as 'from' | 'to'] = asFinite(item, `filter.${key}`);
  }
  return filter;
}

function asLabels(value: unknown): string | string[] {
  if (!Array.isArray(value)) return asText(value, 'filter.label', NAME_BYTES_MAX);
  return value.map((label) => asText(label, 'filter.label', NAME_BYTES_MAX));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !ArrayBuffer.isView(value)
  );
}
