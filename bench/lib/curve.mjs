// Curves of recall against rate: what one reads off them.
import { interpolate, median } from './numbers.mjs';

/** The points that no other beats in recall and rate both, by rising recall. */
export function frontier(points) {
  const sorted = [...points].sort((a, b) => b.recall - a.recall || b.rate - a.rate);
  const best = [];
  for (const point of sorted) {
    if (best.length === 0 || point.rate > best.at(-1).rate) best.push(point);
  }
  return best.reverse();
}

/**
 * The rate at a recall, on the line between the neighbours on the frontier: { rate, bound }. NaN
 * where the recall was never reached. A curve that begins above it gives its fastest point, which
 * is a lower bound. `key` is 'rates' (wall time) or 'cpuRates'.
 */
export function rateAt(points, recall, key) {
  const line = frontier(points.map((p) => ({ recall: p.recall, rate: median(p[key]) })));
  if (line.length === 0 || line.at(-1).recall < recall) return { rate: NaN, bound: false };
  if (line[0].recall >= recall) return { rate: line[0].rate, bound: line[0].recall > recall };
  const places = line.map((p) => ({ x: p.recall, y: p.rate }));
  return { rate: interpolate(places, recall), bound: false };
}

export const bestRecall = (points) => Math.max(...points.map((p) => p.recall));
