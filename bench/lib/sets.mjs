// The data sets: seeded sensor embeddings (made once, kept in build/bench/sets) and Fashion-MNIST.
// Nothing is measured on a set whose bytes are not the expected ones.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { gunzipSync } from 'node:zlib';

import { exactTop } from './exact.mjs';
import { DIMENSIONS, sensorSet } from './sensor_set.mjs';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const KEPT = process.env.RVE_SETS || join(ROOT, 'build/bench/sets');
const DATA = process.env.RVE_DATA || join(ROOT, '../shared/data');
/** Neighbours known of each query. */
export const TRUTH_K = 100;

// The sums prove that the generator, or the copy, gave the same bits as everywhere. Those of the
// queries and the truth are known of the sets that figures are published on.
const SETS = {
  '60k': {
    rows: 60_000,
    queries: 1000,
    sha256: {
      base: '75a4d4b61d4176a6d2f06a91505289a985e13af1e4fd6c85b452a593cbbaf61f',
      query: 'b947adfa1cb4158897c4326fe0824a1e3c3f05797655492f4b187ee9eeb7df0c',
      truth: '43b2f9016678371f63e1feaea419202b6180a7f380ae6f3927dd21ebb9197d0c',
    },
  },
  '100k': {
    rows: 100_000,
    queries: 1000,
    sha256: { base: 'b0a0e212de6697644c53274b893310ccfb7755d1ed4dd76cce4bd709e6378a7a' },
  },
  '200k': {
    rows: 200_000,
    queries: 0,
    sha256: { base: 'd96171cc36f6d7f13db9df31d5aca3ae242151da51f7965a0d445cda249b0a89' },
  },
  '1m': {
    rows: 1_000_000,
    queries: 1000,
    sha256: {
      base: '66b1dc9fbec82c044be2b682dd0a827b25db097f4024541e8aaadc2f64d093ad',
      query: 'd07bd0dd2d19a68eb9ac0ecd0d75cf390a18514e60957e0ac24f658acc91a948',
      truth: '1d5d4a14e37dd69c18df8e300d9915ad314aeeefe1d560ae607efceedefe8684',
    },
  },
};

export const bytesOf = (array) => Buffer.from(array.buffer, array.byteOffset, array.byteLength);

function read(path, Type) {
  const bytes = readFileSync(path);
  // A large file comes in a buffer of its own, which needs no second copy.
  if (bytes.byteOffset === 0) return new Type(bytes.buffer, 0, bytes.byteLength >> 2);
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
 * A set of unit vectors, d = 128: { name, metric, dimensions, rows, queries, base, query, truth }.
 * `truth` holds the rows of the exact 100 nearest of each query, and is empty for a set without
 * queries. `checked`: the sums have been compared before, by the process that started this one.
 * Without `withBase` the rows are left where they are, for a process whose memory is measured.
 */
export async function sensors(name, { checked = false, withBase = true } = {}) {
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
  const parts = {
    base: withBase ? read(file('base.f32'), Float32Array) : new Float32Array(0),
    query: read(file('query.f32'), Float32Array),
    truth: read(file('truth.i32'), Int32Array),
  };
  for (const [part, sum] of checked || !withBase ? [] : Object.entries(sha256)) {
    if (createHash('sha256').update(bytesOf(parts[part])).digest('hex') !== sum) {
      throw new Error(`The set ${name} (${part}) is not what the generator makes: ${folder}`);
    }
  }
  return { name, metric: 'cosine', dimensions: DIMENSIONS, rows, queries, ...parts };
}

/** Fashion-MNIST with its supplied truth ('l2' or 'cosine'), or null where the data is absent. */
export function fashion(metric, { withBase = true } = {}) {
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
  const base = withBase ? images('train', rows) : new Float32Array(0),
    query = images('t10k', queries);
  const sizes = { dimensions: 784, rows, queries };
  return { name: `fashion-mnist ${metric}`, metric, ...sizes, base, query, truth };
}

/** Labels 0..9 of the rows of fashion() and of its queries. */
export function fashionLabels() {
  const labels = (name) =>
    gunzipSync(readFileSync(join(DATA, `ann/fashion-mnist/${name}-labels-idx1-ubyte.gz`)));
  return { base: labels('train').subarray(8), query: labels('t10k').subarray(8) };
}

/**
 * The first rows and queries of a set, with a truth of their own where rows are left out; without
 * any when `withTruth` is false, which saves a scan for each query.
 */
export function firstOf(set, rows = Infinity, queries = Infinity, withTruth = true) {
  const { dimensions } = set;
  const out = {
    ...set,
    rows: Math.min(rows, set.rows),
    queries: Math.min(queries, set.queries),
  };
  out.base = set.base.subarray(0, out.rows * dimensions);
  out.query = set.query.subarray(0, out.queries * dimensions);
  out.truth = set.truth.subarray(0, out.queries * TRUTH_K);
  out.whole = out.rows === set.rows;
  if (out.whole) return out;
  out.truth = new Int32Array(0);
  if (!withTruth) return out;
  out.truth = new Int32Array(out.queries * TRUTH_K);
  for (let q = 0; q < out.queries; q++) {
    const one = rowOf(out.query, q, dimensions);
    const options = { metric: set.metric };
    const top = exactTop(out.base, out.rows, one, dimensions, TRUTH_K, options);
    out.truth.set(top, q * TRUTH_K);
  }
  return out;
}

/**
 * The smallest sensor set of at least `rows` rows (`usual` without a count), cut to them. Only
 * `withQueries` are sets that have some.
 */
export async function sensorsOf(rows, usual, options = {}) {
  const { withQueries = true, withTruth = true, withBase = true } = options;
  if (rows === undefined) return sensors(usual, { withBase });
  const fits = ([, set]) => set.rows >= rows && (!withQueries || set.queries > 0);
  const found = Object.entries(SETS).find(fits);
  if (found === undefined) throw new Error(`No set has ${rows} rows`);
  const set = await sensors(found[0], { withBase });
  return firstOf(set, rows, Infinity, withTruth && withQueries && withBase);
}

/** Where a whole sensor set lies as plain files: base.f32, query.f32, truth.i32. */
export const folderOf = (name) => join(KEPT, name);

/** The set of a bench by its name: 'fashion' (l2) or one of sensors(); null where it is absent. */
export async function setOf(name, { rows, queries, checked, withBase = true } = {}) {
  const options = { checked, withBase };
  const set = name === 'fashion' ? fashion('l2', options) : await sensors(name, options);
  return set === null ? null : firstOf(set, rows, queries, withBase);
}

/** Row i of a matrix. */
export const rowOf = (matrix, i, dimensions) =>
  matrix.subarray(i * dimensions, (i + 1) * dimensions);
