// The status line: what a person watching wants to know, once a second, from figures that the store
// keeps.

import type { StoreStats } from '../context.js';
import { bytes, count } from '../report.js';

export interface Status {
  /** Stored in the last interval, per second. */
  recordsPerS: number;
  durableLsn: number;
  vectors: { live: number; tail: number; frozen: number; linked: number };
  query: { p50Ms: number | null; p99Ms: number | null };
  residentBytes: number;
  fileBytes: number;
  /** Of the simulated bearing; left out without one. */
  sim?: { wear: number; stage: string };
}

export interface StatusInput {
  readonly stats: StoreStats;
  /** Rows stored since the last status, over this time. */
  readonly stored: number;
  readonly elapsedMs: number;
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  readonly residentBytes: number;
  readonly sim: { wear: number; stage: string } | null;
}

export function statusOf(input: StatusInput): Status {
  const { stats } = input;
  return {
    recordsPerS: (input.stored * 1000) / Math.max(1, input.elapsedMs),
    durableLsn: stats.durableLsn,
    vectors: {
      live: stats.live,
      tail: stats.tailRows,
      frozen: stats.frozenRows,
      linked: stats.linkedRows,
    },
    query: { p50Ms: input.p50Ms, p99Ms: input.p99Ms },
    residentBytes: input.residentBytes,
    fileBytes: stats.fileBytes,
    ...(input.sim === null ? {} : { sim: input.sim }),
  };
}

export function statusLine(status: Status): string {
  const { vectors, query, sim } = status;
  const ms = (value: number | null): string => (value === null ? '-' : `${value.toFixed(2)} ms`);
  const parts = [
    `${status.recordsPerS.toFixed(1)} records/s`,
    `durable lsn ${count(status.durableLsn)}`,
    `${count(vectors.live)} vectors (tail ${count(vectors.tail)}, ` +
      `frozen ${count(vectors.frozen)}, linked ${count(vectors.linked)})`,
    `query p50 ${ms(query.p50Ms)} p99 ${ms(query.p99Ms)}`,
    `resident ${bytes(status.residentBytes)}`,
    `file ${bytes(status.fileBytes)}`,
  ];
  if (sim !== undefined) parts.push(`bearing ${sim.stage}, wear ${(sim.wear * 100).toFixed(0)} %`);
  return parts.join(' · ');
}
