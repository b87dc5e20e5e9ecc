import { describe, expect, it } from 'vitest';
import { limits } from '../limits/index.js';
import { packPayloads, unpackPayload } from './payload.js';
import { collect, fresh, freshPath, open, refuses, rows } from './store.fixture.js';

function there(value: unknown): unknown {
  return unpackPayload(packPayloads([value]).bytes);
}

describe('a payload', () => {
  it.each([
    ['true', true],
    ['zero', 0],
    ['a fraction', -0.1],
    ['an integer above 2^32', 2 ** 53 - 1],
    ['a BigInt', 2n ** 70n],
    ['text', 'é ✓'],
    ['an empty string', ''],
    ['NaN', NaN],
    ['an array', [1, 'two', [null, undefined]]],
    ['an object', { a: { b: [1.5] }, '': 0 }],
    ['a date', new Date(1_700_000_000_123)],
    [
      'a Map',
      new Map<unknown, unknown>([
        [1, 'a'],
        ['b', {}],
      ]),
    ],
    ['a Set', new Set([1, 2])],
    ['floats', Float32Array.of(1.5, -2)],
    ['doubles', Float64Array.of(0.1)],
    ['words', Uint16Array.of(1, 65_535)],
    ['nested bytes', { body: Uint8Array.of(1, 2) }],
    ['bytes', Uint8Array.of(0, 1, 255)],
    ['no bytes', new Uint8Array(0)],
  ])('of %s comes back as it was given', (_name, value) => expect(there(value)).toEqual(value));

  it('of a Buffer comes back as a plain Uint8Array of its own', () => {
    const packed = packPayloads([Buffer.from('abc')]).bytes;
    const back = unpackPayload(packed) as Uint8Array;
    expect(back.constructor).toBe(Uint8Array);
    packed.fill(0);
    expect(Buffer.from(back).toString()).toBe('abc');
  });

  it('that is absent takes no bytes', () => {
    const { ends, bytes } = packPayloads([undefined, Uint8Array.of(7), null]);
    expect([...ends]).toEqual([0, 2, 2]);
    expect(bytes).toEqual(Uint8Array.of(0, 7));
  });

  it('that cannot be told in CBOR is refused by its index', async () => {
    const circle: unknown[] = [];
    circle.push(circle);
    let deep: unknown = 1;
    for (let i = 0; i < 40; i++) deep = [deep];
    for (const bad of [() => 1, Symbol('s'), /x/, new Error('x'), circle, deep, [() => 1]]) {
      const error = await refuses('ERR_PAYLOAD', () => packPayloads([1, bad]));
      expect(error.message).toContain('index 1');
    }
    expect(there({ fine: 'after a failure' })).toEqual({ fine: 'after a failure' });
  });

  it('of 64 KiB less its kind byte fits, and one more does not', async () => {
    const most = limits.payloadBytesMax - 1;
    expect(packPayloads([new Uint8Array(most)]).bytes.length).toBe(limits.payloadBytesMax);
    await refuses('ERR_PAYLOAD', () => packPayloads([new Uint8Array(most + 1)]));
    await refuses('ERR_PAYLOAD', () => packPayloads(['x'.repeat(most)]));
  });

  it('in CBOR beyond the limits comes back as its bytes', () => {
    const bomb = new Uint8Array(60_000).fill(0x81);
    expect(unpackPayload(Uint8Array.of(1, ...bomb))).toEqual(bomb);
    const claim = Uint8Array.of(0x9b, 255, 255, 255, 255, 255, 255, 255, 255);
    expect(unpackPayload(Uint8Array.of(1, ...claim))).toEqual(claim);
  });

  it('does not reach the prototype of what it is decoded into', () => {
    const value = there(JSON.parse('{"__proto__": {"polluted": 1}, "constructor": 2}')) as object;
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
  });
});

describe('payloads in a memory', () => {
  it('keep their rows, through get, scan and a reopen', async () => {
    const path = freshPath();
    const memory = await open(path, { dimensions: 4 });
    const payloads = [
      Uint8Array.of(1, 2),
      null,
      { t: 21.5, at: new Date(5) },
      'text',
      undefined,
      0,
    ];
    await memory.insert(rows(6, 4), { payloads });
    const wanted = payloads.map((payload) => payload ?? null);
    expect((await memory.get([0, 1, 2, 3, 4, 5])).map((record) => record?.payload)).toEqual(wanted);
    await memory.close();
    const again = await open(path, { readOnly: true });
    expect((await collect(again.scan())).map((record) => record.payload)).toEqual(wanted);
  });

  it('are never larger than the file may hold, one at the limit included', async () => {
    const memory = await fresh();
    const large = new Uint8Array(limits.payloadBytesMax - 1).fill(3);
    await memory.insert(rows(20, 4), { payloads: Array.from({ length: 20 }, () => large) });
    const records = await memory.get(Float64Array.from({ length: 20 }, (_, id) => id));
    expect(
      records.every((record) => Buffer.compare(record?.payload as Uint8Array, large) === 0),
    ).toBe(true);
    expect((await collect(memory.scan())).length).toBe(20);
  });
});
