import { Encoder } from 'cbor-x';
import { describe, expect, it } from 'vitest';
import { RveError } from '../../errors/index.js';
import {
  decodeIngest,
  decodeQuery,
  decodeReply,
  encodeIngestCbor,
  encodeIngestJson,
  encodeQueryCbor,
  encodeQueryJson,
  encodeReply,
  type IngestRequest,
  type QueryRequest,
} from './index.js';
import { floatToHalf, halfToFloat } from './half.js';
import { JsonReader } from './json_reader.js';
import { Fields } from './fields.js';

const DIMS = 4;
const VECTOR = Float32Array.of(0.1, -2.5, 3e-3, 4096);
const stock = new Encoder({ useRecords: false, tagUint8Array: false });

function ingest(body: Uint8Array, dimensions = DIMS): IngestRequest {
  const request = decodeIngest(body, { dimensions });
  if (request instanceof Promise) throw new Error('expected an answer at once');
  return request;
}

function query(body: Uint8Array): QueryRequest {
  return decodeQuery(body, { dimensions: DIMS }) as QueryRequest;
}

/** The code of the RveError that `run` throws; any other outcome fails the test. */
function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof RveError) return error.code;
    throw error;
  }
  return 'none';
}

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');
const json = (text: string): Buffer => Buffer.from(text);

describe('ingest bodies', () => {
  it('come back whole from our CBOR and JSON encoders', () => {
    const message = {
      v: VECTOR,
      id: 7,
      t: 1_700_000_000_123.5,
      seq: 2 ** 40,
      boot: 0xffff_ffff,
      label: 'bearing-ö',
      payload: { note: 'a', list: [1, -2, 0.5, null, true], deep: { n: 2 ** 33 } },
    };
    for (const body of [encodeIngestCbor(message), encodeIngestJson(message)]) {
      const request = ingest(body);
      expect([...request.vectors]).toEqual([...VECTOR]);
      expect(request).toMatchObject({
        rows: 1,
        ids: [7],
        times: [1_700_000_000_123.5],
        sequence: 2 ** 40,
        boot: 0xffff_ffff,
        labels: 'bearing-ö',
        payloads: [message.payload],
      });
    }
  });

  it('of an independent encoder are read, typed arrays and plain ones alike', () => {
    const body = stock.encode({
      v: VECTOR,
      seq: 70_000,
      t: 1.7e12,
      payload: { raw: Buffer.from('xy') },
    });
    const request = ingest(body);
    expect([...request.vectors]).toEqual([...VECTOR]);
    expect(request.sequence).toBe(70_000);
    expect(request.times).toEqual([1.7e12]);
    expect(request.payloads).toEqual([{ raw: new Uint8Array([0x78, 0x79]) }]);
    expect([...ingest(stock.encode({ v: [1, -2, 2.5, 1e-3] })).vectors]).toEqual([
      1,
      -2,
      2.5,
      Math.fround(1e-3),
    ]);
  });

  it('carry batches as one typed array, as rows, and as numbers', () => {
    const matrix = Float32Array.of(...VECTOR, ...VECTOR.map((x) => -x));
    const rows = [[...VECTOR], [...VECTOR].map((x) => -x)];
    const bodies = [
      encodeIngestCbor({ vectors: matrix, dims: 4, times: [1, 2], labels: ['a', null] }),
      stock.encode({
        vectors: rows.map((row) => Float32Array.from(row)),
        times: [1, 2],
        labels: ['a', null],
      }),
      stock.encode({ vectors: rows, times: [1, 2], labels: ['a', null] }),
      json(JSON.stringify({ vectors: rows, times: [1, 2], labels: ['a', null] })),
      json(JSON.stringify({ vectors: rows.flat(), times: [1, 2], labels: ['a', null] })),
    ];
    for (const body of bodies) {
      const request = ingest(body);
      expect(request.rows).toBe(2);
      expect(request.vectors).toEqual(matrix);
      expect(request.times).toEqual([1, 2]);
      expect(request.labels).toEqual(['a', null]);
    }
  });

  it('in f16 lose at most half a step, and in int8 at most half a scale', () => {
    const half = ingest(encodeIngestCbor({ v: VECTOR }, 'f16')).vectors;
    const byte = ingest(encodeIngestCbor({ v: VECTOR }, 'int8')).vectors;
    for (let i = 0; i < DIMS; i += 1) {
      expect(Math.abs(half[i]! - VECTOR[i]!)).toBeLessThanOrEqual(
        Math.abs(VECTOR[i]!) * 2 ** -11 + 2 ** -25,
      );
      expect(Math.abs(byte[i]! - VECTOR[i]!)).toBeLessThanOrEqual(4096 / 127 / 2 + 1e-3);
    }
  });

  it('take the scale wherever it stands, and need it for int8', () => {
    expect([...ingest(hex('a2 6176 d848 44 01ff027f 657363616c65 f93800')).vectors]).toEqual([
      0.5, -0.5, 1, 63.5,
    ]);
    expect(codeOf(() => ingest(hex('a1 6176 d848 44 01ff027f')))).toBe('ERR_BODY');
  });

  it('own their vectors: the message buffer may be used again', () => {
    const body = encodeIngestCbor({ v: VECTOR });
    const request = ingest(body);
    body.fill(0);
    expect(request.vectors).toEqual(VECTOR);
  });

  it.each([
    ['a short vector', '{"v":[1,2,3]}', 'ERR_DIMENSIONS'],
    ['a batch that is no multiple', '{"vectors":[1,2,3,4,5]}', 'ERR_DIMENSIONS'],
    ['two vectors under v', '{"v":[1,2,3,4,5,6,7,8]}', 'ERR_DIMENSIONS'],
    ['rows of two lengths', '{"vectors":[[1,2,3,4],[1,2,3]]}', 'ERR_DIMENSIONS'],
    ['dims of another memory', '{"v":[1,2,3,4],"dims":5}', 'ERR_DIMENSIONS'],
    ['no vector', '{"seq":1}', 'ERR_BODY'],
    ['no numbers', '{"vectors":[]}', 'ERR_DIMENSIONS'],
    ['a float beyond binary32', '{"v":[1,2,3,1e39]}', 'ERR_VECTOR'],
    ['a number beyond doubles', '{"v":[1,2,3,1e999]}', 'ERR_BODY'],
    ['NaN', '{"v":[1,2,3,NaN]}', 'ERR_BODY'],
    ['a text among numbers', '{"v":[1,2,3,"4"]}', 'ERR_BODY'],
    ['an unknown key', '{"v":[1,2,3,4],"vector":1}', 'ERR_BODY'],
    ['__proto__', '{"v":[1,2,3,4],"__proto__":{}}', 'ERR_BODY'],
    ['__proto__ in a payload', '{"v":[1,2,3,4],"payload":{"\\u005f_proto__":{"x":1}}}', 'ERR_BODY'],
    ['a key twice', '{"v":[1,2,3,4],"seq":1,"seq":2}', 'ERR_BODY'],
    ['a payload key twice', '{"v":[1,2,3,4],"payload":{"a":1,"\\u0061":2}}', 'ERR_BODY'],
    ['v and vectors', '{"v":[1,2,3,4],"vectors":[1,2,3,4]}', 'ERR_BODY'],
    ['id and ids', '{"v":[1,2,3,4],"id":1,"ids":[1]}', 'ERR_BODY'],
    ['an id for a batch', '{"vectors":[1,2,3,4,1,2,3,4],"id":1}', 'ERR_BODY'],
    ['too few times', '{"vectors":[1,2,3,4,1,2,3,4],"times":[1]}', 'ERR_BODY'],
    ['a negative seq', '{"v":[1,2,3,4],"seq":-1}', 'ERR_BODY'],
    ['a boot beyond u32', '{"v":[1,2,3,4],"boot":4294967296}', 'ERR_BODY'],
    ['an id beyond 2^48', '{"v":[1,2,3,4],"id":281474976710656}', 'ERR_BODY'],
    ['an empty label', '{"v":[1,2,3,4],"label":""}', 'ERR_BODY'],
    ['trailing text', '{"v":[1,2,3,4]} x', 'ERR_BODY'],
    ['a trailing comma', '{"v":[1,2,3,4],}', 'ERR_BODY'],
    ['a leading zero', '{"v":[01,2,3,4]}', 'ERR_BODY'],
    ['a bare point', '{"v":[1.,2,3,4]}', 'ERR_BODY'],
    ['a cut text', '{"v":[1,2,3,4],"label":"a', 'ERR_BODY'],
    ['a bad escape', '{"v":[1,2,3,4],"label":"\\x"}', 'ERR_BODY'],
    ['nothing', '', 'ERR_BODY'],
    ['an array', '[1,2,3,4]', 'ERR_BODY'],
  ])('with %s are refused (JSON)', (_name, text, code) => {
    expect(codeOf(() => ingest(json(text)))).toBe(code);
  });

  it.each([
    ['an indefinite map', 'bf 6176 84 01020304 ff', 'ERR_BODY'],
    ['an indefinite vector', 'a1 6176 9f 01020304 ff', 'ERR_BODY'],
    ['a bignum', 'a2 6176 84 01020304 63736571 c2 41 01', 'ERR_BODY'],
    ['an f64 typed array', 'a1 6176 d856 48 0000000000000000', 'ERR_BODY'],
    ['a big-endian f32 array', 'a1 6176 d851 50 00000000000000000000000000000000', 'ERR_BODY'],
    ['half an element', 'a1 6176 d855 4f 000000000000000000000000000000', 'ERR_BODY'],
    ['an f32 NaN', 'a1 6176 d855 50 0000c07f 00000000 00000000 00000000', 'ERR_VECTOR'],
    ['an f16 Inf', 'a1 6176 d854 48 007c 0000 0000 0000', 'ERR_VECTOR'],
    ['a key twice', 'a3 6176 84 01020304 63736571 01 63736571 02', 'ERR_BODY'],
    ['a number as key', 'a1 01 84 01020304', 'ERR_BODY'],
    ['trailing bytes', 'a1 6176 84 01020304 00', 'ERR_BODY'],
    ['a cut vector', 'a1 6176 84 010203', 'ERR_BODY'],
    ['a gigabyte array', 'a1 6176 9a 40000000', 'ERR_BODY'],
    ['an exabyte string', 'a1 6176 d855 5b 1000000000000000', 'ERR_BODY'],
    ['a gigabyte map', 'ba 40000000', 'ERR_BODY'],
    ['a seq of 2^60', 'a2 6176 84 01020304 63736571 1b 1000000000000000', 'ERR_BODY'],
    ['text that is not UTF-8', 'a2 6176 84 01020304 656c6162656c 61 ff', 'ERR_BODY'],
    ['a reserved length', 'a1 6176 9c', 'ERR_BODY'],
    ['an unknown simple value', 'a2 6176 84 01020304 63736571 f8ff', 'ERR_BODY'],
    ['a bare number', '01', 'ERR_BODY'],
  ])('with %s are refused (CBOR)', (_name, bytes, code) => {
    expect(codeOf(() => ingest(hex(bytes)))).toBe(code);
  });
});

describe('limits', () => {
  const around = (payload: Buffer): Buffer =>
    Buffer.concat([hex('a2 6176 84 01020304 677061796c6f6164'), payload]);

  it('stop nested bombs of 40 KB and 200 KB at depth 8, in both formats', () => {
    for (const bytes of [40_000, 200_000]) {
      expect(codeOf(() => ingest(around(Buffer.alloc(bytes, 0x81))))).toBe('ERR_BODY_LIMIT');
      expect(codeOf(() => ingest(Buffer.alloc(bytes, 0x81)))).toBe('ERR_BODY');
      const text = json(`{"v":[1,2,3,4],"payload":${'['.repeat(bytes / 8)}`);
      expect(codeOf(() => ingest(text))).toBe('ERR_BODY_LIMIT');
    }
  });

  it('let depth 8 pass and refuse depth 9', () => {
    const nest = (n: number): Buffer => Buffer.concat([Buffer.alloc(n, 0x81), Buffer.of(0)]);
    expect(ingest(around(nest(7))).payloads).toEqual([[[[[[[[0]]]]]]]]);
    expect(codeOf(() => ingest(around(nest(8))))).toBe('ERR_BODY_LIMIT');
    const text = (n: number): Buffer =>
      json(`{"v":[1,2,3,4],"payload":${'['.repeat(n)}0${']'.repeat(n)}}`);
    expect(ingest(text(7)).rows).toBe(1);
    expect(codeOf(() => ingest(text(8)))).toBe('ERR_BODY_LIMIT');
  });

  it('let 4,096 items pass and refuse one more', () => {
    // Two keys and two values are counted beside the list's items.
    const list = (n: number): Buffer =>
      stock.encode({ v: [1, 2, 3, 4], payload: new Array<number>(n).fill(1) });
    expect(ingest(list(4_092)).rows).toBe(1);
    expect(codeOf(() => ingest(list(4_093)))).toBe('ERR_BODY_LIMIT');
    const text = (n: number): Buffer =>
      json(`{"v":[1,2,3,4],"payload":[${new Array(n).fill('1').join()}]}`);
    expect(ingest(text(4_092)).rows).toBe(1);
    expect(codeOf(() => ingest(text(4_093)))).toBe('ERR_BODY_LIMIT');
  });

  it('do not count numbers inside vectors', async () => {
    const values = new Array<number>(DIMS * 8_000).fill(1);
    expect((await decodeIngest(stock.encode({ vectors: values }), { dimensions: DIMS })).rows).toBe(
      8_000,
    );
    values.length = DIMS * 2_000;
    expect(ingest(stock.encode({ vectors: values })).rows).toBe(2_000);
  });

  it('refuse a string of 64 KiB and a byte', () => {
    expect(ingest(stock.encode({ v: VECTOR, payload: 'x'.repeat(65_536) })).rows).toBe(1);
    expect(codeOf(() => ingest(stock.encode({ v: VECTOR, payload: 'x'.repeat(65_537) })))).toBe(
      'ERR_BODY_LIMIT',
    );
    expect(codeOf(() => ingest(stock.encode({ v: VECTOR, payload: Buffer.alloc(65_537) })))).toBe(
      'ERR_BODY_LIMIT',
    );
  });

  it('refuse bodies above 256 KiB, which CBOR may raise and JSON may not', async () => {
    const cbor = encodeIngestCbor({ vectors: new Float32Array(DIMS * 20_000).fill(1) });
    expect(codeOf(() => ingest(cbor))).toBe('ERR_BODY_LIMIT');
    expect((await decodeIngest(cbor, { dimensions: DIMS, bytesMax: 1_048_576 })).rows).toBe(20_000);
    const text = json(`{"v":[1,2,3,4]${' '.repeat(262_144)}}`);
    expect(codeOf(() => decodeIngest(text, { dimensions: DIMS, bytesMax: 1_048_576 }))).toBe(
      'ERR_BODY_LIMIT',
    );
  });

  it('hand the loop back every 16 KiB while a large JSON body is read', async () => {
    const values = Array.from({ length: 4 * 8_000 }, (_, i) => ((i % 97) / 97).toFixed(4));
    const body = json(`{"vectors":[${values.join()}]}`);
    const steps = new JsonReader(body).readBody(new Fields(new Set(['vectors'])));
    let slices = 1;
    while (steps.next().done !== true) slices += 1;
    expect(slices).toBeGreaterThanOrEqual(Math.floor(body.length / 17_000));
    const request = await decodeIngest(body, { dimensions: DIMS });
    expect(request.rows).toBe(8_000);
    expect(request.vectors[96]).toBe(Math.fround(0.9897));
  });
});

describe('query bodies and replies', () => {
  it('come back whole in both formats', () => {
    const message = {
      v: VECTOR,
      k: 3,
      ef: 50,
      replyTo: 'rve/n/reply/me',
      correlation: 'c1',
      id: 9,
      filter: { source: 's', label: ['a', 'b'], from: 1, to: 2 },
    };
    for (const body of [encodeQueryCbor(message), encodeQueryJson(message)]) {
      const { v, ...rest } = message;
      expect(query(body)).toMatchObject({ ...rest, vector: v });
    }
    const byRecall = { v: VECTOR, recall: 0.95 };
    for (const body of [encodeQueryCbor(byRecall), encodeQueryJson(byRecall)]) {
      expect(query(body)).toMatchObject({ recall: 0.95 });
    }
    const asFloat = encodeQueryCbor({ v: VECTOR, recall: Math.fround(0.999) });
    expect(query(asFloat)).toMatchObject({ recall: 0.999 });
    const reply = {
      correlation: 'c1',
      ids: [1, 2 ** 40],
      scores: [0.5, 0.25],
      latencyUs: 12,
      degraded: false,
    };
    for (const format of ['cbor', 'json'] as const) {
      expect(decodeReply(encodeReply(reply, format))).toEqual(reply);
    }
    const failure = { correlation: 5, error: { code: 'ERR_BODY', message: 'm' } };
    expect(decodeReply(encodeReply(failure, 'cbor'))).toEqual(failure);
  });

  it.each([
    ['{"v":[1,2,3,4],"k":0}', 'ERR_BODY'],
    ['{"v":[1,2,3,4],"k":1025}', 'ERR_BODY'],
    ['{"v":[1,2,3,4],"ef":4097}', 'ERR_BODY'],
    ['{"v":[1,2,3,4],"recall":0.49}', 'ERR_BODY'],
    ['{"v":[1,2,3,4],"recall":1}', 'ERR_BODY'],
    ['{"v":[1,2,3,4],"recall":"0.9"}', 'ERR_BODY'],
    ['{"v":[1,2,3,4],"recall":0.9,"ef":64}', 'ERR_BODY'],
    ['{"v":[1,2,3,4],"seq":1}', 'ERR_BODY'],
    ['{"v":[1,2,3,4],"filter":{"colour":"red"}}', 'ERR_FILTER'],
    ['{"v":[1,2,3,4],"filter":[]}', 'ERR_BODY'],
    ['{"v":[1,2,3,4],"replyTo":5}', 'ERR_BODY'],
    ['{"vectors":[1,2,3,4]}', 'ERR_BODY'],
    ['{"k":5}', 'ERR_BODY'],
  ])('%s is refused', (text, code) => {
    expect(codeOf(() => query(json(text)))).toBe(code);
  });
});

it('binary16 keeps every one of its finite values through both conversions', () => {
  for (let bits = 0; bits < 0x1_0000; bits += 1) {
    const value = halfToFloat(bits);
    if ((bits & 0x7c00) === 0x7c00) expect(value).toBeNaN();
    else if (floatToHalf(value) !== bits)
      expect.fail(`bits ${bits} came back as ${floatToHalf(value)}`);
  }
  expect(halfToFloat(0x3555)).toBeCloseTo(1 / 3, 3);
  expect(floatToHalf(65_520)).toBe(0x7c00);
});
