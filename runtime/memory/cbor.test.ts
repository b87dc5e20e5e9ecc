import { Encoder } from 'cbor-x';
import { describe, expect, it } from 'vitest';
import { CBOR_DEPTH_MAX, isSafeCbor } from './cbor.js';

const hex = (text: string): Uint8Array =>
  Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'));

describe('isSafeCbor', () => {
  it.each([
    ['an integer', '1b ffffffffffffffff'],
    ['a negative integer', '38 63'],
    ['text', '63 616263'],
    ['an empty byte string', '40'],
    ['an array of a map', '81 a1 6161 f5'],
    ['a half float', 'f9 3c00'],
    ['undefined', 'f7'],
    ['a date', 'c1 1a 00000000'],
    ['a big integer', 'c2 49 010000000000000000'],
    ['a Float32Array', 'd855 48 0000000000000000'],
    ['a Set', 'd90102 81 01'],
    ['a Map', 'd90103 a1 01 02'],
  ])('takes %s', (_name, bytes) => expect(isSafeCbor(hex(bytes))).toBe(true));

  it.each([
    ['nothing', ''],
    ['a cut head', '19 01'],
    ['a cut string', '63 6162'],
    ['a cut array', '82 01'],
    ['a map without its last value', 'a1 6161'],
    ['bytes behind the item', '01 02'],
    ['an array that claims 2^64 - 1 items', '9b ffffffffffffffff'],
    ['a map that claims 2^32 - 1 pairs', 'ba ffffffff'],
    ['a string that claims 2^63 bytes', '5b 8000000000000000'],
    ['an indefinite array', '9f 01 ff'],
    ['an indefinite string', '7f 6161 ff'],
    ['a lone break', 'ff'],
    ['a reserved head', '1c'],
    ['an unassigned simple value', 'e0'],
    ['a simple value in two bytes', 'f8 20'],
    ['a record definition, which the decoder would compile', 'd9dff3 82 81 6161 01'],
    ['a shared reference', 'd81d 00'],
    ['an object of a class', 'd81b 82 6352 6567'],
    ['a tag on a tag', 'c1 c1 01'],
    ['a tag on nothing', 'c1'],
    ['a date of text', 'c1 6161'],
    ['a typed array whose bytes are no whole elements', 'd855 47 00000000000000'],
    ['a typed array of an array', 'd855 81 01'],
  ])('refuses %s', (_name, bytes) => expect(isSafeCbor(hex(bytes))).toBe(false));

  it('refuses nesting beyond its limit and takes nesting up to it', () => {
    const nested = (depth: number): Uint8Array =>
      Uint8Array.from([...Array.from({ length: depth }, () => 0x81), 0x01]);
    expect(isSafeCbor(nested(CBOR_DEPTH_MAX))).toBe(true);
    expect(isSafeCbor(nested(CBOR_DEPTH_MAX + 1))).toBe(false);
    expect(isSafeCbor(nested(60_000))).toBe(false);
  });

  it('refuses a big integer that takes quadratic time', () => {
    const big = (bytes: number): Uint8Array =>
      Uint8Array.from([
        0xc2,
        0x59,
        bytes >> 8,
        bytes & 255,
        ...Array.from({ length: bytes }, () => 1),
      ]);
    expect(isSafeCbor(big(1024))).toBe(true);
    expect(isSafeCbor(big(1025))).toBe(false);
  });

  it('answers for every two-byte start and every cut of a value without an exception', () => {
    for (let start = 0; start < 65_536; start++) {
      isSafeCbor(Uint8Array.of(start >> 8, start & 255, 0x61, 0x61, 0x01));
    }
    const whole = Uint8Array.from(
      new Encoder({ useRecords: false }).encode({
        a: [1, -2, 2.5, 'text', null],
        b: { c: [[[]]] },
      }),
    );
    expect(isSafeCbor(whole)).toBe(true);
    for (let cut = 0; cut < whole.length; cut++)
      expect(isSafeCbor(whole.subarray(0, cut))).toBe(false);
  });
});
