// What the peers share: the parameters of graphs, and how a library is loaded or named as missing.
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const LINKS = 16,
  EF_BUILD = 128;
export const GRAPH_EFS = [10, 14, 20, 28, 40, 56, 80, 112, 160, 240, 360];
/** Of what scans everything, or takes no parameter from JavaScript: one point. */
export const ONE_POINT = [0];
/** Peers compiled for this machine. */
export const NATIVE_PEERS = fileURLToPath(
  new URL('../../../build/bench/native-peers/', import.meta.url),
);

/** Loads a package of bench/package.json, or of another folder; throws a line that says why not. */
export function required(name, folder = null) {
  const from = folder === null ? import.meta.url : join(folder, 'package.json');
  try {
    const module = createRequire(from)(name);
    return module.default ?? module;
  } catch (error) {
    const first = String(error.message).split('\n')[0].slice(0, 120);
    throw new Error(`${name} does not load: ${first}`, { cause: error });
  }
}

/**
 * A function from float vectors of the set to int8: one scale for all, so that the largest number
 * of the set becomes 127. The scale comes from queries when the rows are not there.
 */
export function scaledInt8(set) {
  let largest = 0;
  for (const value of set.base.length > 0 ? set.base : set.query) largest = Math.max(largest, Math.abs(value));
  const scale = 127 / largest;
  const clamped = (x) => Math.max(-127, Math.min(127, Math.round(x * scale)));
  return (vector) => Int8Array.from(vector, clamped);
}

/** The bytes of one row, without a copy. */
export const bytesOfRow = (vector) =>
  Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength);
