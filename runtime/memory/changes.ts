// What an insert or a forget hands to the addon, from what the caller gave.

import { rveError } from '../errors/index.js';
import type { NativeInsertMore } from '../native.js';
import { CALL_KEYS, NONE, checkCall, checkKeys, checkName, wholeNumber } from './options.js';
import { packPayloads } from './payload.js';
import { checkCount, floatsOf, idsOf, labelsOf, rowsOf, timesOf } from './rows.js';
import type { Clock, InsertOptions } from './types.js';

const INSERT_KEYS = [
  'ids',
  'times',
  'source',
  'boot',
  'sequence',
  'labels',
  'payloads',
  ...CALL_KEYS,
] as const satisfies readonly (keyof InsertOptions)[];

export interface InsertRows {
  matrix: Float32Array;
  ids: Float64Array | undefined;
  times: Float64Array | undefined;
  more: NativeInsertMore | undefined;
}

/** Checks everything but the numbers themselves, which the engine checks. Typed arrays are not
 * copied. */
export function insertRows(
  given: unknown,
  options: InsertOptions,
  dimensions: number,
  clock: Clock | undefined,
): InsertRows {
  const matrix = floatsOf(given, 'matrix');
  const count = rowsOf(matrix, dimensions, 'matrix');
  const rows: InsertRows = { matrix, ids: undefined, times: undefined, more: undefined };
  if (options !== NONE) {
    checkKeys(options, INSERT_KEYS, 'insert');
    checkCall(options);
    if (options.ids !== undefined) {
      rows.ids = idsOf(options.ids);
      checkCount('ids', rows.ids.length, count);
    }
    if (options.times !== undefined) rows.times = timesOf(options.times, count);
    rows.more = moreOf(options, count);
  }
  if (rows.times === undefined && clock !== undefined) {
    rows.times = new Float64Array(count).fill(clock.now());
  }
  return rows;
}

function moreOf(options: InsertOptions, rows: number): NativeInsertMore | undefined {
  const { source, boot, sequence, labels, payloads } = options;
  if (
    source === undefined &&
    boot === undefined &&
    sequence === undefined &&
    labels === undefined &&
    payloads === undefined
  ) {
    return undefined;
  }
  const half = (boot === undefined) !== (sequence === undefined);
  if (half || (boot !== undefined && source === undefined)) {
    throw rveError(
      'ERR_ARGUMENT',
      'boot, sequence and source make the key of dedupe only together',
    );
  }
  const more: NativeInsertMore = {};
  if (source !== undefined) more.source = checkName(source, 'source');
  if (boot !== undefined) more.boot = wholeNumber(boot, 'boot', 0, 2 ** 32 - 1, 0);
  if (sequence !== undefined) {
    more.sequence = wholeNumber(sequence, 'sequence', 0, Number.MAX_SAFE_INTEGER - rows, 0);
  }
  if (labels !== undefined) more.labels = labelsOf(labels, rows);
  if (payloads !== undefined) {
    if (!Array.isArray(payloads)) {
      throw rveError('ERR_ARGUMENT', 'payloads must be an array, one per row');
    }
    checkCount('payloads', payloads.length, rows);
    const { ends, bytes } = packPayloads(payloads);
    more.payloadEnds = ends;
    more.payloadBytes = bytes;
  }
  return more;
}

/** Ids, or the name of a source. */
export function forgetTarget(what: unknown): Float64Array | string {
  if (what instanceof Float64Array || Array.isArray(what)) return idsOf(what);
  if (typeof what === 'object' && what !== null && 'source' in what) {
    checkKeys(what, ['source'], 'forget');
    return checkName(what.source, 'source');
  }
  return idsOf(what);
}
