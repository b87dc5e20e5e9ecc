// One point of a curve of recall against rate: all queries of a set, one call after the other.
import { cpuSeconds } from './machine.mjs';
import { quantile, recallOf } from './numbers.mjs';
import { TRUTH_K, rowOf } from './sets.mjs';

const K = 10;

/**
 * One pass: { recall, rate, cpuRate, p50, p99 }; rates in queries a second and a CPU second, ms.
 */
export function passOf(search, set, ef) {
  const found = [];
  const latencies = new Float64Array(set.queries);
  const cpu = cpuSeconds();
  const start = performance.now();
  for (let q = 0; q < set.queries; q++) {
    const at = performance.now();
    found.push(search(rowOf(set.query, q, set.dimensions), K, ef));
    latencies[q] = performance.now() - at;
  }
  const seconds = (performance.now() - start) / 1000;
  return {
    recall: recallOf(found, set.truth, TRUTH_K, K),
    rate: set.queries / seconds,
    cpuRate: set.queries / (cpuSeconds() - cpu),
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
 * `repeats` passes of one ef. `search(vector, k, ef)` gives ids. The rate by CPU time leaves out
 * what neighbours on the machine took; the process must do nothing else meanwhile.
 */
export function sweepOf(search, set, ef, repeats) {
  return pointOf(
    ef,
    Array.from({ length: repeats }, () => passOf(search, set, ef)),
  );
}
