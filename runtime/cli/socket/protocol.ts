// The side door of a running daemon: `<store>.sock`, one JSON object a line, an answer per request,
// in order.
//
//   request   {"id":1,"op":"query","params":{"vector":[...],"k":10}}
//   answer    {"id":1,"result":{...}}   or   {"id":1,"error":{"code":"ERR_...","message":"..."}}
//
// Why not MQTT: this door needs no broker, no credentials but the file's owner (mode 0600), and
// stands where the store stands, so that `rve stats STORE` finds it from the path alone.

import { closeSync, constants, openSync } from 'node:fs';
import { basename, dirname } from 'node:path';

import { RveError } from '../../errors/index.js';

/** A query of 4,096 numbers takes 50 to 90 KB of JSON. */
export const REQUEST_BYTES_MAX = 256 * 1024;
/** 64 records of 4,096 numbers and 64 KiB of payload each, as JSON, with room to spare. */
export const ANSWER_BYTES_MAX = 32 * 1024 * 1024;
/** A few terminals and a monitor; each may hold REQUEST_BYTES_MAX of unfinished line. */
export const CONNECTIONS_MAX = 16;
/** A connection that asks nothing for so long is closed. */
export const IDLE_MS_MAX = 30_000;
/** `check --deep` on a full store reads all of it: minutes on an SD card. */
export const ANSWER_MS_MAX = 600_000;

export interface Request {
  id: number;
  op: string;
  params: Record<string, unknown>;
}

/** @throws RveError ERR_BODY when the line is not a request. */
export function parseRequest(line: string): Request {
  const value = parseLine(line);
  const { id, op, params = {}, ...rest } = value;
  if (!Number.isSafeInteger(id)) throw new RveError('ERR_BODY', 'the request has no integer "id".');
  if (typeof op !== 'string') throw new RveError('ERR_BODY', 'the request has no string "op".');
  if (typeof params !== 'object' || params === null || Array.isArray(params)) {
    throw new RveError('ERR_BODY', '"params" must be an object.');
  }
  const extra = Object.keys(rest)[0];
  if (extra !== undefined)
    throw new RveError('ERR_BODY', `the request has an unknown key "${extra.slice(0, 40)}".`);
  return { id: id as number, op, params: params as Record<string, unknown> };
}

/** @throws RveError ERR_BODY when the line is not one JSON object. */
export function parseLine(line: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new RveError('ERR_BODY', 'the line is not JSON.');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new RveError('ERR_BODY', 'the line is not a JSON object.');
  }
  return value as Record<string, unknown>;
}

/** Cuts a byte stream into lines; refuses a line beyond the limit before it is whole. */
export class LineSplitter {
  readonly #bytesMax: number;
  #parts: Buffer[] = [];
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /**
   * The lines that `piece` completes. @throws RveError ERR_BODY_LIMIT; the splitter is then of no
   * further use.
   */
  push(piece: Buffer): string[] {
    const lines: string[] = [];
    let from = 0;
    for (let end = piece.indexOf(10); end !== -1; end = piece.indexOf(10, from)) {
      this.#keep(piece.subarray(from, end));
      lines.push(Buffer.concat(this.#parts).toString('utf8'));
      this.#parts = [];
      this.#bytes = 0;
      from = end + 1;
    }
    this.#keep(piece.subarray(from));
    return lines;
  }

  #keep(part: Buffer): void {
    if (part.length === 0) return;
    this.#bytes += part.length;
    if (this.#bytes > this.#bytesMax) {
      throw new RveError('ERR_BODY_LIMIT', `a line is longer than ${this.#bytesMax} bytes.`);
    }
    this.#parts.push(part);
  }
}

export function socketPathOf(storePath: string): string {
  return `${storePath}.sock`;
}

/** sun_path of a Unix socket holds 108 bytes with its final zero. */
const SUN_PATH_BYTES_MAX = 107;

/**
 * Calls `use` with a path to the socket that is short enough for the kernel. A longer one goes by
 * way of its folder's descriptor, which is closed once the promise of `use` is settled.
 */
export async function withShortPath<T>(
  path: string,
  use: (path: string) => Promise<T>,
): Promise<T> {
  if (Buffer.byteLength(path) <= SUN_PATH_BYTES_MAX) return use(path);
  const folder = openSync(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    return await use(`/proc/self/fd/${folder}/${basename(path)}`);
  } finally {
    closeSync(folder);
  }
}
