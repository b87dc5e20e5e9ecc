// The data sets: seeded sensor embeddings (made once, kept in build/bench/sets) and Fashion-MNIST.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { gunzipSync } from 'node:zlib';

import { DIMENSIONS, sensorSet } from './sensor_set.mjs';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const KEPT = process.env.RVE_SETS || join(ROOT, 'build/bench/sets');
const DATA = process.env.RVE_DATA || join(ROOT, '../shared/data');
/** Neighbours known of each query. */
export const TRUTH_K = 100;

// The sums prove that the generator, or the copy, gave the same bits as everywhere.
const SETS = {
  '60k': {
    rows: 60_000,
    queries: 1000,
    sha256: '75a4d4b61d4176a6d2f06a91505289a985e13af1e4fd6c85b452a593cbbaf61f',
  },
  '100k': {
    rows: 100_000,
    queries: 1000,
    sha256: 'b0a0e212de6697644c53274b893310ccfb7755d1ed4dd76cce4bd709e6378a7a',
  },
  '200k': {
    rows: 200_000,
    queries: 0,
    sha256: 'd96171cc36f6d7f13db9df31d5aca3ae242151da51f7965a0d445cda249b0a89',
  },
};

const bytesOf = (array) => Buffer.from(array.buffer, array.byteOffset, array.byteLength);

function read(path, Type) {
  const bytes = readFileSync(path);
  return new Type(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
}

async function truthOf(base, query, rows, queries) {
  const part = (from, to) =>
    new Promise((resolve, reject) => {
      const file = new URL('./truth_worker.mjs', import.meta.url);
      const workerData = { base, query, rows, from, to, dimensions: DIMENSIONS, k: TRUTH_K };
      new Worker(file, { workerData }).once('message', resolve).once('error', reject);
    });
  const half = queries >> 1;
  const parts = await Promise.all([part(0, half), part(half, queries)]);
  const truth = new Int32Array(queries * TRUTH_K);
  truth.set(parts[0], 0);
  truth.set(parts[1], parts[0].length);
  return truth;
}

/**
 * A set of unit vectors, d = 128: { name, dimensions, rows, queries, base, query, truth }. `truth`
 * holds the rows of the exact 100 nearest of each query, and is empty for a set without queries.
 */
export async function sensors(name) {
  const { rows, queries, sha256 } = SETS[name];
  const folder = join(KEPT, name);
  const file = (part) => join(folder, part);
  if (!existsSync(file('truth.i32'))) {
    console.log(`making the ${name} set (once) ...`);
    mkdirSync(folder, { recursive: true });
    const made = sensorSet(rows, queries);
    writeFileSync(file('base.f32'), bytesOf(made.base));
    writeFileSync(file('query.f32'), bytesOf(made.query));
    const truth =
      queries === 0 ? new Int32Array(0) : await truthOf(made.base, made.query, rows, queries);
    writeFileSync(file('truth.i32'), bytesOf(truth));
  }
  const base = read(file('base.f32'), Float32Array);
  if (createHash('sha256').update(bytesOf(base)).digest('hex') !== sha256) {
    throw new Error(`The set ${name} is not what the generator makes. Remove it: ${folder}`);
  }
  const query = read(file('query.f32'), Float32Array);
  const truth = read(file('truth.i32'), Int32Array);
  return { name, dimensions: DIMENSIONS, rows, queries, base, query, truth };
}

/** Fashion-MNIST with its supplied truth ('l2' or 'cosine'), or null where the data is absent. */
export function fashion(metric) {
  const folder = join(DATA, 'ann/fashion-mnist');
  if (!existsSync(folder)) return null;
  const images = (name, rows) => {
    const bytes = gunzipSync(readFileSync(join(folder, `${name}-images-idx3-ubyte.gz`)));
    return Float32Array.from(bytes.subarray(16, 16 + rows * 784));
  };
  const queries = 1000,
    rows = 60_000;
  const ivecs = read(join(folder, `gt_${metric}_q1000_b60000_k100.ids.ivecs`), Int32Array);
  const truth = new Int32Array(queries * TRUTH_K);
  for (let q = 0; q < queries; q++) {
    const at = q * (TRUTH_K + 1) + 1; // each row begins with its length
    truth.set(ivecs.subarray(at, at + TRUTH_K), q * TRUTH_K);
  }
  const base = images('train', rows),
    query = images('t10k', queries);
  return { name: `fashion-mnist ${metric}`, dimensions: 784, rows, queries, base, query, truth };
}

/** Row i of a matrix. */
export const rowOf = (matrix, i, dimensions) =>
  matrix.subarray(i * dimensions, (i + 1) * dimensions);
