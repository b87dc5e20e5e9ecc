import { RveError } from '../../errors/index.js';
import type { Fields } from './fields.js';

const SAFE_MAX = Number.MAX_SAFE_INTEGER;

/** A whole number from 0 to `max`, or undefined when the key is absent. */
export function whole(fields: Fields, key: string, max = SAFE_MAX): number | undefined {
  const value = fields.values.get(key);
  return value === undefined ? undefined : asWhole(value, key, max);
}

export function asWhole(value: unknown, key: string, max = SAFE_MAX): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > max) {
    throw wrong(key, `a whole number from 0 to ${max}`);
  }
  return value;
}

export function asFinite(value: unknown, key: string): number {
  if (typeof value !== 'number' || !Number.isFinite(value)) throw wrong(key, 'a finite number');
  return value;
}

export function asText(value: unknown, key: string, bytesMax: number): string {
  if (typeof value !== 'string' || value === '' || Buffer.byteLength(value) > bytesMax) {
    throw wrong(key, `a text of 1 to ${bytesMax} bytes`);
  }
  return value;
}

/** An array with one value per row. */
export function asRows(value: unknown, key: string, rows: number): unknown[] {
  if (!Array.isArray(value) || value.length !== rows)
    throw wrong(key, `an array of ${rows} values`);
  return value as unknown[];
}

/**
 * The value of `one` for each row, or the array under `many`; undefined when neither is there.
 * `shared`: one value may serve a batch; else it needs a single row.
 */
export function perRow(
  fields: Fields,
  one: string,
  many: string,
  rows: number,
  shared: boolean,
): unknown[] | undefined {
  const single = fields.values.has(one);
  if (!fields.values.has(many)) {
    if (!single) return undefined;
    if (rows > 1 && !shared) throw wrong(many, `given for a batch, in place of ${one}`);
    return new Array<unknown>(rows).fill(fields.values.get(one));
  }
  if (single) throw new RveError('ERR_BODY', `${one} and ${many}: give one of them`);
  return asRows(fields.values.get(many), many, rows);
}

export function wrong(key: string, wanted: string): RveError {
  return new RveError('ERR_BODY', `key "${key}" must be ${wanted}`);
}
