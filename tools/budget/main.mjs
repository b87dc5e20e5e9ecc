// node tools/budget/main.mjs BUDGET.json [--files FOLDER] [--measured FILE] [--update]
//
// Checks figures against a target's budget. --files measures the fileBytes of the budget in FOLDER;
// --measured reads further ones, { "rssAnonBytes.idle": 40000000, ... }, as the full-system guest
// writes them. --update keeps what was measured in the budget. Exit 1: a figure is over.
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { figureOf, fileOf, judge, withMeasured } from './budget.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    files: { type: 'string' },
    measured: { type: 'string' },
    update: { type: 'boolean' },
  },
});
const [path] = positionals;
if (path === undefined || (values.files === undefined && values.measured === undefined)) {
  console.error('usage: main.mjs BUDGET.json [--files FOLDER] [--measured FILE] [--update]');
  process.exit(2);
}
const budget = JSON.parse(readFileSync(path, 'utf8'));
const measured = {};
if (values.files !== undefined) {
  for (const name of Object.keys(budget.figures)) {
    const file = fileOf(name);
    if (file === null) continue;
    const parts = join(values.files, `${file}.parts.json`);
    const { level } = existsSync(parts) ? JSON.parse(readFileSync(parts, 'utf8')) : {};
    measured[figureOf(file, level)] = statSync(join(values.files, file)).size;
  }
}
if (values.measured !== undefined) {
  Object.assign(measured, JSON.parse(readFileSync(values.measured, 'utf8')));
}
const { lines, failures } = judge(budget, measured);
for (const line of lines) console.log(`  ${line}`);
for (const failure of failures) console.error(`budget: ${failure}, ${path}`);
if (values.update) {
  writeFileSync(path, `${JSON.stringify(withMeasured(budget, measured), null, 2)}\n`);
}
const passed = Object.keys(measured).length - failures.length;
console.log(`${passed} passed, ${failures.length} failed`);
process.exitCode = failures.length > 0 ? 1 : 0;
