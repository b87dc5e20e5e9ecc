import { createHash } from 'node:crypto';
import { open, stat } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { RveError } from '../../errors/index.js';

const gunzipAsync = promisify(gunzip);

/** Largest data set file read into memory. The largest known one has 5.8 MB. */
export const DATASET_BYTES_MAX = 256 * 1024 * 1024;

/** ERR_DATASET with the path last, as messages of this project have it. */
export function datasetError(what: string, path: string): RveError {
  return new RveError('ERR_DATASET', `${what}: ${path}`);
}

/** True when `path` is a folder, false when it is a regular file; otherwise ERR_DATASET. */
export async function isFolder(path: string): Promise<boolean> {
  const found = await stat(path).catch((error: unknown) => {
    throw datasetError(`Cannot read the data set (${reason(error)})`, path);
  });
  if (!found.isDirectory() && !found.isFile()) {
    throw datasetError('Data set is neither a folder nor a regular file', path);
  }
  return found.isDirectory();
}

/** All bytes of a regular file of at most `bytesMax`; otherwise ERR_DATASET. */
export async function readBytes(path: string, bytesMax = DATASET_BYTES_MAX): Promise<Buffer> {
  // A pipe would be opened for ever: look before opening, and look again at what was opened.
  if (await isFolder(path)) throw datasetError('Data set file is a folder', path);
  try {
    const file = await open(path, 'r');
    try {
      const { size } = await file.stat();
      if (size > bytesMax) {
        throw datasetError(`Data set file has ${size} bytes, above the limit of ${bytesMax}`, path);
      }
      return await file.readFile();
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof RveError) throw error;
    throw datasetError(`Cannot read the data set (${reason(error)})`, path);
  }
}

/** As `readBytes`, unpacked when the name ends in .gz; `bytesMax` bounds the unpacked text too. */
export async function readText(path: string, bytesMax = DATASET_BYTES_MAX): Promise<string> {
  const bytes = await readBytes(path, bytesMax);
  if (!path.endsWith('.gz')) return bytes.toString('utf8');
  try {
    return (await gunzipAsync(bytes, { maxOutputLength: bytesMax })).toString('utf8');
  } catch (error) {
    throw datasetError(`Cannot unpack the data set (${reason(error)})`, path);
  }
}

/** Deterministic boot number of a replay: see ReplayRecord.boot. */
export function bootOf(...parts: ReadonlyArray<string | Uint8Array>): number {
  const hash = createHash('sha256');
  for (const part of parts) {
    // Lengths keep ("ab", "c") apart from ("a", "bc").
    hash.update(`${part.length}:`);
    hash.update(part);
  }
  return hash.digest().readUInt32LE(0) || 1;
}

/** What Node says, less the path that the caller puts last. */
function reason(error: unknown): string {
  if (error instanceof Error && 'code' in error) return String(error.code);
  return error instanceof Error ? error.message : String(error);
}
