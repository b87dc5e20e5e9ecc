import { describe, expect, test } from 'vitest';
import { parseNpy } from './npy.js';
import { failure, npyBytes } from './testdata.fixture.js';

const DATA = Float32Array.of(1, -2, 3.5, 1e-40, -0, 6);

describe('parseNpy', () => {
  test('reads shape and numbers of one, two and three axes', () => {
    for (const shape of [[6], [2, 3], [1, 2, 3]]) {
      const array = parseNpy(npyBytes(shape, DATA), 'a.npy');
      expect(array.shape).toEqual(shape);
      expect(array.data).toEqual(DATA);
    }
  });

  test('reads from any offset of a larger buffer, and copies', () => {
    const bytes = npyBytes([6], DATA);
    const shifted = new Uint8Array(bytes.length + 3);
    shifted.set(bytes, 3);
    const array = parseNpy(shifted.subarray(3), 'a.npy');
    shifted.fill(0);
    expect(array.data).toEqual(DATA);
  });

  test('reads an array of no rows', () => {
    expect(parseNpy(npyBytes([0, 5], new Float32Array(0)), 'a.npy').shape).toEqual([0, 5]);
  });

  test('takes the keys of the header in any order', () => {
    const header = "{'shape': (6,), 'fortran_order': False, 'descr': '<f4'}";
    expect(parseNpy(npyBytes([6], DATA, { header }), 'a.npy').data).toEqual(DATA);
  });

  const header = (descr: string, order: string, shape: string): { header: string } => ({
    header: `{'descr': ${descr}, 'fortran_order': ${order}, 'shape': ${shape}, }`,
  });
  test.each([
    ['another magic', { magic: 'PK\x03\x04__' }, 'Not a .npy'],
    ['version 2.0', { version: [2, 0] as const }, 'format 2.0'],
    ['float64', header("'<f8'", 'False', '(6,)'), "'<f8'"],
    ['big-endian', header("'>f4'", 'False', '(6,)'), "'>f4'"],
    ['pickled objects', header("'|O'", 'False', '(6,)'), "'|O'"],
    ['Fortran order', header("'<f4'", 'True', '(2, 3)'), 'C order'],
    ['too few numbers', header("'<f4'", 'False', '(7,)'), '28 bytes, 24 are there'],
    ['too many numbers', header("'<f4'", 'False', '(5,)'), '20 bytes, 24 are there'],
    ['an overflowing shape', header("'<f4'", 'False', '(999999999, 999999999)'), 'needs'],
    ['a size of ten digits', header("'<f4'", 'False', '(4294967302,)'), 'tuple of sizes'],
    ['a negative size', header("'<f4'", 'False', '(-6,)'), 'header'],
    ['nine axes', header("'<f4'", 'False', '(6, 1, 1, 1, 1, 1, 1, 1, 1)'), '9 axes'],
    ['no tuple', header("'<f4'", 'False', '(6)'), 'tuple of sizes'],
    ['a missing key', { header: "{'descr': '<f4', 'shape': (6,), }" }, 'header'],
    [
      'a key given twice',
      { header: "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (6,)}" },
      'twice',
    ],
    ['code in the header', header("'<f4'", 'False', "__import__('os')"), 'header'],
    ['no dict', { header: 'hello' }, 'not a dict'],
  ])('refuses %s', async (_, wrong, part) => {
    const message = await failure(() => parseNpy(npyBytes([6], DATA, wrong), 'a.npy'));
    expect(message).toMatch(/^ERR_DATASET: .*: a\.npy$/);
    expect(message).toContain(part);
  });

  test('refuses each prefix of a file', async () => {
    const bytes = npyBytes([6], DATA);
    for (let length = 0; length < bytes.length; length += 1) {
      expect(await failure(() => parseNpy(bytes.subarray(0, length), 'a.npy'))).toContain(
        'ERR_DATASET',
      );
    }
  });
});
