// Rows and what belongs to each: matrices, ids, times, labels. What is given as number[] is copied
// into the typed array that crosses into the addon; typed arrays cross as they are, and the addon
// copies.

import { rveError } from '../errors/index.js';
import { limits } from '../limits/index.js';
import { checkName, shown } from './options.js';
import type { InsertOptions } from './types.js';

/** @throws RveError ERR_ARGUMENT for another type, ERR_VECTOR for an element that is no number. */
export function floatsOf(value: unknown, what: string): Float32Array {
  if (value instanceof Float32Array) return value;
  if (!Array.isArray(value)) {
    throw rveError(
      'ERR_ARGUMENT',
      `${what} must be a Float32Array or an array of numbers, not ${shown(value)}`,
    );
  }
  const index = value.findIndex((element) => typeof element !== 'number');
  if (index < 0) return Float32Array.from(value as number[]);
  throw rveError('ERR_VECTOR', `${what} holds ${shown(value[index])} at index ${index}`);
}

/** Rows of a matrix. @throws RveError ERR_DIMENSIONS unless it holds whole rows. */
export function rowsOf(matrix: Float32Array, dimensions: number, what: string): number {
  const rows = matrix.length / dimensions;
  if (Number.isInteger(rows)) return rows;
  throw rveError(
    'ERR_DIMENSIONS',
    `${what} has ${matrix.length} numbers, no multiple of the memory's ${dimensions} dimensions`,
  );
}

/** @throws RveError ERR_DIMENSIONS unless it is one row. */
export function checkVector(vector: Float32Array, dimensions: number): void {
  if (vector.length === dimensions) return;
  throw rveError(
    'ERR_DIMENSIONS',
    `The vector has ${vector.length} numbers, the memory has ${dimensions} dimensions`,
  );
}

/** @throws RveError ERR_ID_TYPE, ERR_ID_RANGE */
export function idsOf(value: unknown): Float64Array {
  if (value instanceof Float64Array) {
    for (let i = 0; i < value.length; i++) checkId(value[i] as number, i);
    return value;
  }
  if (!Array.isArray(value)) {
    throw rveError(
      'ERR_ID_TYPE',
      `ids must be a Float64Array or an array of numbers, not ${shown(value)}`,
    );
  }
  const ids = new Float64Array(value.length);
  for (let i = 0; i < value.length; i++) {
    const id: unknown = value[i];
    if (typeof id !== 'number')
      throw rveError('ERR_ID_TYPE', `The id at index ${i} is ${shown(id)}`);
    checkId(id, i);
    ids[i] = id;
  }
  return ids;
}

function checkId(id: number, index: number): void {
  if (id >= 0 && id <= limits.idMax && Number.isInteger(id)) return;
  throw rveError('ERR_ID_RANGE', `The id at index ${index} is ${id}`);
}

/** @throws RveError ERR_ARGUMENT */
export function timesOf(value: unknown, rows: number): Float64Array {
  if (!(value instanceof Float64Array) && !Array.isArray(value)) {
    throw rveError(
      'ERR_ARGUMENT',
      `times must be a Float64Array or an array of numbers, not ${shown(value)}`,
    );
  }
  checkCount('times', value.length, rows);
  if (value instanceof Float64Array) return value;
  const index = value.findIndex((time) => typeof time !== 'number');
  if (index >= 0)
    throw rveError('ERR_ARGUMENT', `The time at index ${index} is ${shown(value[index])}`);
  return Float64Array.from(value as number[]);
}

/** @throws RveError ERR_NAME, ERR_ARGUMENT */
export function labelsOf(value: InsertOptions['labels'], rows: number): string | (string | null)[] {
  if (typeof value === 'string') return checkName(value, 'label');
  if (!Array.isArray(value)) {
    throw rveError(
      'ERR_ARGUMENT',
      `labels must be a string or an array of strings, not ${shown(value)}`,
    );
  }
  checkCount('labels', value.length, rows);
  return value.map((label: unknown) =>
    label === null || label === undefined ? null : checkName(label, 'label'),
  );
}

/** @throws RveError ERR_ARGUMENT unless there is one entry per row. */
export function checkCount(what: string, count: number, rows: number): void {
  if (count === rows) return;
  throw rveError('ERR_ARGUMENT', `${what} has ${count} entries for ${rows} rows`);
}
