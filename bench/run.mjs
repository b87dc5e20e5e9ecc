// node bench/run.mjs NAME... | all | --list   [--repeat N] [--out FOLDER] [--strict]
//   [--rows N] [--queries N] [--sets fashion,60k,1m] [--only usearch,zvec] [--profile precise,edge]
//
// Prints each bench as a table with its targets and writes JSON and SVG to bench/results. --strict
// makes a missed target an exit code of 1. The options of the second line are for the benches that
// bench/README.md names.
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { Report } from './lib/report.mjs';

const BENCHES = {
  insert: 'durable inserts from JavaScript, beside SQLite',
  query: 'latency, recall and rate of queries on 100,000 vectors',
  open: 'open to first answer, after a clean close and after SIGKILL',
  wear: 'bytes written, bytes in the file, resident memory',
  churn: 'a window of 1,000 live vectors through 50,000 inserts and deletes',
  fashion: 'Fashion-MNIST: recall and rate by ef',
  mqtt: 'acknowledged messages a second of one connection',
  tiers: 'recall of the codes by themselves, beside codes of peers of as many bytes',
  mixed: 'a hot minority of queries at small byte budgets: recall of the hot ones and of all',
  million: 'a million vectors in one process: memory, queries beside the work, a 128 MiB limit',
  curves: 'recall, rate, bytes, build and cold open of every profile, beside every peer',
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    repeat: { type: 'string', default: '3' },
    out: { type: 'string', default: join(fileURLToPath(new URL('.', import.meta.url)), 'results') },
    strict: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    rows: { type: 'string' },
    queries: { type: 'string' },
    sets: { type: 'string' },
    only: { type: 'string' },
    profile: { type: 'string' },
  },
});
const names = positionals.includes('all') ? Object.keys(BENCHES) : positionals;
const unknown = names.filter((name) => !(name in BENCHES));
const repeats = Number(values.repeat);
const count = (text) => (text === undefined ? undefined : Number(text));
const list = (text) => text?.split(',').filter((part) => part !== '');
const options = {
  repeats,
  rows: count(values.rows),
  queries: count(values.queries),
  sets: list(values.sets),
  only: list(values.only),
  profiles: list(values.profile),
};
if (values.list || names.length === 0 || unknown.length > 0 || !(repeats >= 1)) {
  for (const name of unknown) console.error(`No bench is called ${name}.`);
  console.log('usage: node bench/run.mjs NAME... | all   [--repeat N] [--out FOLDER] [--strict]');
  for (const [name, what] of Object.entries(BENCHES)) console.log(`  ${name.padEnd(9)} ${what}`);
  process.exit(values.list ? 0 : 2);
}

let allHeld = true;
for (const name of names) {
  const { run } = await import(`./benches/${name}.mjs`);
  const report = new Report(name, BENCHES[name], values.out);
  const skipped = await run(report, options);
  if (typeof skipped === 'string') console.log(`\n== ${name}: skipped: ${skipped}`);
  else allHeld = report.end() && allHeld;
}
process.exitCode = values.strict && !allHeld ? 1 : 0;
