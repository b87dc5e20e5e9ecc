// node bench/run.mjs NAME... | all | --list   [--repeat N] [--out FOLDER] [--strict]
//
// Prints each bench as a table with its targets and writes JSON and SVG to bench/results. --strict
// makes a missed target an exit code of 1.
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
  peers: 'recall against rate, beside usearch and hnswlib',
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    repeat: { type: 'string', default: '3' },
    out: { type: 'string', default: join(fileURLToPath(new URL('.', import.meta.url)), 'results') },
    strict: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
  },
});
const names = positionals.includes('all') ? Object.keys(BENCHES) : positionals;
const unknown = names.filter((name) => !(name in BENCHES));
const repeats = Number(values.repeat);
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
  const skipped = await run(report, { repeats });
  if (typeof skipped === 'string') console.log(`\n== ${name}: skipped: ${skipped}`);
  else allHeld = report.end() && allHeld;
}
process.exitCode = values.strict && !allHeld ? 1 : 0;
