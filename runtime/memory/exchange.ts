// The exchange with the addon: calls go out with a token, completions come back in bursts. One
// call of the listener settles all promises of a burst; a promise of the addon's own for each call
// would cost more than the rest of a small insert.

import { asRveError, isRveCode, RveError, rveError } from '../errors/index.js';
import { limits } from '../limits/index.js';
import {
  EventKind,
  nativeAddon,
  type NativeBuffers,
  type NativeListener,
  type NativeMemory,
  type NativeOpenOptions,
  type NativeRecords,
} from '../native.js';
import type {
  CheckReport,
  ForgetResult,
  InsertResult,
  QueryManyResult,
  QueryResult,
} from './types.js';

/** A read's share of records: get() and scan() ask again for the rest. */
export interface Batch {
  records: NativeRecords;
  /** get: ids answered. scan: the next id. */
  covered: number;
  end: boolean;
}

/** One call under way. */
export interface Call {
  resolve: (value: never) => void;
  reject: (error: unknown) => void;
  /** Counted by settled(): an insert or a forget. */
  changes: boolean;
  /** Its promise is settled already, by an abort: the completion is dropped. */
  dropped: boolean;
  /** Lets go of signal and timer. */
  release: (() => void) | undefined;
}

export class Exchange {
  #native!: NativeMemory;
  #buffers!: NativeBuffers;
  /** By token. Token 0 belongs to the room event. */
  readonly #calls: (Call | undefined)[] = [undefined];
  readonly #free: number[] = [];
  #roomWanted: (() => void) | undefined;
  // What the listener reads at.
  #word = 0;
  #float = 0;
  #extra = 0;
  #extras: unknown[] = [];

  /** Changes (inserts, forgets) that the addon took, and those that have settled since. */
  changesTaken = 0;
  changesSettled = 0;
  /** The largest log position that any change of this memory has reported. */
  lsnMax = 0;
  readonly #settledWaits: { target: number; resolve: () => void }[] = [];

  /** @throws RveError whatever the engine says of the file. */
  static async open(
    path: string,
    options: NativeOpenOptions,
    nowMs: number | undefined,
  ): Promise<Exchange> {
    const exchange = new Exchange();
    const hear: NativeListener = (words, extras, leave) => exchange.#hear(words, extras, leave);
    try {
      exchange.#native = await nativeAddon().open(path, options, hear, nowMs);
    } catch (error) {
      throw asRveError(error);
    }
    exchange.#buffers = exchange.#native.buffers();
    return exchange;
  }

  get native(): NativeMemory {
    return this.#native;
  }

  get buffers(): NativeBuffers {
    return this.#buffers;
  }

  /** A token for the call, which is settled by its completion. */
  begin(call: Call): number {
    const token = this.#free.pop() ?? this.#calls.length;
    this.#calls[token] = call;
    return token;
  }

  /** The addon refused the call: no completion comes. */
  end(token: number): void {
    this.#calls[token] = undefined;
    this.#free.push(token);
  }

  /** Runs one call that is no change. `start` hands it to the addon. */
  run<T>(start: (token: number) => void): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.start({ resolve, reject, changes: false, dropped: false, release: undefined }, start);
    });
  }

  /** Hands a call to the addon; a refusal rejects it. Returns its token, or -1. */
  start(call: Call, start: (token: number) => void): number {
    const token = this.begin(call);
    try {
      start(token);
      return token;
    } catch (error) {
      this.end(token);
      call.release?.();
      call.reject(asRveError(error));
      return -1;
    }
  }

  /** Calls `room` once when the insert queue has room again. */
  whenRoom(room: () => void): void {
    this.#roomWanted = room;
    this.#native.onRoom();
  }

  /** Resolves when all changes taken so far have settled, well or not. */
  settled(): Promise<void> {
    const target = this.changesTaken;
    if (this.changesSettled >= target) return Promise.resolve();
    return new Promise((resolve) => this.#settledWaits.push({ target, resolve }));
  }

  /** After close: what the engine dropped unanswered must not hang. */
  abandon(): void {
    const left = this.#calls.splice(1);
    this.#free.length = 0;
    for (const call of left) {
      if (call === undefined || call.dropped) continue;
      call.release?.();
      call.reject(rveError('ERR_CLOSED', 'The memory was closed before it answered'));
    }
  }

  #hear(words: number, extras: unknown[], leave: boolean): void {
    const inbox = this.#buffers.inboxWords;
    this.#word = this.#float = this.#extra = 0;
    this.#extras = extras;
    while (this.#word < words) {
      const token = inbox[this.#word++] as number;
      const kind = inbox[this.#word++] as number;
      if (kind === EventKind.room) this.#room();
      else this.#settle(token, kind);
    }
    this.#extras = [];
    if (leave) setImmediate(() => this.#native.drain());
    const waits = this.#settledWaits;
    while (waits.length > 0 && (waits[0]?.target ?? 0) <= this.changesSettled)
      waits.shift()?.resolve();
  }

  #room(): void {
    const room = this.#roomWanted;
    this.#roomWanted = undefined;
    room?.();
  }

  #settle(token: number, kind: number): void {
    const call = this.#calls[token];
    // Read in any case: the next completion stands behind it.
    const value = kind === EventKind.failed ? this.#readError() : this.#readValue(kind);
    this.end(token);
    if (call === undefined) return;
    if (call.changes) this.changesSettled++;
    if (call.dropped) return;
    call.release?.();
    if (kind === EventKind.failed) call.reject(value);
    else call.resolve(value as never);
  }

  #readError(): RveError {
    const code = this.#extras[this.#extra++];
    const message = this.#extras[this.#extra++] as string;
    return new RveError(isRveCode(code) ? code : 'ERR_INTERNAL', message);
  }

  #readValue(kind: number): unknown {
    switch (kind) {
      case EventKind.insert:
        return this.#readInsert();
      case EventKind.forget:
        return this.#readForget();
      case EventKind.query:
        return this.#readQuery();
      case EventKind.queryMany:
        return this.#readQueryMany();
      case EventKind.records:
        return this.#readBatch();
      case EventKind.check:
        return this.#extras[this.#extra++] as CheckReport;
      default:
        return undefined;
    }
  }

  #number(): number {
    return this.#buffers.inboxWords[this.#word++] as number;
  }

  #noteLsn(lsn: number): number {
    if (lsn > this.lsnMax) this.lsnMax = lsn;
    return lsn;
  }

  #readInsert(): InsertResult {
    const lsn = this.#noteLsn(this.#number());
    return { ids: this.#ids(this.#number()), lsn };
  }

  /** `count` numbers of the inbox, or the next extra where they were too many for it (-1). */
  #ids(count: number): Float64Array {
    if (count < 0) return this.#extras[this.#extra++] as Float64Array;
    const first = this.#word;
    this.#word += count;
    return this.#buffers.inboxWords.slice(first, this.#word);
  }

  #readForget(): ForgetResult {
    const lsn = this.#noteLsn(this.#number());
    return { count: this.#number(), lsn };
  }

  #readQuery(): QueryResult {
    const latencyUs = this.#number();
    const degraded = this.#number() === 1;
    const count = this.#number();
    const hasEmbeddings = this.#number() === 1;
    const ids = this.#ids(count);
    let scores: Float32Array;
    if (count < 0) {
      scores = this.#extras[this.#extra++] as Float32Array;
    } else {
      scores = this.#buffers.inboxFloats.slice(this.#float, this.#float + count);
      this.#float += count;
    }
    if (!hasEmbeddings) return { ids, scores, latencyUs, degraded };
    return {
      ids,
      scores,
      embeddings: this.#extras[this.#extra++] as Float32Array,
      latencyUs,
      degraded,
    };
  }

  #readQueryMany(): QueryManyResult {
    const latencyUs = this.#number();
    const degraded = this.#number() === 1;
    const ids = this.#extras[this.#extra++] as Float64Array;
    const scores = this.#extras[this.#extra++] as Float32Array;
    return { ids, scores, counts: this.#extras[this.#extra++] as Uint32Array, latencyUs, degraded };
  }

  #readBatch(): Batch {
    const covered = this.#number();
    const end = this.#number() === 1;
    return { records: this.#extras[this.#extra++] as NativeRecords, covered, end };
  }
}

/** Where querySync leaves its latency among the words; whether it was degraded follows. */
export const SYNC_LATENCY_AT = limits.kMax;
