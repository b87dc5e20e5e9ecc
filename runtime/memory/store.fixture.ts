// What the tests of this room share: stores in a folder of their own, vectors without a random
// source.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect } from 'vitest';
import { RveError, type RveCode } from '../errors/index.js';
import { Memory } from './index.js';
import type { OpenOptions } from './types.js';

const folders: string[] = [];
const opened: Memory[] = [];

afterEach(async () => {
  await Promise.allSettled(opened.splice(0).map((memory) => memory.close()));
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** A path in a fresh folder, gone after the test. */
export function freshPath(name = 'test.rve'): string {
  const folder = mkdtempSync(join(tmpdir(), 'rve-memory-'));
  folders.push(folder);
  return join(folder, name);
}

/** Opens, and closes after the test. */
export async function open(path: string, options: OpenOptions = {}): Promise<Memory> {
  const memory = await Memory.open(path, options);
  opened.push(memory);
  return memory;
}

/** A fresh memory of 4 dimensions. */
export async function fresh(options: OpenOptions = {}): Promise<Memory> {
  return open(freshPath(), { dimensions: 4, ...options });
}

/** n rows of d numbers in (-1, 1), the same for a seed. */
export function rows(n: number, d: number, seed = 1): Float32Array {
  let state = seed >>> 0;
  return Float32Array.from({ length: n * d }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

/** The call must fail with this code, be it at once or by its promise. */
export async function refuses(code: RveCode, call: () => unknown): Promise<RveError> {
  let failure: unknown;
  try {
    await call();
  } catch (error) {
    failure = error;
  }
  expect(failure, `expected ${code}`).toBeInstanceOf(RveError);
  expect((failure as RveError).code).toBe(code);
  return failure as RveError;
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}
