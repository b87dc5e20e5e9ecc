import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

import { ROOT, readText } from './generated.mjs';
import { parseLimits } from './gen_limits.mjs';

const README = readText('README.md');
const EXAMPLE = /```js\n([\s\S]*?)```/.exec(README)?.[1] ?? '';

test('the example of the README prints what its comment says', ({ skip }) => {
  if (!existsSync(join(ROOT, 'runtime/index.ts'))) skip('runtime/index.ts is not there yet');
  const wanted = /console\.log\(.*\); \/\/ (.*)/.exec(EXAMPLE)?.[1];
  expect(wanted).toBeTruthy();
  // Below the project, so that the package finds itself by its own name.
  mkdirSync(join(ROOT, 'build/host'), { recursive: true });
  const folder = mkdtempSync(join(ROOT, 'build/host/readme-'));
  try {
    writeFileSync(join(folder, 'example.mjs'), EXAMPLE);
    const options = { cwd: folder, encoding: 'utf8', timeout: 15_000 };
    expect(execFileSync(process.execPath, ['example.mjs'], options).trim()).toBe(wanted);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('the example of the README is ten lines', () => {
  expect(EXAMPLE.trim().split('\n')).toHaveLength(10);
});

test('the bounds in the README are those of limits.hpp', () => {
  const limits = Object.fromEntries(
    parseLimits(readText('native/base/limits.hpp')).map(({ name, value }) => [name, value]),
  );
  const row = (what) => README.split('\n').find((line) => line.startsWith(`| ${what}`)) ?? '';
  const text = (value) => value.toLocaleString('en-US');
  expect(row('dimensions')).toContain(`| ${text(limits.dimensionsMax)} |`);
  expect(row('id ')).toContain(`2^${Math.log2(Number(limits.idMax + 1n))} - 1`);
  expect(row('payload')).toContain(`| ${limits.payloadBytesMax / 1024n} KiB |`);
  expect(row('name of')).toContain(`| ${limits.nameBytesMax} bytes`);
  expect(row('sources')).toContain(`${text(limits.sourcesMax)} and ${text(limits.labelsMax)}`);
  expect(row('results')).toContain(`${text(limits.kMax)} and ${text(limits.efMax)}`);
});
