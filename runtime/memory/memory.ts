// class Memory: the public door of DESIGN.md section 5.

import { abortable, deadlineOf, throwIfAborted, watchAbort } from './abort.js';
import { Exchange, SYNC_LATENCY_AT, type Batch, type Call } from './exchange.js';
import {
  CALL_KEYS,
  NONE,
  checkCall,
  checkFilter,
  checkFlag,
  checkKeys,
} from './options.js';
import { checkOpen, checkPath } from './open_options.js';
import { ReadPace, noQueries, recordsOf } from './records.js';
import { forgetTarget, insertRows } from './changes.js';
import { checkQuery, checkQueryMany } from './queries.js';
import { idsOf } from './rows.js';
import { processMemory } from './process_memory.js';
import { WaitingLine, type Waiting } from './waiting_line.js';
import { timeOf } from './clock.js';
import { asRveError, rveError } from '../errors/index.js';
import { nativeAddon } from '../native.js';
import type {
  CallOptions,
  CheckOptions,
  CheckReport,
  Clock,
  ForgetResult,
  Ids,
  InsertOptions,
  InsertResult,
  MemoryRecord,
  MemoryStats,
  Metric,
  OpenOptions,
  QueryManyOptions,
  QueryManyResult,
  QueryOptions,
  QueryResult,
  ScanOptions,
} from './types.js';

/**
 * One open memory: one file, one writer. Made by Memory.open(). Inserts and forgets become durable
 * in the order they are called. It stays open until close() or the end of the process, which
 * closes it.
 */
export class Memory {
  readonly #exchange: Exchange;
  readonly #clock: Clock | undefined;
  readonly #line = new WaitingLine();
  readonly #dimensions: number;
  readonly #metric: Metric;
  readonly #path: string;
  readonly #readOnly: boolean;
  #closing: Promise<void> | undefined;

  private constructor(exchange: Exchange, path: string, clock: Clock | undefined) {
    this.#exchange = exchange;
    this.#clock = clock;
    this.#path = path;
    const stats = exchange.native.stats() as MemoryStats;
    this.#dimensions = stats.dimensions;
    this.#metric = stats.metric;
    this.#readOnly = stats.readOnly;
    exchange.lsnMax = Math.max(stats.writtenLsn, stats.durableLsn);
  }

  /**
   * Opens a memory, or creates it where the file is missing (`dimensions` is needed then). Reads
   * off this thread. Nothing is written to an existing file before the first insert.
   * @throws RveError ERR_BUSY (with the holder's pid), ERR_NOT_FOUND, ERR_PERMISSION,
   * ERR_NOT_A_STORE,
   *   ERR_VERSION, ERR_CONTRADICTION, ERR_CORRUPT, ERR_TRUNCATED, ERR_NOT_REGULAR, ERR_NO_SPACE,
   * ERR_IO,
   *   ERR_OPTION (also: no dimensions to create with), ERR_NOT_AVAILABLE, ERR_ARGUMENT
   */
  static async open(path: string, options: OpenOptions = NONE): Promise<Memory> {
    const checked = checkOpen(path, options);
    const { clock } = checked;
    const nowMs = clock === undefined ? undefined : timeOf(clock);
    const exchange = await Exchange.open(checked.path, checked.native, nowMs);
    return new Memory(exchange, checked.path, clock);
  }

  /** Reports on a store that need not open. Writes nothing. @throws RveError ERR_BUSY, ERR_IO ...
   * */
  static async check(path: string): Promise<CheckReport> {
    return nativeAddon().checkFile(checkPath(path)).catch(rethrow);
  }

  /**
   * Makes a store that refuses to open usable again as far as its bytes allow. The old file stays
   * beside it as PATH.damaged; the report says what was lost. @throws RveError ERR_BUSY, ERR_IO,
   * ERR_NO_SPACE ...
   */
  static async repair(path: string): Promise<CheckReport> {
    return nativeAddon().repairFile(checkPath(path)).catch(rethrow);
  }

  get path(): string {
    return this.#path;
  }

  /** Floats per vector. */
  get dimensions(): number {
    return this.#dimensions;
  }

  get metric(): Metric {
    return this.#metric;
  }

  get readOnly(): boolean {
    return this.#readOnly;
  }

  /** From the call of close() on. */
  get closed(): boolean {
    return this.#closing !== undefined;
  }

  /**
   * Stores the rows of `matrix` (n x dimensions, row-major). The input is copied before the call
   * returns. Resolves when the promise of the memory's durability holds. While the queue is full
   * it waits its turn; a signal or timeout takes it out of that line (ERR_ABORTED), but never once
   * it is under way.
   * @throws RveError ERR_DIMENSIONS, ERR_VECTOR, ERR_ID_TYPE, ERR_ID_RANGE, ERR_ID_DUPLICATE,
   * ERR_NAME,
   *   ERR_PAYLOAD, ERR_SYMBOLS, ERR_NO_SPACE, ERR_LATCHED, ERR_IO, ERR_READ_ONLY, ERR_CLOSED,
   * ERR_BUSY
   *   (64 MiB wait already), ERR_BATCH, ERR_OPTION, ERR_ARGUMENT, ERR_ABORTED
   */
  insert(
    matrix: Float32Array | readonly number[],
    options: InsertOptions = NONE,
  ): Promise<InsertResult> {
    return this.#insert(matrix, options, true);
  }

  /** As insert(), but never waits: while the queue is full it rejects with ERR_BUSY at once. */
  tryInsert(
    matrix: Float32Array | readonly number[],
    options: InsertOptions = NONE,
  ): Promise<InsertResult> {
    return this.#insert(matrix, options, false);
  }

  /**
   * Deletes records by id (unknown ones are skipped) or all records of a source. Resolves when the
   * deletion is as durable as an insert. Waits and aborts as insert() does.
   */
  forget(what: Ids | { source: string }, options: CallOptions = NONE): Promise<ForgetResult> {
    try {
      this.#checkWritable('forget');
      this.#checkCallOnly(options, 'forget');
      const target = forgetTarget(what);
      throwIfAborted(options);
      if (target.length === 0) return Promise.resolve({ count: 0, lsn: this.#exchange.lsnMax });
      let held = target;
      const bytes = typeof target === 'string' ? target.length : target.byteLength;
      return this.#change<ForgetResult>(
        options,
        true,
        bytes,
        (token) => this.#exchange.native.forget(token, held),
        () => {
          if (typeof held !== 'string') held = held.slice();
        },
      );
    } catch (error) {
      return Promise.reject(asRveError(error));
    }
  }

  /**
   * The k nearest records. A signal or timeout drops it at any time (ERR_ABORTED).
   * @throws RveError ERR_DIMENSIONS, ERR_VECTOR, ERR_OPTION, ERR_NOT_AVAILABLE, ERR_FILTER,
   * ERR_BUSY (the
   *   engine's queue of 65,536 reads is full), ERR_CLOSED, ERR_ABORTED, ERR_ARGUMENT
   */
  query(options: QueryOptions): Promise<QueryResult> {
    try {
      this.#checkOpen('query');
      const query = checkQuery(options, this.#dimensions);
      throwIfAborted(options);
      this.#exchange.buffers.syncVector.set(query.vector);
      return this.#read<QueryResult>(options, (token) => {
        const { k, ef, recall, filter, withEmbeddings, cancellable } = query;
        this.#exchange.native.query(token, k, ef, recall, filter, withEmbeddings, cancellable);
      });
    } catch (error) {
      return Promise.reject(asRveError(error));
    }
  }

  /** As query(), on this thread: no promise and no hop, but the event loop stands still meanwhile.
   * */
  querySync(options: QueryOptions): QueryResult {
    this.#checkOpen('query');
    const query = checkQuery(options, this.#dimensions);
    const { vector, k, ef, recall, filter, withEmbeddings } = query;
    throwIfAborted(options);
    const { native, buffers } = this.#exchange;
    buffers.syncVector.set(vector);
    let count: number;
    try {
      count = native.querySync(k, ef, recall, filter, withEmbeddings);
    } catch (error) {
      throw asRveError(error);
    }
    const words = buffers.syncWords;
    const result: QueryResult = {
      ids: words.slice(0, count),
      scores: buffers.syncScores.slice(0, count),
      latencyUs: words[SYNC_LATENCY_AT] as number,
      degraded: words[SYNC_LATENCY_AT + 1] === 1,
    };
    if (withEmbeddings)
      result.embeddings = native.takeEmbeddings().slice(0, count * this.#dimensions);
    return result;
  }

  /** Many queries at once, off this thread: n x dimensions in, n x k out, padded with -1 and NaN.
   * */
  queryMany(options: QueryManyOptions): Promise<QueryManyResult> {
    try {
      this.#checkOpen('queryMany');
      const query = checkQueryMany(options, this.#dimensions);
      throwIfAborted(options);
      if (query.rows === 0) return Promise.resolve(noQueries());
      return this.#read<QueryManyResult>(options, (token) => {
        const { vectors, k, ef, recall, filter, cancellable } = query;
        this.#exchange.native.queryMany(token, vectors, k, ef, recall, filter, cancellable);
      });
    } catch (error) {
      return Promise.reject(asRveError(error));
    }
  }

  /** Per id, in order: the record, or null where there is none. */
  async get(ids: Ids, options: CallOptions = NONE): Promise<(MemoryRecord | null)[]> {
    this.#checkOpen('get');
    this.#checkCallOnly(options, 'get');
    const wanted = idsOf(ids).slice();
    const deadline = deadlineOf(options);
    try {
      return await this.#getAll(wanted, deadline);
    } finally {
      deadline.release();
    }
  }

  /**
   * All records that match, by ascending id. Weakly consistent: each is one that was live at some
   * moment of the loop. Options are checked at the first step.
   */
  async *scan(options: ScanOptions = NONE): AsyncGenerator<MemoryRecord, void, undefined> {
    this.#checkOpen('scan');
    checkKeys(options, ['filter', ...CALL_KEYS], 'scan');
    checkCall(options);
    const filter = checkFilter(options.filter);
    const deadline = deadlineOf(options);
    const pace = new ReadPace();
    try {
      let next = 0;
      for (let end = false; !end;) {
        this.#checkOpen('scan');
        const from = next;
        const batch = await this.#read<Batch>(deadline, (token) => {
          this.#exchange.native.scan(token, filter, from);
        });
        for (const record of recordsOf(batch.records, this.#dimensions, pace)) {
          if (pace.due()) await pace.rest();
          throwIfAborted(deadline);
          if (record !== null) yield record;
        }
        next = batch.covered;
        end = batch.end;
      }
    } finally {
      deadline.release();
    }
  }

  /** @throws RveError ERR_NOT_AVAILABLE: learning comes with a later version. */
  async feedback(_feedback: unknown): Promise<never> {
    this.#checkOpen('feedback');
    throw rveError(
      'ERR_NOT_AVAILABLE',
      'Cannot learn from feedback: this version does not learn yet',
    );
  }

  /** Where the records are, what was done and what it cost: numbers, strings and flags only. */
  stats(): MemoryStats {
    this.#checkOpen('read statistics');
    const stats = this.#exchange.native.stats() as MemoryStats;
    return Object.assign(stats, processMemory());
  }

  /** Resolves when all that was called before is settled and survives power loss. */
  async flush(options: CallOptions = NONE): Promise<void> {
    this.#checkOpen('flush');
    this.#checkCallOnly(options, 'flush');
    throwIfAborted(options);
    await abortable(async () => {
      await this.#turn();
      await this.#exchange.settled();
      await this.#waitDurable(this.#exchange.lsnMax);
    }, options);
  }

  /** Resolves when everything up to `lsn`, as an insert reported it, survives power loss. */
  async waitDurable(lsn: number, options: CallOptions = NONE): Promise<void> {
    this.#checkOpen('wait');
    this.#checkCallOnly(options, 'waitDurable');
    throwIfAborted(options);
    const { lsnMax } = this.#exchange;
    if (!Number.isSafeInteger(lsn) || lsn < 0 || lsn > lsnMax) {
      throw rveError(
        'ERR_ARGUMENT',
        `No insert has reported the lsn ${lsn}, the largest is ${lsnMax}`,
      );
    }
    await abortable(() => this.#waitDurable(lsn), options);
  }

  /** Writes a checkpoint, so that the next open replays less. */
  async checkpoint(options: CallOptions = NONE): Promise<void> {
    await this.#background('checkpoint', options, (token) =>
      this.#exchange.native.checkpoint(token),
    );
  }

  /** Resolves when the background has done all it means to: seal, link, compact, recompress. */
  async settle(options: CallOptions = NONE): Promise<void> {
    await this.#background('settle', options, (token) => this.#exchange.native.settle(token));
  }

  /** Verifies every checksum of the live state, off this thread; `deep` audits the graphs too. */
  async check(options: CheckOptions = NONE): Promise<CheckReport> {
    this.#checkOpen('check');
    checkKeys(options, ['deep', ...CALL_KEYS], 'check');
    checkCall(options);
    const deep = checkFlag(options.deep, 'deep');
    throwIfAborted(options);
    return this.#read<CheckReport>(options, (token) => this.#exchange.native.check(token, deep));
  }

  /**
   * Ends the memory: inserts drain, queries get a second, background work stops at its next step,
   * the lock is released. New calls get ERR_CLOSED at once. Calling it again waits for the same
   * end.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    await this.#turn();
    await this.#exchange.settled();
    try {
      await this.#exchange.native.close();
    } catch (error) {
      throw asRveError(error);
    } finally {
      this.#exchange.abandon();
    }
  }

  /** Each call begins here: heat and intervals go by the caller's clock, where there is one. */
  #checkOpen(what: string): void {
    if (this.#closing !== undefined)
      throw rveError('ERR_CLOSED', `Cannot ${what}: the memory is closed`);
    if (this.#clock !== undefined) this.#exchange.native.setNow(timeOf(this.#clock));
  }

  #checkWritable(what: string): void {
    this.#checkOpen(what);
    if (this.#readOnly)
      throw rveError('ERR_READ_ONLY', `Cannot ${what}: the memory is open read-only`);
  }

  #checkCallOnly(options: CallOptions, what: string): void {
    if (options === NONE) return;
    checkKeys(options, CALL_KEYS, what);
    checkCall(options);
  }

  #insert(
    matrix: Float32Array | readonly number[],
    options: InsertOptions,
    mayWait: boolean,
  ): Promise<InsertResult> {
    try {
      this.#checkWritable('insert');
      const rows = insertRows(matrix, options, this.#dimensions, this.#clock);
      throwIfAborted(options);
      if (rows.matrix.length === 0) {
        return Promise.resolve({ ids: new Float64Array(0), lsn: this.#exchange.lsnMax });
      }
      const bytes = rows.matrix.byteLength + (rows.more?.payloadBytes?.length ?? 0);
      return this.#change<InsertResult>(
        options,
        mayWait,
        bytes,
        (token) =>
          this.#exchange.native.insert(token, rows.matrix, rows.ids, rows.times, rows.more),
        () => {
          rows.matrix = rows.matrix.slice();
          rows.ids = rows.ids?.slice();
          rows.times = rows.times?.slice();
        },
      );
    } catch (error) {
      return Promise.reject(asRveError(error));
    }
  }

  /**
   * Hands a change to the addon, or lets it wait in line behind those before it. `start` answers
   * false while the queue is full; `keep` copies what is not ours before the call returns.
   */
  #change<T>(
    options: CallOptions,
    mayWait: boolean,
    bytes: number,
    start: (token: number) => boolean,
    keep: () => void,
  ): Promise<T> {
    throwIfAborted(options);
    return new Promise<T>((resolve, reject) => {
      const call: Call = { resolve, reject, changes: true, dropped: false, release: undefined };
      const attempt = (): boolean => {
        let taken = true;
        const token = this.#exchange.start(call, (number) => {
          taken = start(number);
          if (taken) this.#exchange.changesTaken++;
        });
        if (!taken) this.#exchange.end(token);
        return taken;
      };
      if (this.#line.empty && attempt()) return;
      if (!mayWait) throw rveError('ERR_BUSY', 'Cannot insert: the queue is full');
      keep();
      this.#wait(call, options, bytes, attempt);
    });
  }

  /** Lets a change wait in line; from then on, and until its turn, an abort takes it out. */
  #wait(call: Call, options: CallOptions, bytes: number, attempt: () => boolean): void {
    const waiting: Waiting = {
      bytes,
      dropped: false,
      start: () => {
        if (!attempt()) return false;
        call.release?.(); // Under way now: a signal has no say any more.
        call.release = undefined;
        return true;
      },
    };
    this.#push(waiting);
    call.release = watchAbort(options, (error) => {
      this.#line.drop(waiting);
      call.reject(error);
    });
  }

  #push(waiting: Waiting): void {
    const first = this.#line.empty;
    this.#line.push(waiting);
    if (first) this.#exchange.whenRoom(() => this.#drain());
  }

  #drain(): void {
    if (!this.#line.drain()) {
      this.#exchange.whenRoom(() => this.#drain());
    }
  }

  /** Resolves when all changes called before have left the line. */
  #turn(): Promise<void> {
    if (this.#line.empty) return Promise.resolve();
    return new Promise((resolve) => {
      this.#line.push({
        bytes: 0,
        dropped: false,
        start: () => {
          resolve();
          return true;
        },
      });
    });
  }

  /** A call that changes nothing: an abort settles it at once, whatever the engine is at. */
  #read<T>(options: CallOptions, start: (token: number) => void): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const call: Call = { resolve, reject, changes: false, dropped: false, release: undefined };
      const token = this.#exchange.start(call, start);
      if (token < 0) return;
      call.release = watchAbort(options, (error) => {
        call.dropped = true;
        this.#exchange.native.cancel(token);
        reject(error);
      });
    });
  }

  async #getAll(ids: Float64Array, deadline: CallOptions): Promise<(MemoryRecord | null)[]> {
    const found: (MemoryRecord | null)[] = [];
    const pace = new ReadPace();
    while (found.length < ids.length) {
      this.#checkOpen('get');
      throwIfAborted(deadline);
      const rest = ids.subarray(found.length, found.length + GET_IDS_MAX);
      const batch = await this.#read<Batch>(deadline, (token) => {
        this.#exchange.native.get(token, rest);
      });
      for (const record of recordsOf(batch.records, this.#dimensions, pace)) {
        if (pace.due()) await pace.rest();
        found.push(record);
      }
    }
    return found;
  }

  #waitDurable(lsn: number): Promise<void> {
    return this.#exchange.run<void>((token) => this.#exchange.native.waitDurable(token, lsn));
  }

  async #background(
    what: string,
    options: CallOptions,
    start: (token: number) => void,
  ): Promise<void> {
    this.#checkWritable(what);
    this.#checkCallOnly(options, what);
    throwIfAborted(options);
    await abortable(async () => {
      await this.#turn();
      await this.#exchange.run<void>(start);
    }, options);
  }
}

/** Ids told to the addon in one step of get(). */
const GET_IDS_MAX = 1024;

function rethrow(error: unknown): never {
  throw asRveError(error);
}
