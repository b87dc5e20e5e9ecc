import { expect, test } from 'vitest';

import { evaluate, parseLimits, renderLimits } from './gen_limits.mjs';
import { parseStatus, renderCodes, renderDocument } from './gen_status.mjs';
import { readText } from './generated.mjs';
import { countLine, countTests } from './vitest_count.mjs';

test('constant expressions of limits.hpp are computed as C++ does', () => {
  expect(evaluate('(1ull << 48) - 1')).toBe(2n ** 48n - 1n);
  expect(evaluate('64 * 1024')).toBe(65536n);
  expect(evaluate('32u << 20')).toBe(33554432n);
  expect(evaluate('1 + 2 * 3')).toBe(7n);
  expect(evaluate('1 << 2 + 1')).toBe(8n);
});

test('an expression that cannot be computed stops the generator', () => {
  for (const text of ['sizeof(int)', '1 +', '(1', '1 / 2', '', '0x10', '1 2']) {
    expect(() => evaluate(text)).toThrow();
  }
});

test('a limit keeps its name, value and reason', () => {
  const rows = parseLimits('inline constexpr uint32_t kRowBytesMax = 4 * 1024;  // Why.\n');
  expect(rows).toEqual([{ name: 'rowBytesMax', value: 4096n, reason: 'Why.' }]);
  expect(renderLimits(rows)).toContain('  /** Why. */\n  rowBytesMax: 4_096,\n');
  expect(() => parseLimits('inline constexpr float kHalf = 0.5f;\n')).toThrow(/:1:/);
  expect(() => parseLimits('inline constexpr uint64_t kHuge = 1ull << 60;\n')).toThrow(/not safe/);
});

test('every constant of limits.hpp is generated', () => {
  const text = readText('native/base/limits.hpp');
  expect(parseLimits(text)).toHaveLength(text.match(/\bconstexpr\b/g)?.length ?? 0);
});

test('status.def with a gap, a repeated code or a bad line is refused', () => {
  const row = (n, name, code) => `RVE_STATUS(${n}, ${name}, "${code}", "what", "do")\n`;
  expect(parseStatus(row(0, 'kOk', 'OK'))).toHaveLength(1);
  expect(() => parseStatus(row(1, 'kOk', 'OK'))).toThrow(/should be 0/);
  expect(() => parseStatus(row(0, 'kA', 'E') + row(1, 'kB', 'E'))).toThrow(/twice/);
  expect(() => parseStatus('RVE_STATUS(0, kOk)\n')).toThrow(/:1:/);
});

test('every line of status.def but OK reaches the code union and the document', () => {
  const text = readText('native/base/status.def');
  const rows = parseStatus(text);
  expect(rows).toHaveLength(text.match(/^RVE_STATUS\(/gm)?.length ?? 0);
  const codes = renderCodes(rows);
  const table = renderDocument(rows);
  for (const { code, number } of rows.slice(1)) {
    expect(codes).toContain(`  | '${code}'`);
    expect(codes).toContain(`    number: ${number},\n    code: '${code}',`);
    expect(table).toContain(`| ${number} | \`${code}\` |`);
  }
  expect(codes).not.toContain("'OK'");
});

const fakeModule = (state, states) => ({
  state: () => state,
  children: { allTests: () => states.map((one) => ({ result: () => ({ state: one }) })) },
});

test('the count sums tests, and takes a file that fails to load for one failure', () => {
  const modules = [
    fakeModule('passed', ['passed', 'passed', 'skipped']),
    fakeModule('failed', ['passed', 'failed', 'failed']),
    fakeModule('failed', []),
  ];
  expect(countTests(modules, [])).toEqual({ passed: 3, failed: 3, skipped: 1 });
  expect(countTests([], [new Error('outside')])).toEqual({ passed: 0, failed: 1, skipped: 0 });
  expect(countLine({ passed: 3, failed: 3, skipped: 1 })).toBe('3 passed, 3 failed, 1 skipped');
  expect(countLine({ passed: 3, failed: 0, skipped: 0 })).toBe('3 passed, 0 failed');
});
