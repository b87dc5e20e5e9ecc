// One point of a curve of recall against rate: the queries of a set, one call after the other.
import { cpuSeconds } from './machine.mjs';
import { quantile, recallOf } from './numbers.mjs';
import { TRUTH_K, rowOf } from './sets.mjs';

const K = 10;
/** Queries that a pass makes at least, however slow they are. */
const QUERIES_MIN = 20;

/**
 * One pass: { recall, rate, cpuRate, p50, p99 }; rates in queries a second and a CPU second, ms.
 * `search(vector, k, ef)` gives ids or a promise of them. A pass ends early after `secondsMax`.
 */
export async function passOf(search, set, ef, secondsMax = Infinity) {
  const found = [];
  const latencies = [];
  const cpu = cpuSeconds();
  const start = performance.now();
  const end = start + secondsMax * 1000;
  let at = start;
  for (let q = 0; q < set.queries && (at < end || q < QUERIES_MIN); q++) {
    const ids = search(rowOf(set.query, q, set.dimensions), K, ef);
    // A call that answers at once does not pay for a promise.
    found.push(ids instanceof Promise ? await ids : ids);
    const now = performance.now();
    latencies.push(now - at);
    at = now;
  }
  const seconds = (performance.now() - start) / 1000;
  return {
    recall: recallOf(found, set.truth, TRUTH_K, K),
    rate: found.length / seconds,
    cpuRate: found.length / (cpuSeconds() - cpu),
    p50: quantile(latencies, 0.5),
    p99: quantile(latencies, 0.99),
  };
}

/** Passes of one ef put together: { ef, recall, rates, cpuRates, p50s, p99s }. */
export function pointOf(ef, passes) {
  const of = (key) => passes.map((pass) => pass[key]);
  return {
    ef,
    recall: passes[0].recall,
    rates: of('rate'),
    cpuRates: of('cpuRate'),
    p50s: of('p50'),
    p99s: of('p99'),
  };
}

/**
 * A point for each ef, of `repeats` passes. The rate by CPU time leaves out what neighbours on the
 * machine took; the process must do nothing else meanwhile.
 */
export async function sweepsOf(search, set, efs, repeats) {
  const points = [];
  for (const ef of efs) {
    const passes = [];
    for (let i = 0; i < repeats; i++) passes.push(await passOf(search, set, ef));
    points.push(pointOf(ef, passes));
  }
  return points;
}
