import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { RveError } from '../../errors/index.js';

/** Folder of a real data set, or null, said in one line, where it is not. For tests. */
export function realData(name: string): string | null {
  const path = resolve(process.env['RVE_DATA'] ?? '../shared/data', name);
  if (existsSync(path)) return path;
  console.log(`Skipped: no data set ${name} (set RVE_DATA to the folder that holds it)`);
  return null;
}

/** Runs `use` with an empty folder that is removed afterwards. */
export async function withFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'rve-replay-'));
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** `code: message` of the RveError that `run` ends with; anything else fails the test. */
export async function failure(run: () => unknown): Promise<string> {
  try {
    await run();
  } catch (error) {
    if (error instanceof RveError) return `${error.code}: ${error.message}`;
    throw error;
  }
  throw new Error('It did not fail');
}

/** A .npy file of format 1.0; each part may be replaced by a wrong one. */
export function npyBytes(
  shape: readonly number[],
  data: Float32Array,
  wrong: { header?: string; magic?: string; version?: readonly [number, number] } = {},
): Buffer {
  const comma = shape.length === 1 ? ',' : '';
  const dict =
    wrong.header ??
    `{'descr': '<f4', 'fortran_order': False, 'shape': (${shape.join(', ')}${comma}), }`;
  const padded = `${dict.padEnd(Math.ceil((dict.length + 11) / 64) * 64 - 11)}\n`;
  const prefix = Buffer.alloc(10);
  prefix.write(wrong.magic ?? '\x93NUMPY', 'latin1');
  prefix.set(wrong.version ?? [1, 0], 6);
  prefix.writeUInt16LE(padded.length, 8);
  const body = Buffer.alloc(4 * data.length);
  data.forEach((value, i) => body.writeFloatLE(value, 4 * i));
  return Buffer.concat([prefix, Buffer.from(padded, 'latin1'), body]);
}
