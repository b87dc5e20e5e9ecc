// Payloads as stored bytes: one byte that says the kind, then the body. Bytes are stored as they
// are; any other value as CBOR, so that both come back as they were given.

import { Encoder } from 'cbor-x';
import { rveError } from '../errors/index.js';
import { limits } from '../limits/index.js';
import { isSafeCbor } from './cbor.js';

const KIND_BYTES = 0;
const KIND_CBOR = 1;

/** A payload's body and its kind byte. */
export const PAYLOAD_STORED_BYTES_MAX = limits.payloadBytesMax;

// Plain objects stay objects; byte arrays carry tag 64 so that they do not come back as Buffers.
const cbor = new Encoder({
  useRecords: false,
  mapsAsObjects: true,
  tagUint8Array: true,
  variableMapSize: true,
  copyBuffers: true,
});

export interface PackedPayloads {
  /** Where each row's payload ends in `bytes`; an empty range is no payload. */
  ends: Uint32Array;
  bytes: Uint8Array;
}

/**
 * Packs one payload per row; undefined and null are none. The values are read before it returns.
 * @throws RveError ERR_PAYLOAD for a body above 64 KiB, or a value CBOR does not
 * know.
 */
export function packPayloads(payloads: readonly unknown[]): PackedPayloads {
  const ends = new Uint32Array(payloads.length);
  const bodies = payloads.map((payload, row) => bodyOf(payload, row));
  let bytes = 0;
  bodies.forEach((body, row) => {
    if (body !== null) bytes += 1 + body.bytes.length;
    ends[row] = bytes;
  });
  const packed = new Uint8Array(bytes);
  let at = 0;
  for (const body of bodies) {
    if (body === null) continue;
    packed[at] = body.kind;
    packed.set(body.bytes, at + 1);
    at += 1 + body.bytes.length;
  }
  return { ends, bytes: packed };
}

/**
 * A payload as it was given. CBOR that breaks the limits of cbor.ts (another program wrote it, or
 * the file is hostile) comes back as its bytes: nothing is lost, and nothing is run.
 */
export function unpackPayload(stored: Uint8Array): unknown {
  const body = stored.slice(1);
  if (stored[0] !== KIND_CBOR || !isSafeCbor(body)) return body;
  try {
    return cbor.decode(body) as unknown;
  } catch {
    return body;
  }
}

interface Body {
  kind: number;
  bytes: Uint8Array;
}

function bodyOf(payload: unknown, row: number): Body | null {
  if (payload === undefined || payload === null) return null;
  const body =
    payload instanceof Uint8Array
      ? { kind: KIND_BYTES, bytes: payload }
      : { kind: KIND_CBOR, bytes: encode(payload, row) };
  if (1 + body.bytes.length <= PAYLOAD_STORED_BYTES_MAX) return body;
  throw rveError(
    'ERR_PAYLOAD',
    `The payload at index ${row} has ${body.bytes.length} bytes, ` +
      `${PAYLOAD_STORED_BYTES_MAX - 1} are the most`,
  );
}

function encode(value: unknown, row: number): Uint8Array {
  let bytes: Uint8Array;
  try {
    bytes = cbor.encode(value);
  } catch (cause) {
    // A function, a symbol, or a value that holds itself.
    throw rveError('ERR_PAYLOAD', `The payload at index ${row} cannot be encoded as CBOR`, {
      cause,
    });
  }
  if (isSafeCbor(bytes)) return bytes;
  throw rveError(
    'ERR_PAYLOAD',
    `The payload at index ${row} is nested too deep, or holds a class that CBOR does not know`,
  );
}
