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
  checkShared(options);
  const vector = floatsOf(options.vector, 'vector');
  checkVector(vector, dimensions);
  // Not spread from an object of the shared parts: that took 10 us, twice the smallest query.
  return {
    vector,
    k: wholeNumber(options.k, 'k', 1, limits.kMax, 10),
    ef: wholeNumber(options.ef, 'ef', 1, limits.efMax, 0),
    recall: recallOf(options),
    filter: checkFilter(options.filter),
    withEmbeddings: checkFlag(options.withEmbeddings, 'withEmbeddings'),
    cancellable: isCancellable(options),
  };
}

/** As checkQuery(), for queryMany(). */
export function checkQueryMany(options: QueryManyOptions, dimensions: number): CheckedQueryMany {
  checkKeys(options, QUERY_MANY_KEYS, 'queryMany');
  checkShared(options);
  const vectors = floatsOf(options.vectors, 'vectors');
  return {
    vectors,
    rows: rowsOf(vectors, dimensions, 'vectors'),
    k: wholeNumber(options.k, 'k', 1, limits.kMax, 10),
    ef: wholeNumber(options.ef, 'ef', 1, limits.efMax, 0),
    recall: recallOf(options),
    filter: checkFilter(options.filter),
    cancellable: isCancellable(options),
  };
}

type Shared = Omit<QueryManyOptions, 'vectors'>;

function checkShared(options: Shared): void {
  checkCall(options);
  checkMode(options.mode);
}

/** 0: none is asked for. */
function recallOf({ recall, ef }: Shared): number {
  if (recall === undefined) return 0;
  if (ef === undefined) return checkNumber(recall, 'recall', 0.5, 0.999) ?? 0;
  throw rveError('ERR_OPTION', '"recall" and "ef" say the same in two ways: give one of them');
}

function isCancellable({ signal, timeoutMs }: Shared): boolean {
  return signal !== undefined || timeoutMs !== undefined;
}
