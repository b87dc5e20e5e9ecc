// Every option that is unknown, of a wrong kind or not honoured yet, is refused by name.

import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { RveCode } from '../errors/index.js';
import { Memory } from './index.js';
import { collect, fresh, freshPath, open, refuses, rows } from './store.fixture.js';

type Bad = [options: unknown, code: RveCode];

const CALL: Bad[] = [
  [{ unknown: 1 }, 'ERR_OPTION'],
  [{ signal: {} }, 'ERR_OPTION'],
  [{ timeoutMs: 0 }, 'ERR_OPTION'],
  [{ timeoutMs: 1.5 }, 'ERR_OPTION'],
  [{ timeoutMs: '10' }, 'ERR_OPTION'],
  [{ timeoutMs: 2 ** 31 }, 'ERR_OPTION'],
  [null, 'ERR_ARGUMENT'],
  [7, 'ERR_ARGUMENT'],
  [[], 'ERR_ARGUMENT'],
];

const OPEN: Bad[] = [
  [{ profile: 'fast' }, 'ERR_OPTION'],
  [{ profile: 2 }, 'ERR_OPTION'],
  [{ originals: 'forget' }, 'ERR_OPTION'],
  [{ originals: true }, 'ERR_OPTION'],
  [{ bytesMax: 0 }, 'ERR_OPTION'],
  [{ bytesMax: 1.5 }, 'ERR_OPTION'],
  [{ bytesRatioMax: 0.049 }, 'ERR_OPTION'],
  [{ bytesRatioMax: 4.01 }, 'ERR_OPTION'],
  [{ bytesRatioMax: '0.3' }, 'ERR_OPTION'],
  [{ hotThreshold: 1.01 }, 'ERR_OPTION'],
  [{ hotThreshold: NaN }, 'ERR_OPTION'],
  [{ coldThreshold: -0.01 }, 'ERR_OPTION'],
  [{ hotThreshold: 0.4 }, 'ERR_OPTION'],
  [{ warmThreshold: 0.8 }, 'ERR_OPTION'],
  [{ coolThreshold: 0.5, warmThreshold: 0.4 }, 'ERR_OPTION'],
  [{ coldThreshold: 0.1 }, 'ERR_OPTION'],
  [{ promotionThreshold: 0.99 }, 'ERR_OPTION'],
  [{ promotionThreshold: 11 }, 'ERR_OPTION'],
  [{ demotionThreshold: -0.1 }, 'ERR_OPTION'],
  [{ demotionThreshold: 1.1 }, 'ERR_OPTION'],
  [{ accessDecayHalflifeS: 0 }, 'ERR_OPTION'],
  [{ accessDecayHalflifeS: 31_536_001 }, 'ERR_OPTION'],
  [{ accessDecayHalflifeS: Infinity }, 'ERR_OPTION'],
  [{ recompressIntervalS: 0 }, 'ERR_OPTION'],
  [{ recompressIntervalS: 86_401 }, 'ERR_OPTION'],
  [{ coolBits: 4.4 }, 'ERR_OPTION'],
  [{ coolBits: 8.1 }, 'ERR_OPTION'],
  [{ coldBits: 1.9 }, 'ERR_OPTION'],
  [{ coldBits: 4.6 }, 'ERR_OPTION'],
  [{ codebookSampleSize: 63 }, 'ERR_OPTION'],
  [{ codebookSampleSize: 8193 }, 'ERR_OPTION'],
  [{ codebookUpdateFreq: 0 }, 'ERR_OPTION'],
  [{ codebookUpdateFreq: 1e9 + 1 }, 'ERR_OPTION'],
  ...[
    ...['maxNodes', 'gnnLayers', 'gnnHiddenDim', 'gnnHeads', 'learningRate', 'batchSize'],
    ...['negativeSamples', 'pqSubvectors', 'pq8Centroids', 'pq4Centroids', 'outlierThreshold'],
    ...['entropyCoder', 'residualBits', 'decompressCacheSizeMb', 'codebookIterations'],
    ...['prefetchDepth', 'temperature'],
  ].map((key): Bad => [{ [key]: 1 }, 'ERR_NOT_AVAILABLE']),
  [{ dimension: 4 }, 'ERR_OPTION'],
  [{ dimensions: 0 }, 'ERR_OPTION'],
  [{ dimensions: 4097 }, 'ERR_OPTION'],
  [{ dimensions: 4.5 }, 'ERR_OPTION'],
  [{ dimensions: '4' }, 'ERR_OPTION'],
  [{ metric: 'euclid' }, 'ERR_OPTION'],
  [{ metric: 'toString' }, 'ERR_OPTION'],
  [{ durability: 'none' }, 'ERR_OPTION'],
  [{ readOnly: 1 }, 'ERR_OPTION'],
  [{ lingerMs: -1 }, 'ERR_OPTION'],
  [{ lingerMs: 60_001 }, 'ERR_OPTION'],
  [{ intervalMs: 9 }, 'ERR_OPTION'],
  [{ fileBytesMax: 0 }, 'ERR_OPTION'],
  [{ hnswM: 3 }, 'ERR_OPTION'],
  [{ hnswM: 49 }, 'ERR_OPTION'],
  [{ hnswEfConstruction: 15 }, 'ERR_OPTION'],
  [{ hnswEfSearch: 4097 }, 'ERR_OPTION'],
  [{ clock: {} }, 'ERR_OPTION'],
  [{ clock: null }, 'ERR_OPTION'],
  [{ signal: new AbortController().signal }, 'ERR_OPTION'],
  [null, 'ERR_ARGUMENT'],
];

const QUERY: Bad[] = [
  ...CALL.filter(
    ([options]) => typeof options === 'object' && options !== null && !Array.isArray(options),
  ),
  [{ mode: 'neural' }, 'ERR_NOT_AVAILABLE'],
  [{ mode: 'subgraph' }, 'ERR_NOT_AVAILABLE'],
  [{ mode: 'differentiable' }, 'ERR_NOT_AVAILABLE'],
  [{ mode: 'exact' }, 'ERR_OPTION'],
  [{ depth: 1 }, 'ERR_NOT_AVAILABLE'],
  [{ temperature: 1 }, 'ERR_NOT_AVAILABLE'],
  [{ withAttention: true }, 'ERR_NOT_AVAILABLE'],
  [{ k: 0 }, 'ERR_OPTION'],
  [{ k: 1025 }, 'ERR_OPTION'],
  [{ k: '3' }, 'ERR_OPTION'],
  [{ ef: 0 }, 'ERR_OPTION'],
  [{ ef: 4097 }, 'ERR_OPTION'],
  [{ recall: 0.49 }, 'ERR_OPTION'],
  [{ recall: 1 }, 'ERR_OPTION'],
  [{ recall: '0.9' }, 'ERR_OPTION'],
  [{ recall: NaN }, 'ERR_OPTION'],
  [{ recall: 0.9, ef: 64 }, 'ERR_OPTION'],
  [{ filter: null }, 'ERR_ARGUMENT'],
  [{ filter: { sources: 'a' } }, 'ERR_FILTER'],
  [{ filter: { source: '' } }, 'ERR_FILTER'],
  [{ filter: { source: 7 } }, 'ERR_FILTER'],
  [{ filter: { label: [] } }, 'ERR_FILTER'],
  [{ filter: { label: ['a', null] } }, 'ERR_FILTER'],
  [{ filter: { label: 'x'.repeat(257) } }, 'ERR_FILTER'],
  [{ filter: { from: 'yesterday' } }, 'ERR_FILTER'],
  [{ filter: { to: NaN } }, 'ERR_FILTER'],
  [{ filter: { from: new Date() } }, 'ERR_FILTER'],
];

const INSERT: Bad[] = [
  ...CALL,
  [{ id: [1] }, 'ERR_OPTION'],
  [{ source: '' }, 'ERR_NAME'],
  [{ source: 'x'.repeat(257) }, 'ERR_NAME'],
  [{ source: 'é'.repeat(129) }, 'ERR_NAME'],
  [{ source: 'half \ud800' }, 'ERR_NAME'],
  [{ source: 'zero \0' }, 'ERR_NAME'],
  [{ source: 3 }, 'ERR_ARGUMENT'],
  [{ labels: '' }, 'ERR_NAME'],
  [{ labels: ['', 'b'] }, 'ERR_NAME'],
  [{ labels: ['a'] }, 'ERR_ARGUMENT'],
  [{ labels: 7 }, 'ERR_ARGUMENT'],
  [{ times: [1] }, 'ERR_ARGUMENT'],
  [{ times: [1, NaN] }, 'ERR_ARGUMENT'],
  [{ times: [1, 1e16] }, 'ERR_ARGUMENT'],
  [{ times: [1, '2'] }, 'ERR_ARGUMENT'],
  [{ times: new Float32Array(2) }, 'ERR_ARGUMENT'],
  [{ boot: 1 }, 'ERR_ARGUMENT'],
  [{ sequence: 1 }, 'ERR_ARGUMENT'],
  [{ boot: 1, sequence: 1 }, 'ERR_ARGUMENT'],
  [{ source: 's', boot: -1, sequence: 1 }, 'ERR_OPTION'],
  [{ source: 's', boot: 2 ** 32, sequence: 1 }, 'ERR_OPTION'],
  [{ source: 's', boot: 1, sequence: 2 ** 53 }, 'ERR_OPTION'],
  [{ payloads: [1] }, 'ERR_ARGUMENT'],
  [{ payloads: 'ab' }, 'ERR_ARGUMENT'],
  [{ payloads: [new Uint8Array(65_537), null] }, 'ERR_PAYLOAD'],
  [{ payloads: [() => 1, null] }, 'ERR_PAYLOAD'],
];

it('refuses open options by name and makes no file', async () => {
  for (const [options, code] of OPEN) {
    const path = freshPath();
    const given =
      options === null || 'dimensions' in (options as object)
        ? options
        : { dimensions: 4, ...(options as object) };
    const error = await refuses(code, () => Memory.open(path, given as object));
    expect(existsSync(path), JSON.stringify(options)).toBe(false);
    const key = Object.keys((options ?? {}) as object)[0];
    if (key !== undefined) expect(error.message).toContain(key);
    expect(error.message).toContain('Try: ');
  }
});

it('refuses a path that is none', async () => {
  for (const path of ['', 7, null, undefined, 'a\0b', new URL('file:///x')]) {
    await refuses('ERR_ARGUMENT', () => Memory.open(path as string, { dimensions: 4 }));
  }
});

it('takes each open option that it documents', async () => {
  const memory = await open(freshPath(), {
    dimensions: 4,
    metric: 'ip',
    readOnly: false,
    durability: 'sync',
    lingerMs: 0,
    intervalMs: 100,
    profile: 'balanced',
    originals: 'keep',
    bytesMax: 2 ** 29,
    bytesRatioMax: 0.4,
    hotThreshold: 0.9,
    warmThreshold: 0.5,
    coolThreshold: 0.2,
    coldThreshold: 0,
    promotionThreshold: 1,
    demotionThreshold: 0,
    accessDecayHalflifeS: 1.5,
    recompressIntervalS: 1,
    coolBits: 4.5,
    coldBits: 2,
    codebookSampleSize: 64,
    codebookUpdateFreq: 1,
    fileBytesMax: 2 ** 30,
    hnswM: 8,
    hnswEfConstruction: 50,
    hnswEfSearch: 32,
    clock: { now: () => 1 },
  });
  await memory.insert(rows(1, 4));
  expect((await memory.get([0]))[0]?.time).toBe(1);
});

it('takes each profile, and opens a file again with another', async () => {
  const path = freshPath();
  for (const profile of ['edge', 'balanced', 'precise', 'edge'] as const) {
    const memory = await Memory.open(path, { dimensions: 4, profile });
    await memory.insert(rows(1, 4));
    await memory.close();
  }
  expect((await open(path)).stats().live).toBe(4);
});

it('names both thresholds that do not fall, and which of them is a default', async () => {
  const { message } = await refuses('ERR_OPTION', () =>
    Memory.open(freshPath(), { dimensions: 4, warmThreshold: 0.05 }),
  );
  expect(message).toContain(
    '"coolThreshold" (0.1, the default) must be below "warmThreshold" (0.05)',
  );
});

it('takes an option that is undefined as one that is left out', async () => {
  const memory = await open(freshPath(), {
    dimensions: 4,
    metric: undefined,
    clock: undefined,
  } as object);
  await memory.insert(rows(1, 4), {
    ids: undefined,
    labels: undefined,
    signal: undefined,
  } as object);
  const options = { vector: rows(1, 4), k: undefined, filter: undefined, mode: undefined };
  expect((await memory.query(options as never)).ids).toEqual(Float64Array.of(0));
});

describe('on an open memory', () => {
  it('refuses query options on all three paths', async () => {
    const memory = await fresh();
    const vector = rows(1, 4);
    for (const [options, code] of QUERY) {
      const given = options as object;
      await refuses(code, () => memory.query({ vector, ...given }));
      await refuses(code, () => memory.querySync({ vector, ...given }));
      await refuses(code, () => memory.queryMany({ vectors: vector, ...given }));
    }
    await refuses('ERR_OPTION', () => memory.query({ vector, withEmbeddings: 1 } as never));
    await refuses('ERR_OPTION', () =>
      memory.queryMany({ vectors: vector, withEmbeddings: true } as never),
    );
    await refuses('ERR_ARGUMENT', () => memory.query({} as never));
    await refuses('ERR_ARGUMENT', () => memory.query(undefined as never));
    await refuses('ERR_DIMENSIONS', () => memory.query({ vector: [1, 2, 3] }));
    await refuses('ERR_DIMENSIONS', () => memory.querySync({ vector: rows(2, 4) }));
  });

  it('takes a recall in place of ef on all three paths', async () => {
    const memory = await fresh();
    const vector = rows(1, 4);
    await memory.insert(vector);
    for (const recall of [0.5, 0.95, 0.999]) {
      expect((await memory.query({ vector, recall })).ids).toEqual(Float64Array.of(0));
      expect(memory.querySync({ vector, recall, ef: undefined } as never).ids).toHaveLength(1);
      expect((await memory.queryMany({ vectors: vector, recall, k: 1 })).counts[0]).toBe(1);
    }
  });

  it('refuses insert options and stores nothing', async () => {
    const memory = await fresh();
    for (const [options, code] of INSERT) {
      await refuses(code, () => memory.insert(rows(2, 4), options as object));
      await refuses(code, () => memory.tryInsert(rows(2, 4), options as object));
    }
    await memory.flush();
    expect(memory.stats().live).toBe(0);
  });

  it('refuses call options on every other method', async () => {
    const memory = await fresh();
    for (const [options, code] of CALL) {
      const given = options as object;
      await refuses(code, () => memory.get([0], given));
      await refuses(code, () => memory.forget([0], given));
      await refuses(code, () => memory.flush(given));
      await refuses(code, () => memory.waitDurable(0, given));
      await refuses(code, () => memory.checkpoint(given));
      await refuses(code, () => memory.settle(given));
      await refuses(code, () => memory.check(given));
      await refuses(code, () => collect(memory.scan(given)));
    }
    await refuses('ERR_OPTION', () => memory.check({ deep: 1 } as never));
    await refuses('ERR_OPTION', () => memory.forget({ source: 's', label: 'x' } as never));
    await refuses('ERR_NAME', () => memory.forget({ source: '' }));
    await refuses('ERR_FILTER', () => collect(memory.scan({ filter: { label: [] } })));
  });
});
