// Tiers for people: the table of `rve stats`, and shares for the status line.

import type { MemoryStats } from '../memory/index.js';
import { bytes, count, table } from './report.js';

/** What stats() says of tiers: printed as a table, not as a list. */
export const TIER_FIGURES = [
  'tiers',
  'byteRatio',
  'tierShare',
  'coolBits',
  'coldBits',
  'codebook',
  'recompressions',
  'recompressedVectors',
  'recompressedBytes',
] as const satisfies readonly (keyof MemoryStats)[];
export type TierFigure = (typeof TIER_FIGURES)[number];

const BAR = ' ▁▂▃▄▅▆▇█';

/** One character a count, as high as the count is beside the largest; a blank is none at all. */
export function histogram(counts: readonly number[]): string {
  const most = Math.max(1, ...counts);
  return counts.map((value) => BAR[Math.ceil((value / most) * (BAR.length - 1))]).join('');
}

/** Whole percent of all that each count is; null where all are 0. */
export function sharesOf(counts: readonly number[]): number[] | null {
  const all = counts.reduce((sum, value) => sum + value, 0);
  return all === 0 ? null : counts.map((value) => Math.round((value / all) * 100));
}

/** The table of `rve stats`, and below it what moves vectors between its lines. */
export function tierReport(stats: Pick<MemoryStats, TierFigure>): string {
  const shares = sharesOf(stats.tiers.map(({ vectors }) => vectors));
  const rows = stats.tiers.map((one, index) => [
    one.tier,
    count(one.vectors),
    shares === null ? '-' : `${shares[index]} %`,
    bytes(one.bytes),
    one.vectors === 0 ? '-' : (one.bytes / one.vectors).toFixed(1),
    histogram(one.heat).trimEnd(),
  ]);
  const heads = ['tier', 'vectors', 'share', 'bytes', 'a vector', 'heat 0..1'];
  const { codebook } = stats;
  const lines = [
    `file      ${stats.byteRatio.toFixed(3)} of the bytes of its vectors as f32`,
    `budget    counts a heat as ${stats.tierShare.toPrecision(3)} of itself; ` +
      `cool ${bits(stats.coolBits)}, cold ${bits(stats.coldBits)} a dimension`,
    codebook.id === 0
      ? 'codebook  none yet'
      : `codebook  ${codebook.id}: trained on ${count(codebook.sampleRows)} vectors, leaves ` +
        `${(codebook.distortion * 100).toFixed(1)} % of the variance; ` +
        `${count(codebook.trained)} trained since open`,
    `recoded   ${count(stats.recompressedVectors)} vectors, ${bytes(stats.recompressedBytes)}, ` +
      `${count(stats.recompressions)} times since open`,
  ];
  return `${table(heads, rows, new Set([1, 2, 3, 4]))}${lines.join('\n')}\n`;
}

function bits(value: number): string {
  return value === 0 ? 'bits undecided' : `${Number(value.toFixed(2))} bits`;
}
