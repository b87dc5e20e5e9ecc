// Payloads in JSON, exactly: as they are where JSON can hold them, else as base64 of their bytes or
// CBOR.

import { Encoder } from 'cbor-x';

import { RveError } from '../../errors/index.js';

/** As runtime/memory has it, so that a payload passes through a file unchanged. */
const cbor = new Encoder({
  useRecords: false,
  mapsAsObjects: true,
  tagUint8Array: true,
  variableMapSize: true,
  copyBuffers: true,
});

/** Deeper values go as CBOR: JSON.stringify recurses. */
const PLAIN_DEPTH_MAX = 32;

/** The key and value that a payload takes in a line; nothing for no payload. */
export function encodePayload(payload: unknown): Record<string, unknown> {
  if (payload === null || payload === undefined) return {};
  if (payload instanceof Uint8Array) return { payload64: base64(payload) };
  if (isPlainJson(payload, 0)) return { payload };
  return { payload_cbor: base64(cbor.encode(payload)) };
}

/** The inverse of encodePayload(). @throws RveError ERR_BODY, ERR_BODY_LIMIT */
export function decodePayload(key: string, value: unknown): unknown {
  if (key === 'payload') return value;
  if (typeof value !== 'string') throw new RveError('ERR_BODY', `"${key}" must be base64 text.`);
  const bytes = decodeBase64(value, key);
  if (key === 'payload64') return new Uint8Array(bytes);
  checkCbor(bytes);
  return cbor.decode(bytes);
}

/** Strict: Buffer.from(text, 'base64') skips what it does not know. */
export function decodeBase64(text: string, key: string): Buffer {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.toString('base64') !== text) throw new RveError('ERR_BODY', `"${key}" is not base64.`);
  return bytes;
}

/** Open arrays, maps and tags at once: cbor-x recurses, and a bomb would end the process. */
const CBOR_DEPTH_MAX = 64;

/** Walks the heads of one CBOR item without recursion. @throws RveError ERR_BODY, ERR_BODY_LIMIT */
function checkCbor(bytes: Buffer): void {
  /** Items still to come at each open level. */
  const open = [1];
  let at = 0;
  while (open.length > 0) {
    const left = open[open.length - 1] ?? 0;
    if (left === 0) {
      open.pop();
      continue;
    }
    open[open.length - 1] = left - 1;
    const head = readHead(bytes, at);
    at = head.end;
    const children =
      head.major === 4 ? head.value : head.major === 5 ? head.value * 2 : head.major === 6 ? 1 : 0;
    if (head.major === 2 || head.major === 3) at += head.value;
    if (at + children > bytes.length)
      throw new RveError('ERR_BODY', '"payload_cbor" is cut short.');
    if (children > 0) open.push(children);
    if (open.length > CBOR_DEPTH_MAX)
      throw new RveError('ERR_BODY_LIMIT', '"payload_cbor" is nested too deep.');
  }
  if (at !== bytes.length)
    throw new RveError('ERR_BODY', '"payload_cbor" has bytes behind its end.');
}

/** RFC 8949 section 3: major type, argument, and where the head ends. */
function readHead(bytes: Buffer, at: number): { major: number; value: number; end: number } {
  const first = bytes[at] ?? 0xff;
  const info = first & 0x1f;
  const size = info < 24 ? 0 : info < 28 ? 2 ** (info - 24) : -1;
  if (size < 0) throw new RveError('ERR_BODY', '"payload_cbor" has an item of indefinite length.');
  if (at + 1 + size > bytes.length) throw new RveError('ERR_BODY', '"payload_cbor" is cut short.');
  const value =
    size === 0
      ? info
      : size === 8
        ? Number(bytes.readBigUInt64BE(at + 1))
        : bytes.readUIntBE(at + 1, size);
  return { major: first >> 5, value, end: at + 1 + size };
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}

/** True when JSON.parse(JSON.stringify(value)) is the same value in every bit. */
function isPlainJson(value: unknown, depth: number): boolean {
  switch (typeof value) {
    case 'boolean':
      return true;
    case 'number':
      return Number.isFinite(value);
    case 'string':
      return Buffer.from(value).toString() === value; // No lone surrogates.
    case 'object':
      break;
    default:
      return false;
  }
  if (value === null) return true;
  if (depth >= PLAIN_DEPTH_MAX) return false;
  if (Array.isArray(value)) return value.every((one: unknown) => isPlainJson(one, depth + 1));
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return false;
  return Object.entries(value).every(
    ([key, one]) => key !== '__proto__' && isPlainJson(one, depth + 1),
  );
}
