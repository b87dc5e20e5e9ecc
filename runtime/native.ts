// The addon: where it lies, what it exports. runtime/memory is its only user.

import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { RveError } from './errors/index.js';
import { packed } from './packed.js';

/** What a completion holds (native/binding/mailbox.hpp, Kind). */
export const EventKind = {
  failed: -1,
  done: 0,
  insert: 1,
  forget: 2,
  query: 3,
  queryMany: 4,
  records: 5,
  check: 6,
  room: 7,
} as const;

/** Memory shared with the addon; the views stay the same for the life of the memory. */
export interface NativeBuffers {
  /** Numbers of completions, filled anew before each call of the listener. */
  readonly inboxWords: Float64Array;
  readonly inboxFloats: Float32Array;
  /** The vector of the next query() or querySync(). */
  readonly syncVector: Float32Array;
  /** ids of the last querySync(); at limits.kMax its latency, then whether it was degraded. */
  readonly syncWords: Float64Array;
  readonly syncScores: Float32Array;
}

/**
 * Hears completions: `words` of the inbox are filled, `extras` holds what is no small number, in
 * order. `leave` asks for a call of drain() in a later turn of the event loop.
 */
export type NativeListener = (words: number, extras: unknown[], leave: boolean) => void;

export interface NativeFilter {
  source?: string;
  labels?: readonly string[];
  from?: number;
  to?: number;
}

export interface NativeInsertMore {
  source?: string | undefined;
  boot?: number | undefined;
  sequence?: number | undefined;
  labels?: string | readonly (string | null | undefined)[] | undefined;
  /** One ascending end per row in payloadBytes. */
  payloadEnds?: Uint32Array | undefined;
  payloadBytes?: Uint8Array | undefined;
}

/** Rows of get() or scan() as columns; an id of -1 is a record that was not found. */
export interface NativeRecords {
  ids: Float64Array;
  times: Float64Array;
  matrix: Float32Array;
  /** -1: none. */
  payloadLengths: Int32Array;
  payloads: Uint8Array;
  sources: (string | null)[];
  labels: (string | null)[];
  /** Names as in types.ts of runtime/memory. */
  tiers: ('hot' | 'warm' | 'cool' | 'cold' | 'archive')[];
}

/** TierOptions of engine.hpp. */
export interface NativeTierOptions {
  /** As numbered in engine.hpp. */
  profile?: number | undefined;
  originals?: number | undefined;
  bytesMax?: number | undefined;
  bytesRatioMax?: number | undefined;
  /** Of hot, warm, cool, cold. */
  thresholds?: Float64Array | undefined;
  promotionThreshold?: number | undefined;
  demotionThreshold?: number | undefined;
  accessDecayHalflifeS?: number | undefined;
  recompressIntervalS?: number | undefined;
  coolBits?: number | undefined;
  coldBits?: number | undefined;
  codebookSampleSize?: number | undefined;
  codebookUpdateFreq?: number | undefined;
}

export interface NativeOpenOptions extends NativeTierOptions {
  dimensions?: number | undefined;
  /** As numbered in engine.hpp. */
  metric?: number | undefined;
  readOnly?: boolean | undefined;
  durability?: number | undefined;
  lingerMs?: number | undefined;
  intervalMs?: number | undefined;
  fileBytesMax?: number | undefined;
  hnswM?: number | undefined;
  hnswEfConstruction?: number | undefined;
  hnswEfSearch?: number | undefined;
}

/**
 * One open memory. Calls with a token answer through the listener; each may throw at once, an Error
 * with the code of status.def, and then does not answer.
 */
export interface NativeMemory {
  buffers(): NativeBuffers;
  /** False: the queue is full, and nothing was taken. */
  insert(
    token: number,
    matrix: Float32Array,
    ids: Float64Array | undefined,
    times: Float64Array | undefined,
    more: NativeInsertMore | undefined,
  ): boolean;
  /** False: as for insert(). */
  forget(token: number, what: Float64Array | string): boolean;
  waitDurable(token: number, lsn: number): void;
  checkpoint(token: number): void;
  settle(token: number): void;
  onRoom(): void;
  /** The vector lies in syncVector; an ef or recall of 0 is none. */
  query(
    token: number,
    k: number,
    ef: number,
    recall: number,
    filter: NativeFilter | undefined,
    withEmbeddings: boolean,
    cancellable: boolean,
  ): void;
  queryMany(
    token: number,
    vectors: Float32Array,
    k: number,
    ef: number,
    recall: number,
    filter: NativeFilter | undefined,
    cancellable: boolean,
  ): void;
  cancel(token: number): void;
  querySync(
    k: number,
    ef: number,
    recall: number,
    filter: NativeFilter | undefined,
    withEmbeddings: boolean,
  ): number;
  takeEmbeddings(): Float32Array;
  get(token: number, ids: Float64Array): void;
  scan(token: number, filter: NativeFilter | undefined, nextId: number): void;
  check(token: number, deep: boolean): void;
  stats(): object;
  /** What the caller's clock shows, where open() was given one. */
  setNow(ms: number): void;
  drain(): void;
  close(): Promise<void>;
}

export interface NativeCheckReport {
  ok: boolean;
  damaged: string[];
  lost: number;
  holes: number;
  notes: string[];
}

export interface NativeAddon {
  /** `nowMs`: of a clock of the caller's, which setNow() tells from then on. */
  open(
    path: string,
    options: NativeOpenOptions,
    listener: NativeListener,
    nowMs: number | undefined,
  ): Promise<NativeMemory>;
  checkFile(path: string): Promise<NativeCheckReport>;
  repairFile(path: string): Promise<NativeCheckReport>;
  closeAll(): void;
}

let loaded: NativeAddon | undefined;

/**
 * Loads the addon at its first use: the packed one, else RVE_ADDON, else beside the build that this
 * file belongs to.
 * @throws RveError ERR_NOT_FOUND when it has not been built.
 */
export function nativeAddon(): NativeAddon {
  if (loaded !== undefined) return loaded;
  const pack = packed();
  const path = pack === undefined ? addonPath() : process.execPath;
  try {
    loaded = (pack?.loadAddon('ruvector_edge') ?? createRequire(import.meta.url)(path)) as NativeAddon;
  } catch (cause) {
    const what = cause instanceof Error ? cause.message : String(cause);
    throw new RveError(
      'ERR_INTERNAL',
      `Cannot load the addon: ${what}. Try: make build, with this version of Node, ${path}`,
      { cause },
    );
  }
  // process.exit() runs neither asynchronous work nor the addon's cleanup hook; engine threads
  // must not meet a process that is being torn down.
  process.on('exit', () => loaded?.closeAll());
  return loaded;
}

function addonPath(): string {
  const given = process.env['RVE_ADDON'];
  if (given !== undefined && given !== '') return given;
  // This file is runtime/native.ts, or build/TARGET/js/runtime/native.js.
  const fromHere = import.meta.url.endsWith('.ts')
    ? '../build/host/ruvector_edge.node'
    : '../../ruvector_edge.node';
  const path = fileURLToPath(new URL(fromHere, import.meta.url));
  if (existsSync(path)) return path;
  throw new RveError(
    'ERR_NOT_FOUND',
    `Cannot load the addon: no such file. Try: make build, ${path}`,
  );
}
