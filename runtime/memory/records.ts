// Results out of the addon's columns.

import { unpackPayload } from './payload.js';
import type { NativeRecords } from '../native.js';
import type { MemoryRecord, QueryManyResult } from './types.js';

/**
 * The rows of a batch, each made when it is asked for, so that a caller can rest between two
 * payloads. Null: no such record.
 */
export function* recordsOf(
  columns: NativeRecords,
  dimensions: number,
  pace: ReadPace,
): Generator<MemoryRecord | null, void, undefined> {
  let payloadAt = 0;
  for (let row = 0; row < columns.ids.length; row++) {
    const id = columns.ids[row] as number;
    const length = columns.payloadLengths[row] as number;
    const stored = columns.payloads.subarray(payloadAt, payloadAt + Math.max(length, 0));
    payloadAt += stored.length;
    pace.made(stored.length);
    if (id < 0) {
      yield null;
      continue;
    }
    yield {
      id,
      vector: columns.matrix.slice(row * dimensions, (row + 1) * dimensions),
      time: columns.times[row] as number,
      source: columns.sources[row] ?? null,
      label: columns.labels[row] ?? null,
      payload: stored.length === 0 ? null : unpackPayload(stored),
      tier: columns.tiers[row] ?? 'hot',
    };
  }
}

/** Records made in one turn of the event loop: a fraction of a millisecond, payloads aside. */
const RECORDS_PER_TURN = 256;
/** Payload bytes decoded in one turn: at worst, one-byte items, about a millisecond. */
const PAYLOAD_BYTES_PER_TURN = 32 * 1024;

/** Lets the event loop turn between records, so that a long read does not block it. */
export class ReadPace {
  #records = 0;
  #bytes = 0;

  made(payloadBytes: number): void {
    this.#records++;
    this.#bytes += payloadBytes;
  }

  due(): boolean {
    return this.#records >= RECORDS_PER_TURN || this.#bytes >= PAYLOAD_BYTES_PER_TURN;
  }

  rest(): Promise<void> {
    this.#records = 0;
    this.#bytes = 0;
    return new Promise((resolve) => setImmediate(resolve));
  }
}

/** The answer of queryMany() to no queries. */
export function noQueries(): QueryManyResult {
  return {
    ids: new Float64Array(0),
    scores: new Float32Array(0),
    counts: new Uint32Array(0),
    latencyUs: 0,
    degraded: false,
  };
}
