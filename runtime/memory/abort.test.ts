// A queue that is full for real, aborts and timeouts.

import { afterEach, describe, expect, it, vi } from 'vitest';
import type { RveError } from '../errors/index.js';
import { collect, fresh, refuses, rows } from './store.fixture.js';

describe('a queue that is full for real', () => {
  it('refuses tryInsert, and stores in order all that insert was given', async () => {
    const memory = await fresh({ dimensions: 1024, metric: 'l2' });
    const mib = rows(256, 1024);
    // In one turn of the event loop: 160 MiB are copied far faster than any disk takes them.
    const tries = Array.from({ length: 160 }, () => memory.tryInsert(mib));
    const waiting = Array.from({ length: 40 }, (_, i) => memory.insert(mib, { labels: `${i}` }));
    const outcomes = await Promise.allSettled(tries);
    const refused = outcomes.filter((outcome) => outcome.status === 'rejected');
    expect(refused.length).toBeGreaterThan(0);
    for (const { reason } of refused) expect((reason as RveError).code).toBe('ERR_BUSY');
    const firsts = (await Promise.all(waiting)).map(({ ids }) => ids[0] as number);
    expect(firsts).toEqual([...firsts].sort((a, b) => a - b));
    expect(memory.stats().live).toBe((tries.length - refused.length + waiting.length) * 256);
  });
});

describe('an abort', () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  it('that fired before the call stops every method from starting', async () => {
    const memory = await fresh();
    const options = { signal: AbortSignal.abort() };
    const vector = rows(1, 4);
    await refuses('ERR_ABORTED', () => memory.insert(vector, options));
    await refuses('ERR_ABORTED', () => memory.tryInsert(vector, options));
    await refuses('ERR_ABORTED', () => memory.forget([1], options));
    await refuses('ERR_ABORTED', () => memory.query({ vector, ...options }));
    await refuses('ERR_ABORTED', () => memory.querySync({ vector, ...options }));
    await refuses('ERR_ABORTED', () => memory.queryMany({ vectors: vector, ...options }));
    await refuses('ERR_ABORTED', () => memory.get([0], options));
    await refuses('ERR_ABORTED', () => collect(memory.scan(options)));
    await refuses('ERR_ABORTED', () => memory.flush(options));
    await refuses('ERR_ABORTED', () => memory.waitDurable(0, options));
    await refuses('ERR_ABORTED', () => memory.checkpoint(options));
    await refuses('ERR_ABORTED', () => memory.settle(options));
    await refuses('ERR_ABORTED', () => memory.check(options));
    expect(memory.stats().inserts).toBe(0);
  });

  it('settles reads at once, whatever they are at', async () => {
    const memory = await fresh();
    await memory.insert(rows(1000, 4));
    const controller = new AbortController();
    const { signal } = controller;
    const vector = rows(1, 4);
    const calls = [
      memory.query({ vector, signal }),
      memory.queryMany({ vectors: rows(100, 4), signal }),
      memory.get([1], { signal }),
      memory.check({ signal }),
      memory.flush({ signal }),
      memory.waitDurable(0, { signal }),
      memory.settle({ signal }),
      collect(memory.scan({ signal })),
    ].map((call) => refuses('ERR_ABORTED', () => call));
    controller.abort();
    await Promise.all(calls);
    // The memory is none the worse.
    expect((await memory.query({ vector, k: 3 })).ids.length).toBe(3);
  });

  it('by timeout names the time that was over', async () => {
    const memory = await fresh();
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const late = memory.queryMany({ vectors: rows(200, 4), timeoutMs: 30 });
    const scan = collect(memory.scan({ timeoutMs: 30 }));
    vi.advanceTimersByTime(30);
    const error = await refuses('ERR_ABORTED', () => late);
    expect(error.message).toContain('30 ms');
    await refuses('ERR_ABORTED', () => scan);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('leaves no timer and no listener behind a call that ended', async () => {
    const memory = await fresh();
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const { signal } = new AbortController();
    const add = vi.spyOn(signal, 'addEventListener');
    const remove = vi.spyOn(signal, 'removeEventListener');
    const options = { signal, timeoutMs: 1000 };
    const vector = rows(1, 4);
    await memory.insert(vector, options);
    await memory.query({ vector, ...options });
    await memory.get([0], options);
    await collect(memory.scan(options));
    await memory.flush(options);
    await refuses('ERR_DIMENSIONS', () => memory.query({ vector: [1], ...options }));
    expect(vi.getTimerCount()).toBe(0);
    expect(remove).toHaveBeenCalledTimes(add.mock.calls.length);
  });
});
