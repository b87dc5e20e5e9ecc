// Says what came of `rve hil --json`, in the way that make and CI read.
//
//   node targets/qemu/figures.mjs VERDICTS.json FIGURES.json
//
// Writes the figures of budget.json (bytes, ms) as one JSON object, prints it on one line, and
// closes with `N passed, N failed`.
import { readFileSync, writeFileSync } from 'node:fs';

/** Name in budget.json: scenario, its figure, and what makes bytes or ms of it. */
const FIGURES = {
  'rssAnonBytes.idle': ['boot', 'idle_rss_anon_kib', 1024],
  'rssAnonBytes.100k': ['memory', 'rss_anon_kib', 1024],
  'rssAnonBytes.1m': ['memory-1m', 'rss_anon_kib', 1024],
  'startMs.first': ['first-start', 'start_to_first_answer_ms', 1],
  'startMs.next': ['boot', 'start_to_first_answer_ms', 1],
};

/** Verdicts of scenarios by the budget's names; what no scenario measured is left out. */
export function figuresOf(scenarios) {
  const measured = {};
  for (const [name, [scenario, figure, unit]] of Object.entries(FIGURES)) {
    const value = scenarios.find((one) => one.scenario === scenario)?.figures[figure];
    if (value !== undefined) measured[name] = value * unit;
  }
  return measured;
}

const [from, to] = process.argv.slice(2);
if (to !== undefined) {
  // A command line that rve hil refused leaves an error there; it has been told on stderr.
  const { passed = 0, failed = 1, scenarios = [] } = JSON.parse(readFileSync(from, 'utf8'));
  const figures = JSON.stringify(figuresOf(scenarios));
  writeFileSync(to, `${figures}\n`);
  console.log(`figures ${figures}`);
  console.log(`${passed} passed, ${failed} failed`);
}
