// What a query hands to the addon, from what the caller gave.

import { rveError } from '../errors/index.js';
import { limits } from '../limits/index.js';
import type { NativeFilter } from '../native.js';
import {
  CALL_KEYS,
  checkCall,
  checkFilter,
  checkFlag,
  checkKeys,
  checkMode,
  checkNumber,
  wholeNumber,
} from './options.js';
import { checkVector, floatsOf, rowsOf } from './rows.js';
import type { QueryManyOptions, QueryOptions } from './types.js';

const SHARED_KEYS = ['k', 'ef', 'recall', 'mode', 'filter', ...CALL_KEYS] as const;
const QUERY_KEYS = [
  'vector',
  'withEmbeddings',
  ...SHARED_KEYS,
] as const satisfies readonly (keyof QueryOptions)[];
const QUERY_MANY_KEYS = [
  'vectors',
  ...SHARED_KEYS,
] as const satisfies readonly (keyof QueryManyOptions)[];

interface Search {
  k: number;
  /** 0: none is given. */
  ef: number;
  /** 0: none is given. */
  recall: number;
  filter: NativeFilter | undefined;
  /** Whether the addon must be ready to be told to drop it. */
  cancellable: boolean;
}
export interface CheckedQuery extends Search {
  vector: Float32Array;
  withEmbeddings: boolean;
}
export interface CheckedQueryMany extends Search {
  vectors: Float32Array;
  rows: number;
}

/** @throws RveError ERR_OPTION, ERR_NOT_AVAILABLE, ERR_FILTER, ERR_DIMENSIONS, ERR_ARGUMENT */
export function checkQuery(options: QueryOptions, dimensions: number): CheckedQuery {
  checkKeys(options, QUERY_KEYS, 'query');
  const search = checkSearch(options);
  const vector = floatsOf(options.vector, 'vector');
  checkVector(vector, dimensions);
  return {
    ...search,
    vector,
    withEmbeddings: checkFlag(options.withEmbeddings, 'withEmbeddings'),
  };
}

/** As checkQuery(), for queryMany(). */
export function checkQueryMany(options: QueryManyOptions, dimensions: number): CheckedQueryMany {
  checkKeys(options, QUERY_MANY_KEYS, 'queryMany');
  const search = checkSearch(options);
  const vectors = floatsOf(options.vectors, 'vectors');
  return { ...search, vectors, rows: rowsOf(vectors, dimensions, 'vectors') };
}

function checkSearch(options: Omit<QueryManyOptions, 'vectors'>): Search {
  checkCall(options);
  checkMode(options.mode);
  const recall = checkNumber(options.recall, 'recall', 0.5, 0.999) ?? 0;
  if (recall !== 0 && options.ef !== undefined) {
    throw rveError(
      'ERR_OPTION',
      '"recall" and "ef" say the same in two ways: give one of them',
    );
  }
  return {
    k: wholeNumber(options.k, 'k', 1, limits.kMax, 10),
    ef: wholeNumber(options.ef, 'ef', 1, limits.efMax, 0),
    recall,
    filter: checkFilter(options.filter),
    cancellable: options.signal !== undefined || options.timeoutMs !== undefined,
  };
}
