// What can be asked of a store from outside: the same code answers a command that opened the store
// itself and one that came in through the daemon's socket. Parameters are checked here, since a
// socket brings anything.

import { didYouMean } from '../config/index.js';
import { RveError } from '../errors/index.js';
import type { Filter, MemoryRecord, QueryOptions } from '../memory/index.js';
import type { Store } from './context.js';
import { encodePayload } from './lines/index.js';

/**
 * Records in one answer: with the largest vectors and payloads they stay within a socket's line.
 */
export const GET_IDS_MAX = 64;
/** Ids in one request of forget(). */
export const FORGET_IDS_MAX = 10_000;

type Params = Readonly<Record<string, unknown>>;

export const OPS = {
  stats: async (store: Store, params: Params): Promise<unknown> => {
    only(params, []);
    return store.stats();
  },
  query: async (store: Store, params: Params): Promise<unknown> => query(store, params),
  get: async (store: Store, params: Params): Promise<unknown> => {
    only(params, ['ids']);
    return { records: (await store.get(ids(params['ids'], GET_IDS_MAX))).map(toJson) };
  },
  check: async (store: Store, params: Params): Promise<unknown> => {
    only(params, ['deep']);
    return store.check({ deep: params['deep'] === true });
  },
  forget: async (store: Store, params: Params): Promise<unknown> => {
    only(params, ['ids', 'source']);
    const { source } = params;
    if ((source === undefined) === (params['ids'] === undefined))
      throw bad('forget needs either "ids" or "source".');
    if (source === undefined) return store.forget(ids(params['ids'], FORGET_IDS_MAX));
    if (typeof source !== 'string') throw bad('"source" must be text.');
    return store.forget({ source });
  },
} as const;
export type OpName = keyof typeof OPS;

/**
 * Answers one request. @throws RveError ERR_ARGUMENT for an unknown op or parameter, and what the
 * store says.
 */
export function answer(store: Store, op: string, params: Params): Promise<unknown> {
  if (!Object.hasOwn(OPS, op)) {
    return Promise.reject(
      bad(`unknown op "${op.slice(0, 40)}".${didYouMean(op, Object.keys(OPS))}`),
    );
  }
  return OPS[op as OpName](store, params);
}

export interface QueryAnswer {
  ids: number[];
  scores: number[];
  latencyUs: number;
  degraded: boolean;
  /** With `about`: who and when, one per id; null for a record that was forgotten meanwhile. */
  about?: ({ time: number; source: string | null; label: string | null } | null)[];
}

async function query(store: Store, params: Params): Promise<QueryAnswer> {
  only(params, ['vector', 'like', 'k', 'ef', 'recall', 'filter', 'about']);
  const options: QueryOptions = { vector: await queryVector(store, params) };
  if (params['k'] !== undefined) options.k = integer(params['k'], 'k');
  if (params['ef'] !== undefined) options.ef = integer(params['ef'], 'ef');
  // Its range is the store's to check.
  if (params['recall'] !== undefined) options.recall = params['recall'] as number;
  if (params['filter'] !== undefined) options.filter = params['filter'] as Filter;
  const result = await store.query(options);
  const found = Array.from(result.ids);
  const reply: QueryAnswer = {
    ids: found,
    scores: Array.from(result.scores),
    latencyUs: result.latencyUs,
    degraded: result.degraded,
  };
  if (params['about'] === true) {
    reply.about = (await store.get(found)).map((record) =>
      record === null ? null : { time: record.time, source: record.source, label: record.label },
    );
  }
  return reply;
}

async function queryVector(store: Store, params: Params): Promise<number[] | Float32Array> {
  const { vector, like } = params;
  if ((vector === undefined) === (like === undefined))
    throw bad('query needs either "vector" or "like".');
  if (like !== undefined) {
    const record = (await store.get([integer(like, 'like')]))[0];
    if (record === null || record === undefined)
      throw new RveError('ERR_ARGUMENT', `no record has id ${String(like)}.`);
    return record.vector;
  }
  if (!Array.isArray(vector) || !vector.every((value) => typeof value === 'number')) {
    throw bad('"vector" must be an array of numbers.');
  }
  return vector as number[];
}

export type RecordAnswer = {
  id: number;
  vector: number[];
  time: number;
  source: string | null;
  label: string | null;
  tier: string;
} & Record<string, unknown>;

/** A record as JSON: each f32 is written so that it reads back as the same f32. */
function toJson(record: MemoryRecord | null): RecordAnswer | null {
  if (record === null) return null;
  const { id, vector, time, source, label, tier, payload } = record;
  return {
    id,
    vector: Array.from(vector),
    time,
    source,
    label,
    tier,
    ...(payload === null || payload === undefined ? { payload: null } : encodePayload(payload)),
  };
}

function only(params: Params, known: readonly string[]): void {
  for (const key of Object.keys(params)) {
    if (!known.includes(key))
      throw bad(`unknown parameter "${key.slice(0, 40)}".${didYouMean(key, known)}`);
  }
}

function ids(value: unknown, countMax: number): number[] {
  if (!Array.isArray(value) || value.length > countMax)
    throw bad(`"ids" must be an array of at most ${countMax}.`);
  return value.map((id: unknown) => integer(id, 'ids'));
}

function integer(value: unknown, name: string): number {
  if (!Number.isSafeInteger(value)) throw bad(`"${name}" must hold integers.`);
  return value as number;
}

function bad(message: string): RveError {
  return new RveError('ERR_ARGUMENT', message);
}
