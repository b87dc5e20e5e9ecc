// Changes beside a full queue, step by step: a double of the addon says when the queue is full.

import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { NativeListener } from '../native.js';
import { Memory } from './index.js';
import { refuses } from './store.fixture.js';
import { WAITING_BYTES_MAX, WaitingLine, type Waiting } from './waiting_line.js';

/** What the addon was told, in order, and what it answers when the test says so. */
class AddonDouble {
  full = false;
  readonly told: string[] = [];
  readonly matrices: number[][] = [];
  readonly inboxWords = new Float64Array(64);
  roomWanted = 0;
  #listener!: NativeListener;
  #lsn = 0;
  readonly #tokens: number[] = [];

  open(_path: string, _options: object, listener: NativeListener): Promise<object> {
    this.#listener = listener;
    return Promise.resolve(this);
  }

  buffers(): object {
    return { inboxWords: this.inboxWords, inboxFloats: new Float32Array(8) };
  }

  stats(): object {
    return { dimensions: 2, metric: 'l2', readOnly: false, writtenLsn: 0, durableLsn: 0 };
  }

  insert(token: number, matrix: Float32Array): boolean {
    if (this.full) return false;
    this.told.push(`insert ${matrix[0]}`);
    this.matrices.push([...matrix.subarray(0, 2)]);
    this.#tokens.push(token);
    return true;
  }

  forget(token: number, what: Float64Array | string): boolean {
    if (this.full) return false;
    this.told.push(`forget ${typeof what === 'string' ? what : [...what].join()}`);
    this.#tokens.push(token);
    return true;
  }

  waitDurable(token: number, lsn: number): void {
    this.told.push(`waitDurable ${lsn}`);
    this.#hear([token, 0]);
  }

  settle(): void {
    this.told.push('settle');
  }

  onRoom(): void {
    this.roomWanted++;
  }

  close(): Promise<void> {
    this.told.push('close');
    return Promise.resolve();
  }

  /** The queue has room for as many calls as are made until it is full again. */
  room(): void {
    this.full = false;
    this.roomWanted--;
    this.#hear([0, 7]);
  }

  /** All changes taken are durable. */
  answer(): void {
    this.#hear(
      this.#tokens.splice(0).flatMap((token) => [token, 1, ++this.#lsn, 1, this.#lsn - 1]),
    );
  }

  #hear(words: number[]): void {
    this.inboxWords.set(words);
    this.#listener(words.length, [], false);
  }
}

let addon: AddonDouble;
vi.mock('../native.js', async (original) => ({
  ...(await original<object>()),
  nativeAddon: () => addon,
}));

const row = (value: number): Float32Array => Float32Array.of(value, value);

describe('beside a full queue', () => {
  let memory: Memory;
  beforeEach(async () => {
    addon = new AddonDouble();
    memory = await Memory.open('double.rve', { dimensions: 2 });
  });

  it('insert waits, in order, with a copy of its rows, and tryInsert does not', async () => {
    addon.full = true;
    const matrix = row(1);
    const done = [
      memory.insert(matrix),
      memory.insert(row(2)),
      memory.forget([9]),
      memory.insert(row(3)),
    ];
    matrix.fill(99);
    await refuses('ERR_BUSY', () => memory.tryInsert(row(4)));
    expect(addon.told).toEqual([]);
    expect(addon.roomWanted).toBe(1);
    addon.room();
    expect(addon.told).toEqual(['insert 1', 'insert 2', 'forget 9', 'insert 3']);
    expect(addon.matrices[0]).toEqual([1, 1]);
    addon.answer();
    expect((await Promise.all(done)).length).toBe(4);
    expect(addon.roomWanted).toBe(0);
  });

  it('lets no later call pass one that waits', async () => {
    addon.full = true;
    void memory.insert(row(1));
    addon.full = false;
    void memory.insert(row(2));
    void memory.forget({ source: 's' });
    await refuses('ERR_BUSY', () => memory.tryInsert(row(4)));
    addon.room();
    expect(addon.told).toEqual(['insert 1', 'insert 2', 'forget s']);
    void memory.tryInsert(row(5));
    expect(addon.told.at(-1)).toBe('insert 5');
  });

  it('asks for room again when the queue is full before the line is empty', () => {
    addon.full = true;
    for (let i = 0; i < 3; i++) void memory.insert(row(i));
    const insert = addon.insert.bind(addon);
    addon.insert = (token, matrix) => {
      const taken = insert(token, matrix);
      addon.full = true;
      return taken;
    };
    for (let i = 0; i < 3; i++) {
      addon.room();
      expect(addon.told).toEqual(Array.from({ length: i + 1 }, (_, n) => `insert ${n}`));
      expect(addon.roomWanted).toBe(i < 2 ? 1 : 0);
    }
  });

  it('an abort takes out what waits and leaves what is under way', async () => {
    const controller = new AbortController();
    const { signal } = controller;
    const under = memory.insert(row(1), { signal });
    addon.full = true;
    const waits = memory.insert(row(2), { signal });
    const behind = memory.insert(row(3));
    controller.abort(new Error('enough'));
    const error = await refuses('ERR_ABORTED', () => waits);
    expect(error.cause).toEqual(new Error('enough'));
    addon.room();
    expect(addon.told).toEqual(['insert 1', 'insert 3']);
    addon.answer();
    expect((await under).ids).toEqual(Float64Array.of(0));
    await behind;
  });

  it('a signal has no say once the call has left the line', async () => {
    const controller = new AbortController();
    addon.full = true;
    const done = memory.insert(row(1), { signal: controller.signal, timeoutMs: 1000 });
    addon.room();
    controller.abort();
    addon.answer();
    expect((await done).lsn).toBe(1);
  });

  it('flush waits for the line, for what is under way, and for the last position', async () => {
    addon.full = true;
    void memory.insert(row(1));
    let flushed = false;
    const flush = memory.flush().then(() => {
      flushed = true;
    });
    addon.room();
    await new Promise(setImmediate);
    expect(flushed).toBe(false);
    expect(addon.told).toEqual(['insert 1']);
    addon.answer();
    await flush;
    expect(addon.told).toEqual(['insert 1', 'waitDurable 1']);
  });

  it('close waits for the line and refuses what comes after', async () => {
    addon.full = true;
    const done = memory.insert(row(1));
    const closing = memory.close();
    await refuses('ERR_CLOSED', () => memory.insert(row(2)));
    expect(addon.told).toEqual([]);
    addon.room();
    addon.answer();
    await closing;
    expect((await done).lsn).toBe(1);
    expect(addon.told).toEqual(['insert 1', 'close']);
  });

  it('close rejects what the engine never answered', async () => {
    const never = refuses('ERR_CLOSED', () => memory.settle());
    await memory.close();
    await never;
    expect(addon.told).toEqual(['settle', 'close']);
  });

  it('refuses to let more wait than the bound, by name', async () => {
    addon.full = true;
    const large = new Float32Array(WAITING_BYTES_MAX / 8).fill(1); // Half the bound.
    const waits = Promise.allSettled([memory.insert(large), memory.insert(row(1))]);
    const error = await refuses('ERR_BUSY', () => memory.insert(large));
    expect(error.message).toContain('bytes wait');
    addon.room();
    addon.answer();
    expect((await waits).every((outcome) => outcome.status === 'fulfilled')).toBe(true);
  });
});

describe('WaitingLine', () => {
  const entry = (bytes: number, start: () => boolean): Waiting => ({
    bytes,
    start,
    dropped: false,
  });

  it('starts in order, and goes on where the queue stopped it', () => {
    const line = new WaitingLine();
    const started: number[] = [];
    let room = 0;
    for (let i = 0; i < 10; i++) {
      line.push(
        entry(1, () => {
          if (room === 0) return false;
          room--;
          started.push(i);
          return true;
        }),
      );
    }
    for (let step = 0; step < 5; step++) {
      room = 2;
      expect(line.drain()).toBe(step === 4);
    }
    expect(started).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(line.empty).toBe(true);
    expect(line.bytes).toBe(0);
  });

  it('refuses what would pass its bound, but never one alone nor one without rows', async () => {
    const line = new WaitingLine();
    line.push(entry(WAITING_BYTES_MAX * 2, () => true));
    await refuses('ERR_BUSY', () => line.push(entry(1, () => true)));
    line.push(entry(0, () => true));
    expect(line.drain()).toBe(true);
    expect(line.bytes).toBe(0);
    line.push(entry(WAITING_BYTES_MAX / 2, () => true));
    const dropped = entry(WAITING_BYTES_MAX / 4, () => true);
    line.push(dropped);
    await refuses('ERR_BUSY', () => line.push(entry(WAITING_BYTES_MAX / 2, () => true)));
    line.drop(dropped);
    line.push(entry(WAITING_BYTES_MAX / 4, () => true));
    expect(line.drain()).toBe(true);
    expect(line.bytes).toBe(0);
  });
});
