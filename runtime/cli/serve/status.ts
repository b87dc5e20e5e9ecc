// The status line: what a person watching wants to know, once a second, from figures that the store
// keeps.

import type { StoreStats } from '../context.js';
import { short } from '../report.js';
import { sharesOf } from '../tiers.js';

export interface Status {
  /** Stored in the last interval, per second. */
  recordsPerS: number;
  durableLsn: number;
  vectors: { live: number; tail: number; frozen: number; linked: number };
  /** Vectors by tier: hot, warm, cool, cold, archive. */
  tiers: Record<string, number>;
  query: { p50Ms: number | null; p99Ms: number | null };
  residentBytes: number;
  fileBytes: number;
  /** fileBytes by the vectors as f32. */
  byteRatio: number;
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
    tiers: Object.fromEntries(stats.tiers.map(({ tier, vectors }) => [tier, vectors])),
    query: { p50Ms: input.p50Ms, p99Ms: input.p99Ms },
    residentBytes: input.residentBytes,
    fileBytes: stats.fileBytes,
    byteRatio: stats.byteRatio,
    ...(input.sim === null ? {} : { sim: input.sim }),
  };
}

/** Told once, so that each line can do without. */
export const STATUS_LEGEND = 'Tiers are shares of hot/warm/cool/cold/archive.';

/** Within 120 columns, whatever the figures are. */
export function statusLine(status: Status): string {
  const { vectors, tiers, query, sim } = status;
  const shares = sharesOf(Object.values(tiers));
  const { recordsPerS: rate } = status;
  const parts = [
    `${rate < 99.95 ? rate.toFixed(1) : short(rate)}/s lsn ${short(status.durableLsn)}`,
    `${short(vectors.live)} vectors, tail ${short(vectors.tail)}`,
    ...(shares === null ? [] : [`tiers ${shares.join('/')}%`]),
    `p50 ${milliseconds(query.p50Ms)} p99 ${milliseconds(query.p99Ms)}ms`,
    `RSS ${short(status.residentBytes, 1024)} file ${short(status.fileBytes, 1024)}`,
  ];
  if (sim !== undefined) parts.push(`wear ${(sim.wear * 100).toFixed(0)}%`);
  return parts.join(' · ');
}

/** Three digits: 0.21, 12.3, 123. */
function milliseconds(value: number | null): string {
  if (value === null) return '-';
  return value < 9.995 ? value.toFixed(2) : value < 99.95 ? value.toFixed(1) : short(value);
}
