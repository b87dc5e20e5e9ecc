import { datasetError } from './files.js';

/** A matrix as NumPy stores it: C order, so the last index of `shape` runs fastest. */
export interface NpyArray {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]; // \x93NUMPY
const PREFIX_BYTES = 10;
const AXES_MAX = 8;

/**
 * Parses NumPy format 1.0 (NEP 1) of little-endian float32 in C order; anything else is refused
 * with ERR_DATASET that says what was found. The byte count must fit the shape exactly.
 * `path` is for messages only. Cost: one copy of the numbers.
 */
export function parseNpy(bytes: Uint8Array, path: string): NpyArray {
  if (bytes.length < PREFIX_BYTES || MAGIC.some((byte, i) => bytes[i] !== byte)) {
    throw datasetError('Not a .npy file', path);
  }
  if (bytes[6] !== 1 || bytes[7] !== 0) {
    throw datasetError(`NumPy format ${bytes[6]}.${bytes[7]} is not supported, 1.0 is`, path);
  }
  const start = PREFIX_BYTES + bytes[8]! + 256 * bytes[9]!;
  if (start > bytes.length) throw datasetError('The .npy header is cut off', path);
  const header = Buffer.from(bytes.subarray(PREFIX_BYTES, start)).toString('latin1');
  const shape = parseHeader(header, path);
  const count = shape.reduce((product, n) => product * n, 1);
  const bytesExpected = 4 * count;
  if (!Number.isSafeInteger(bytesExpected) || bytes.length - start !== bytesExpected) {
    throw datasetError(
      `Shape (${shape.join(', ')}) needs ${bytesExpected} bytes, ${bytes.length - start} are there`,
      path,
    );
  }
  const data = new Float32Array(count);
  const view = new DataView(bytes.buffer, bytes.byteOffset + start, bytesExpected);
  for (let i = 0; i < count; i += 1) data[i] = view.getFloat32(4 * i, true);
  return { shape, data };
}

/** The header is a Python dict literal with exactly three keys; order is free, by the format. */
function parseHeader(header: string, path: string): number[] {
  const body = /^\{(.*?),?\s*\}\s*$/s.exec(header)?.[1];
  if (body === undefined) throw datasetError('The .npy header is not a dict', path);
  const entries = new Map<string, string>();
  const entry = /\s*'(\w+)':\s*('[^']*'|True|False|\([\d,\s]*\))\s*(?:,|$)/gy;
  let end = 0;
  for (let match = entry.exec(body); match !== null; match = entry.exec(body)) {
    if (entries.has(match[1]!)) throw datasetError(`.npy header names ${match[1]} twice`, path);
    entries.set(match[1]!, match[2]!);
    end = entry.lastIndex;
    if (end === body.length) break;
  }
  if (end !== body.length || entries.size !== 3) {
    throw datasetError('The .npy header is not descr, fortran_order and shape', path);
  }
  const descr = entries.get('descr');
  if (descr !== "'<f4'") {
    throw datasetError(`The .npy type is ${descr ?? 'not given'}, not '<f4'`, path);
  }
  if (entries.get('fortran_order') !== 'False') {
    throw datasetError('The .npy is not in C order (fortran_order)', path);
  }
  return parseShape(entries.get('shape') ?? '', path);
}

function parseShape(text: string, path: string): number[] {
  if (!/^\((\d{1,9},(\s*\d{1,9},)*(\s*\d{1,9})?)?\)$/.test(text.replace(/\s+(?=\))/g, ''))) {
    throw datasetError(`The .npy shape ${text || 'is not given'} is not a tuple of sizes`, path);
  }
  const shape = (text.match(/\d+/g) ?? []).map(Number);
  if (shape.length > AXES_MAX) {
    throw datasetError(`The .npy has ${shape.length} axes, above the limit of ${AXES_MAX}`, path);
  }
  return shape;
}
