import { expect, test } from 'vitest';

import { readText } from '../generated.mjs';
import { checkShape, figureOf, fileOf, judge, withMeasured } from './budget.mjs';

const BUDGET = {
  figures: {
    'fileBytes.rve': { allowed: 1000, measured: 900 },
    'rssAnonBytes.idle': { allowed: 1000, measured: null },
    'startMs.first': { allowed: 100, measured: null },
  },
};

test('bytes fail above a tenth more than is allowed, and not before', () => {
  for (const name of ['fileBytes.rve', 'rssAnonBytes.idle']) {
    expect(judge(BUDGET, { [name]: 1100 }).failures).toEqual([]);
    const { failures, lines } = judge(BUDGET, { [name]: 1101 });
    expect(failures).toHaveLength(1);
    expect(lines[0]).toMatch(/^OVER/);
  }
});

test('times warn at twice what is allowed and never fail', () => {
  expect(judge(BUDGET, { 'startMs.first': 200 }).lines[0]).toMatch(/^ok/);
  const slow = judge(BUDGET, { 'startMs.first': 100_000 });
  expect(slow.lines[0]).toMatch(/^SLOW/);
  expect(slow.failures).toEqual([]);
});

test('a figure that the budget does not know fails, and so does a budget without numbers', () => {
  expect(judge(BUDGET, { 'rssAnonBytes.100k': 1 }).failures).toHaveLength(1);
  for (const figures of [
    { 'filebytes.rve': { allowed: 1, measured: 1 } },
    { 'fileBytes.rve': { allowed: null, measured: 1 } },
    { 'fileBytes.rve': { allowed: '1', measured: 1 } },
  ]) {
    expect(() => checkShape({ figures })).toThrow();
  }
});

test('an update changes what was measured, and never what is allowed', () => {
  const { figures } = withMeasured(BUDGET, { 'fileBytes.rve': 950 });
  expect(figures['fileBytes.rve']).toEqual({ allowed: 1000, measured: 950 });
  expect(figures['startMs.first']).toEqual(BUDGET.figures['startMs.first']);
});

for (const room of ['arm64', 'riscv']) {
  test(`the budget of targets/${room} is one, with every figure that a board is measured by`, () => {
    const budget = JSON.parse(readText(`targets/${room}/budget.json`));
    checkShape(budget);
    for (const name of ['rssAnonBytes.idle', 'rssAnonBytes.100k', 'rssAnonBytes.1m',
      'startMs.next', 'fileBytes.rve', 'fileBytes.rve-core']) {
      expect(budget.figures).toHaveProperty([name]);
    }
    // Only the launcher unpacks at its first start.
    expect('startMs.first' in budget.figures).toBe(room === 'riscv');
  });
}

test('a file packed at another level than the released one is another figure', () => {
  expect(figureOf('rve-small', 19)).toBe('fileBytes.rve-small');
  expect(figureOf('rve-core', undefined)).toBe('fileBytes.rve-core');
  expect(figureOf('rve-small', 12)).toBe('fileBytes.rve-small.zstd12');
  expect(fileOf('fileBytes.rve-slim.cjs')).toBe('rve-slim.cjs');
  expect(fileOf('fileBytes.rve-small.zstd12')).toBe(null);
  expect(fileOf('startMs.first')).toBe(null);
});
