// node build/host/js/tools/dump/main.js STORE: the store as JSON on stdout.
// Exit 0: every checksum holds; 1: cannot be read at all; 2: usage; 3: damaged.
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { FormatError } from './bytes.js';
import { expandGolden } from './golden.js';
import { render } from './render.js';
import { dumpStore } from './store.js';

function dumpGoldens(folder: string): number {
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.store'))) {
    const store = expandGolden(readFileSync(join(folder, file), 'utf8'));
    writeFileSync(join(folder, file.replace(/store$/, 'json')), `${render(dumpStore(store))}\n`);
  }
  return 0;
}

function main(args: readonly string[]): number {
  const [first, second] = args;
  if (first === '--golden' && second !== undefined && args.length === 2) return dumpGoldens(second);
  if (first === undefined || first.startsWith('-') || args.length !== 1) {
    process.stderr.write('Usage: main.js STORE | --golden FOLDER\n');
    return 2;
  }
  try {
    const bytes = readFileSync(first);
    const text = bytes.subarray(0, 10).toString('latin1') === 'rve-golden';
    const dump = dumpStore(text ? expandGolden(bytes.toString('utf8')) : bytes);
    process.stdout.write(`${render(dump)}\n`);
    return dump.problems.length === 0 ? 0 : 3;
  } catch (error) {
    const known = error instanceof FormatError || (error instanceof Error && 'code' in error);
    if (!known) throw error;
    process.stderr.write(`Cannot dump: ${(error as Error).message}\n`);
    return 1;
  }
}

process.exitCode = main(process.argv.slice(2));
