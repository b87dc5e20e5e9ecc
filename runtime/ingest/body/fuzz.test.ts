import { expect, it } from 'vitest';
import { RveError } from '../../errors/index.js';
import { Rng } from '../../../sim/index.js';
import {
  decodeIngest,
  decodeQuery,
  decodeReply,
  encodeIngestCbor,
  encodeIngestJson,
  encodeQueryCbor,
  encodeQueryJson,
  encodeReply,
} from './index.js';

// RVE_FUZZ_SEED and RVE_FUZZ_RUNS make it another or a longer run.
const SEED = Number(process.env['RVE_FUZZ_SEED'] ?? 0x51ee);
const RUNS = Number(process.env['RVE_FUZZ_RUNS'] ?? 20_000);
const DIMS = 8;
const VECTOR = Float32Array.from({ length: DIMS }, (_, i) => i - 3.25);

const SEEDS: Buffer[] = [
  encodeIngestCbor({
    v: VECTOR,
    seq: 5,
    boot: 77,
    t: 1.7e12,
    label: 'x',
    payload: { a: [1, 'b', null] },
  }),
  encodeIngestCbor(
    { vectors: Float32Array.of(...VECTOR, ...VECTOR), ids: [1, 2], labels: ['a', null] },
    'f16',
  ),
  encodeIngestCbor({ v: VECTOR, payload: new Uint8Array(9) }, 'int8'),
  encodeIngestJson({ v: VECTOR, seq: 5, label: 'ö\n', payload: { a: [1e-9, -2, true] } }),
  encodeQueryCbor({ v: VECTOR, k: 5, filter: { label: ['a'] }, replyTo: 'r', correlation: 'c' }),
  encodeQueryJson({ v: VECTOR, k: 5, replyTo: 'r', correlation: 1 }),
  encodeReply({ correlation: 'c', ids: [1], scores: [0.5], latencyUs: 1, degraded: false }, 'cbor'),
];
/** Heads that ask for much, and brackets: what random bytes would rarely put in the right place. */
const SPLICES = [
  '9affffffff',
  'bb7fffffffffffffff',
  '5b0fffffffffffffff',
  '81818181',
  'd855',
  'ff',
  '5b5b5b',
  '7b22',
  'f97e00',
  'fb7ff0000000000000',
].map((text) => Buffer.from(text, 'hex'));

function mutate(rng: Rng): Buffer {
  const seed = SEEDS[rng.uint32() % SEEDS.length]!;
  let body = Buffer.from(seed);
  const steps = 1 + (rng.uint32() % 4);
  for (let i = 0; i < steps && body.length > 0; i += 1) {
    const at = rng.uint32() % body.length;
    switch (rng.uint32() % 5) {
      case 0:
        body[at] = rng.uint32() & 0xff;
        break;
      case 1:
        body[at]! ^= 1 << (rng.uint32() % 8);
        break;
      case 2:
        body = body.subarray(0, at);
        break;
      case 3:
        body = Buffer.concat([body.subarray(0, at), body.subarray(at + (rng.uint32() % 5))]);
        break;
      default: {
        const splice = SPLICES[rng.uint32() % SPLICES.length]!;
        body = Buffer.concat([body.subarray(0, at), splice, body.subarray(at)]);
      }
    }
  }
  return body;
}

it(`mutated bodies are decoded or refused with a body's code, nothing else (seed ${SEED})`, () => {
  const rng = new Rng(SEED);
  const codes = new Map<string, number>();
  for (let run = 0; run < RUNS; run += 1) {
    const body = mutate(rng);
    for (const decode of [decodeIngest, decodeQuery, decodeReply]) {
      try {
        const result = decode(body, { dimensions: DIMS });
        expect(result).not.toBeInstanceOf(Promise);
        if ('rows' in result && result['vectors'] instanceof Float32Array) {
          expect(result['vectors'].every(Number.isFinite)).toBe(true);
          expect(result['vectors'].length).toBe(DIMS * (result['rows'] as number));
        }
        codes.set('OK', (codes.get('OK') ?? 0) + 1);
      } catch (error) {
        if (!(error instanceof RveError))
          throw new Error(`run ${run}, body ${body.toString('hex')}`, { cause: error });
        codes.set(error.code, (codes.get(error.code) ?? 0) + 1);
      }
    }
  }
  // The mutations reach both sides of the checks, or the test would prove nothing.
  for (const code of ['OK', 'ERR_BODY', 'ERR_BODY_LIMIT', 'ERR_DIMENSIONS', 'ERR_VECTOR']) {
    expect(codes.get(code) ?? 0, code).toBeGreaterThan(0);
  }
  expect([...codes.keys()].sort()).toEqual(
    ['ERR_BODY', 'ERR_BODY_LIMIT', 'ERR_DIMENSIONS', 'ERR_FILTER', 'ERR_VECTOR', 'OK'].filter((c) =>
      codes.has(c),
    ),
  );
});
