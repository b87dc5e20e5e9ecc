import { describe, expect, it } from 'vitest';
import { ManualClock, Memory } from './index.js';
import { collect, fresh, freshPath, open, refuses, rows } from './store.fixture.js';

const X = [1, 0, 0, 0];
const Y = [0, 1, 0, 0];

describe('insert', () => {
  it('assigns ids from 0 in order and gives them as a Float64Array', async () => {
    const memory = await fresh();
    const first = await memory.insert(rows(3, 4));
    const second = await memory.insert(rows(2, 4, 2));
    expect(first.ids).toEqual(Float64Array.of(0, 1, 2));
    expect(second.ids).toEqual(Float64Array.of(3, 4));
    expect(second.lsn).toBeGreaterThan(first.lsn);
  });

  it('keeps assigned ids above every given one', async () => {
    const memory = await fresh();
    await memory.insert(rows(1, 4), { ids: [1000] });
    expect((await memory.insert(rows(1, 4))).ids).toEqual(Float64Array.of(1001));
  });

  it('replaces a record whose id is given again', async () => {
    const memory = await fresh();
    await memory.insert(Float32Array.from(X), { ids: [7], labels: 'old' });
    await memory.insert(Float32Array.from(Y), { ids: Float64Array.of(7), labels: 'new' });
    const [record] = await memory.get([7]);
    expect(record).toMatchObject({ id: 7, label: 'new', vector: Float32Array.from(Y) });
    expect(memory.stats().live).toBe(1);
  });

  it('has copied every argument when it returns', async () => {
    const memory = await fresh({ metric: 'l2' });
    const matrix = Float32Array.of(1, 2, 3, 4);
    const ids = Float64Array.of(5);
    const times = Float64Array.of(1000);
    const payload = Uint8Array.of(9, 9);
    const labels = ['a'];
    const done = memory.insert(matrix, { ids, times, payloads: [payload], labels });
    matrix.fill(0);
    ids[0] = 6;
    times[0] = 0;
    payload.fill(0);
    labels[0] = 'b';
    await done;
    expect(await memory.get([5, 6])).toEqual([
      {
        id: 5,
        vector: Float32Array.of(1, 2, 3, 4),
        time: 1000,
        source: null,
        label: 'a',
        payload: Uint8Array.of(9, 9),
        tier: 'hot',
      },
      null,
    ]);
  });

  it('returns before the record is stored', async () => {
    const memory = await fresh();
    let stored = false;
    const done = memory.insert(rows(1, 4)).then(() => {
      stored = true;
    });
    await Promise.resolve();
    expect(stored).toBe(false);
    await done;
  });

  it('refuses NaN, Inf, numbers beyond a float and the zero vector under cosine', async () => {
    const memory = await fresh();
    for (const bad of [NaN, Infinity, -Infinity, 1e39]) {
      await refuses('ERR_VECTOR', () => memory.insert([1, 0, bad, 0]));
      await refuses('ERR_VECTOR', () => memory.query({ vector: [1, 0, bad, 0] }));
      await refuses('ERR_VECTOR', () => memory.querySync({ vector: [1, 0, bad, 0] }));
      await refuses('ERR_VECTOR', () =>
        memory.queryMany({ vectors: Float32Array.of(1, 0, bad, 0) }),
      );
    }
    await refuses('ERR_VECTOR', () => memory.insert([1, 0, 0, 0, 0, 0, 0, 0]));
    await refuses('ERR_VECTOR', () => memory.insert(['1', 0, 0, 0] as unknown as number[]));
    expect(memory.stats().live).toBe(0);
  });

  it('takes a zero vector under l2', async () => {
    const memory = await fresh({ metric: 'l2' });
    await memory.insert([0, 0, 0, 0]);
    expect((await memory.query({ vector: X })).scores).toEqual(Float32Array.of(1));
  });

  it('refuses a matrix of another length or type', async () => {
    const memory = await fresh();
    await refuses('ERR_DIMENSIONS', () => memory.insert(rows(1, 5)));
    await refuses('ERR_ARGUMENT', () => memory.insert(new Float64Array(4) as never));
    await refuses('ERR_ARGUMENT', () => memory.insert(undefined as never));
    await refuses('ERR_ARGUMENT', () => memory.insert('1,0,0,0' as never));
  });

  it('resolves for no rows without storing any', async () => {
    const memory = await fresh();
    expect((await memory.insert(new Float32Array(0))).ids).toEqual(new Float64Array(0));
    expect(memory.stats().live).toBe(0);
  });

  it('stores a known sequence once and answers -1 for it', async () => {
    const memory = await fresh();
    const from = { source: 'pump-3', boot: 77 };
    await memory.insert(rows(2, 4), { ...from, sequence: 10 });
    const again = await memory.insert(rows(2, 4), { ...from, sequence: 11 });
    expect(again.ids[0]).toBe(-1);
    expect(again.ids[1]).toBeGreaterThanOrEqual(0);
    await memory.waitDurable(again.lsn);
    expect(memory.stats().live).toBe(3);
    // Another boot starts its count anew.
    expect((await memory.insert(rows(1, 4), { ...from, boot: 78, sequence: 10 })).ids[0]).not.toBe(
      -1,
    );
  });

  it("fills times from the memory's clock, else from the machine's", async () => {
    const clock = new ManualClock(1_000_000);
    const path = freshPath();
    const memory = await open(path, { dimensions: 4, clock });
    await memory.insert(rows(2, 4));
    clock.advance(500);
    await memory.insert(rows(1, 4));
    expect((await memory.get([0, 1, 2])).map((record) => record?.time)).toEqual([
      1e6, 1e6, 1_000_500,
    ]);
    await memory.close();
    const plain = await open(path);
    await plain.insert(rows(1, 4));
    const time = (await plain.get([3]))[0]?.time ?? 0;
    expect(time).toBeGreaterThan(clock.now());
    expect(Number.isInteger(time)).toBe(true);
  });

  it('drops the fraction of a time, before 1970 too', async () => {
    const memory = await fresh();
    await memory.insert(rows(2, 4), { times: [1.9, -1.5] });
    expect((await memory.get([0, 1])).map((record) => record?.time)).toEqual([1, -2]);
  });
});

describe('ids', () => {
  it('refuses BigInt, strings and other arrays', async () => {
    const memory = await fresh();
    const bad: unknown[] = [
      [1n],
      BigInt64Array.of(1n),
      ['1'],
      [null],
      Int32Array.of(1),
      1,
      '1',
      { 0: 1 },
    ];
    for (const ids of bad) {
      await refuses('ERR_ID_TYPE', () => memory.insert(rows(1, 4), { ids: ids as number[] }));
      await refuses('ERR_ID_TYPE', () => memory.get(ids as number[]));
      await refuses('ERR_ID_TYPE', () => memory.forget(ids as number[]));
    }
  });

  it('refuses what is negative, fractional or above 2^48 - 1', async () => {
    const memory = await fresh();
    for (const id of [-1, 0.5, 2 ** 48, NaN, Infinity]) {
      for (const ids of [[id], Float64Array.of(id)]) {
        await refuses('ERR_ID_RANGE', () => memory.insert(rows(1, 4), { ids }));
        await refuses('ERR_ID_RANGE', () => memory.get(ids));
        await refuses('ERR_ID_RANGE', () => memory.forget(ids));
      }
    }
    await memory.insert(rows(1, 4), { ids: [2 ** 48 - 1] });
    expect((await memory.get([2 ** 48 - 1]))[0]?.id).toBe(2 ** 48 - 1);
  });

  it("refuses an id twice in one call, and a count other than the rows'", async () => {
    const memory = await fresh();
    await refuses('ERR_ID_DUPLICATE', () => memory.insert(rows(2, 4), { ids: [1, 1] }));
    await refuses('ERR_ARGUMENT', () => memory.insert(rows(2, 4), { ids: [1] }));
    expect(memory.stats().live).toBe(0);
  });
});

describe('query', () => {
  it('gives the nearest first, the same on both paths', async () => {
    const memory = await fresh();
    await memory.insert(Float32Array.from([...X, ...Y, 1, 1, 0, 0]));
    const hit = await memory.query({ vector: X, k: 2 });
    expect(hit.ids).toEqual(Float64Array.of(0, 2));
    expect(hit.scores[0]).toBeCloseTo(1, 5);
    expect(hit.scores[1]).toBeCloseTo(Math.SQRT1_2, 3);
    expect(hit.degraded).toBe(false);
    expect(hit.latencyUs).toBeGreaterThanOrEqual(0);
    const now = memory.querySync({ vector: Float32Array.from(X), k: 2 });
    expect(now.ids).toEqual(hit.ids);
    expect(now.scores).toEqual(hit.scores);
  });

  it('gives fewer than k results where fewer match', async () => {
    const memory = await fresh();
    await memory.insert(Float32Array.from([...X, ...Y]));
    expect((await memory.query({ vector: X, k: 10 })).ids.length).toBe(2);
    expect(memory.querySync({ vector: X }).scores.length).toBe(2);
    await memory.forget([0, 1]);
    expect((await memory.query({ vector: X })).ids).toEqual(new Float64Array(0));
  });

  it('holds up to 1024 results on both paths', async () => {
    const memory = await fresh({ metric: 'l2' });
    await memory.insert(rows(1100, 4));
    const vector = rows(1, 4, 9);
    const hit = await memory.query({ vector, k: 1024, ef: 4096 });
    const now = memory.querySync({ vector, k: 1024, ef: 4096 });
    expect(hit.ids.length).toBe(1024);
    expect(now.ids).toEqual(hit.ids);
    expect(now.scores).toEqual(hit.scores);
    expect([...hit.scores]).toEqual([...hit.scores].sort((a, b) => a - b));
  });

  it('does not change earlier results with later ones', async () => {
    const memory = await fresh();
    await memory.insert(Float32Array.from([...X, ...Y]));
    const first = memory.querySync({ vector: X, k: 1 });
    memory.querySync({ vector: Y, k: 1 });
    expect(first.ids).toEqual(Float64Array.of(0));
    const [a, b] = await Promise.all([
      memory.query({ vector: X, k: 1 }),
      memory.query({ vector: Y, k: 1 }),
    ]);
    expect([a.ids[0], b.ids[0]]).toEqual([0, 1]);
  });

  it('reads its vector before it returns', async () => {
    const memory = await fresh();
    await memory.insert(Float32Array.from([...X, ...Y]));
    const vector = Float32Array.from(X);
    const asked = memory.query({ vector, k: 1 });
    vector.set(Y);
    expect((await asked).ids).toEqual(Float64Array.of(0));
  });

  it('gives embeddings as get() gives them', async () => {
    const memory = await fresh();
    await memory.insert(Float32Array.from([2, 0, 0, 0, 0, 3, 0, 0]));
    const hit = await memory.query({ vector: X, k: 2, withEmbeddings: true });
    const now = memory.querySync({ vector: X, k: 5, withEmbeddings: true });
    expect(hit.embeddings).toEqual(Float32Array.of(2, 0, 0, 0, 0, 3, 0, 0));
    expect(now.embeddings).toEqual(hit.embeddings);
    expect((await memory.query({ vector: X })).embeddings).toBeUndefined();
  });

  it('pads queryMany with -1 and NaN and counts what it found', async () => {
    const memory = await fresh();
    await memory.insert(Float32Array.from([...X, ...Y]));
    const all = await memory.queryMany({ vectors: Float32Array.from([...Y, ...X]), k: 3 });
    expect(all.ids).toEqual(Float64Array.of(1, 0, -1, 0, 1, -1));
    expect(all.counts).toEqual(Uint32Array.of(2, 2));
    expect(all.scores.length).toBe(6);
    expect(all.scores[0]).toBeCloseTo(1, 5);
    expect([all.scores[2], all.scores[5]]).toEqual([NaN, NaN]);
    expect((await memory.queryMany({ vectors: new Float32Array(0) })).ids.length).toBe(0);
    await refuses('ERR_DIMENSIONS', () => memory.queryMany({ vectors: rows(1, 5) }));
  });

  it('gives squared distances for l2 and products for ip', async () => {
    const l2 = await fresh({ metric: 'l2' });
    await l2.insert(Float32Array.of(3, 0, 0, 0));
    expect((await l2.query({ vector: X })).scores[0]).toBeCloseTo(4, 3);
    const ip = await fresh({ metric: 'ip' });
    await ip.insert(Float32Array.of(3, 0, 0, 0));
    expect((await ip.query({ vector: [2, 0, 0, 0] })).scores[0]).toBeCloseTo(6, 3);
  });

  it('filters by source, labels and half-open times', async () => {
    const memory = await fresh();
    await memory.insert(rows(2, 4), { source: 'a', labels: ['x', null], times: [10, 20] });
    await memory.insert(rows(2, 4, 3), { source: 'b', labels: 'y', times: [30, 40] });
    const idsOf = async (filter: object): Promise<number[]> => {
      const { ids } = await memory.query({ vector: X, filter });
      expect(memory.querySync({ vector: X, filter }).ids).toEqual(ids);
      return [...ids].sort();
    };
    expect(await idsOf({ source: 'a' })).toEqual([0, 1]);
    expect(await idsOf({ source: 'nobody' })).toEqual([]);
    expect(await idsOf({ label: 'x' })).toEqual([0]);
    expect(await idsOf({ label: ['x', 'y'] })).toEqual([0, 2, 3]);
    expect(await idsOf({ from: 20, to: 40 })).toEqual([1, 2]);
    expect(await idsOf({ from: 19.5, to: 20.5 })).toEqual([1]);
    expect(await idsOf({ source: 'b', label: 'y', from: 31 })).toEqual([3]);
    expect(await idsOf({})).toEqual([0, 1, 2, 3]);
  });
});

describe('get, scan and forget', () => {
  it('gives records in the order of the ids, null for the unknown', async () => {
    const memory = await fresh();
    await memory.insert(Float32Array.of(0, 2, 0, 0), {
      source: 's',
      labels: 'l',
      times: [5],
      payloads: [{ a: 1 }],
    });
    const record = {
      id: 0,
      vector: Float32Array.of(0, 2, 0, 0),
      time: 5,
      source: 's',
      label: 'l',
      payload: { a: 1 },
      tier: 'hot',
    };
    expect(await memory.get([9, 0, 0])).toEqual([null, record, record]);
    expect(await memory.get([])).toEqual([]);
  });

  it('gets more ids than one step reads', async () => {
    const memory = await fresh({ metric: 'l2' });
    const matrix = rows(3000, 4);
    await memory.insert(matrix);
    const ids = Float64Array.from({ length: 3000 }, (_, i) => 2999 - i);
    const records = await memory.get(ids);
    expect(records.map((record) => record?.id)).toEqual([...ids]);
    expect(records[0]?.vector).toEqual(matrix.slice(2999 * 4));
  });

  it('scans all that match, by ascending id', async () => {
    const memory = await fresh();
    await memory.insert(rows(700, 4), { source: 'a' });
    await memory.insert(rows(10, 4), { source: 'b' });
    await memory.forget([5]);
    const ids = (await collect(memory.scan())).map((record) => record.id);
    expect(ids).toEqual(Array.from({ length: 710 }, (_, i) => i).filter((id) => id !== 5));
    expect((await collect(memory.scan({ filter: { source: 'b' } }))).length).toBe(10);
    for await (const record of memory.scan()) {
      expect(record.id).toBe(0);
      break;
    }
  });

  it('forgets by id and by source and counts what is gone', async () => {
    const memory = await fresh();
    await memory.insert(rows(3, 4), { source: 'a' });
    await memory.insert(rows(2, 4), { source: 'b' });
    expect((await memory.forget([0, 0, 99])).count).toBe(1);
    expect((await memory.forget({ source: 'b' })).count).toBe(2);
    expect((await memory.forget({ source: 'b' })).count).toBe(0);
    expect((await memory.forget([])).count).toBe(0);
    expect((await collect(memory.scan())).map((record) => record.id)).toEqual([1, 2]);
  });
});

describe('a memory opened again', () => {
  it('has every record, and goes on with the next id', async () => {
    const path = freshPath();
    const memory = await open(path, { dimensions: 4, metric: 'ip' });
    await memory.insert(rows(3, 4), {
      source: 's',
      labels: ['a', 'b', 'c'],
      payloads: [1, 'two', [3]],
    });
    await memory.forget([1]);
    const before = await memory.get([0, 1, 2]);
    await memory.close();
    const again = await open(path);
    expect(again.dimensions).toBe(4);
    expect(again.metric).toBe('ip');
    expect(await again.get([0, 1, 2])).toEqual(before);
    expect((await again.insert(rows(1, 4))).ids).toEqual(Float64Array.of(3));
  });

  it('knows the sequences that it stored', async () => {
    const path = freshPath();
    const from = { source: 's', boot: 1, sequence: 5 };
    const memory = await open(path, { dimensions: 4 });
    await memory.insert(rows(1, 4), from);
    await memory.close();
    expect((await (await open(path)).insert(rows(1, 4), from)).ids).toEqual(Float64Array.of(-1));
  });

  it('refuses options that contradict the file', async () => {
    const path = freshPath();
    await (await open(path, { dimensions: 4, metric: 'l2' })).close();
    await refuses('ERR_CONTRADICTION', () => Memory.open(path, { dimensions: 5 }));
    await refuses('ERR_CONTRADICTION', () => Memory.open(path, { metric: 'cosine' }));
    await (await open(path, { dimensions: 4, metric: 'l2' })).close();
  });
});

describe('waiting and statistics', () => {
  it('flushes what was called before, awaited or not', async () => {
    const memory = await fresh({ durability: 'buffered' });
    const stored: number[] = [];
    for (let i = 0; i < 50; i++) void memory.insert(rows(1, 4)).then(() => stored.push(i));
    await memory.flush();
    expect(stored.length).toBe(50);
    const { durableLsn, writtenLsn } = memory.stats();
    expect(durableLsn).toBe(writtenLsn);
  });

  it('waits for positions that an insert reported, and refuses others', async () => {
    const memory = await fresh();
    const { lsn } = await memory.insert(rows(1, 4));
    await memory.waitDurable(lsn);
    await memory.waitDurable(0);
    for (const bad of [lsn + 1, -1, 0.5, NaN, '1']) {
      await refuses('ERR_ARGUMENT', () => memory.waitDurable(bad as number));
    }
  });

  it('tells statistics that JSON can hold', async () => {
    const memory = await fresh();
    await memory.insert(rows(2, 4), { source: 's', labels: 'l' });
    const stats = memory.stats();
    expect(stats).toMatchObject({
      dimensions: 4,
      metric: 'cosine',
      live: 2,
      readOnly: false,
      path: memory.path,
    });
    expect(stats.tiers.map(({ tier }) => tier)).toEqual([
      'hot',
      'warm',
      'cool',
      'cold',
      'archive',
    ]);
    for (const { vectors, bytes, heat } of stats.tiers) {
      expect(heat).toHaveLength(8);
      expect(heat.reduce((sum, bin) => sum + bin)).toBe(vectors);
      expect(bytes).toBeGreaterThanOrEqual(0);
    }
    expect(stats.codebook).toMatchObject({ id: 0, sampleRows: 0, trained: 0 });
    expect(stats).toMatchObject({ tierShare: 1, recompressions: 0, recompressedVectors: 0 });
    expect(stats.rss).toBeGreaterThan(1e6);
    expect(stats.rssAnon).toBeGreaterThan(1e6);
    expect(stats.rssAnon).toBeLessThanOrEqual(stats.rss);
    expect(JSON.parse(JSON.stringify(stats))).toEqual(stats);
  });

  it('checks itself, settles and checkpoints', async () => {
    const memory = await fresh();
    await memory.insert(rows(10, 4));
    await memory.checkpoint();
    await memory.settle();
    for (const deep of [false, true]) {
      expect(await memory.check({ deep })).toMatchObject({
        ok: true,
        damaged: [],
        lost: 0,
        holes: 0,
      });
    }
  });

  // Seen by what the engine does by its own clock: at "interval" it syncs once a minute has passed.
  it('lets the time pass by which its clock is advanced, and none for a step back', async () => {
    const clock = new ManualClock(1e12);
    const memory = await fresh({ clock, durability: 'interval', intervalMs: 60_000 });
    const insert = async () => (await memory.insert(rows(1, 4))).lsn;
    // A group is written before the sync that is due after the one before it is told of.
    const durable = async () => {
      await insert();
      await insert();
      return memory.stats().durableLsn;
    };
    const before = await durable();
    clock.set(0);
    expect(await durable()).toBe(before);
    clock.set(1e12);
    expect(await durable()).toBe(before);
    const lsn = await insert();
    clock.advance(3_600_000);
    expect(await durable()).toBeGreaterThanOrEqual(lsn);
  });

  it('refuses a clock that shows no time, at open and later', async () => {
    let now = NaN;
    const clock = { now: () => now };
    await refuses('ERR_ARGUMENT', () => fresh({ clock }));
    now = 1;
    const memory = await fresh({ clock });
    now = Infinity;
    await refuses('ERR_ARGUMENT', () => memory.insert(rows(1, 4)));
    await refuses('ERR_ARGUMENT', () => memory.get([0]));
    now = 2;
    await memory.insert(rows(1, 4));
    expect(memory.stats().live).toBe(1);
  });

  it('has a clock that shows only times a Date can', () => {
    const clock = new ManualClock(5);
    clock.set(-5);
    expect(clock.now()).toBe(-5);
    for (const bad of [NaN, Infinity, 8.65e15]) expect(() => clock.set(bad)).toThrow('clock');
    expect(clock.now()).toBe(-5);
  });
});
