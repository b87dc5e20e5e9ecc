// The command `rve hil` without any machine: what it refuses, and what it tells of a scenario that
// cannot run here. Scenarios that do run: runtime/hil/player.test.ts, and `make qemu`.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { fakeWorld } from './context.fixture.js';

const SCENARIO = `name = "wake"
about = "says that it is up"

[vars]
records = 10

[[step]]
do = "start"

[[step]]
title = "\${records} records"
do = "expect"
pattern = "up"
within_s = 1
`;

let folder: string;
let scenario: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'rve-hil-'));
  scenario = join(folder, 'wake.toml');
  writeFileSync(scenario, SCENARIO);
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('rve hil', () => {
  it('refuses options that contradict each other, with its usage', async () => {
    const cases: [string[], string][] = [
      [[], 'SCENARIO... is missing'],
      [['--baud', '9600'], '--baud needs --serial DEV'],
      [['--power-off', 'true'], '--power-off needs --serial DEV'],
      [['--serial', '/dev/null', '--target', 'arm64'], '--target is not for a board'],
      [['--serial', '/dev/null', '--jobs', '2'], 'there is one board'],
      [['--set', 'records'], '--set wants NAME=VALUE'],
      [['--set', 'recrods=3'], 'no scenario has "recrods" in its [vars]. Did you mean "records"?'],
      [['--target', 'mips'], '--target'],
    ];
    for (const [options, expected] of cases) {
      const argv = ['hil', ...options, ...(options.length === 0 ? [] : [scenario])];
      const { code, stderr, stdout } = await fakeWorld().rve(argv);
      expect(code, argv.join(' ')).toBe(2);
      expect(stderr).toContain(expected);
      expect(stderr).toContain('usage: rve hil');
      expect(stdout).toBe('');
    }
  });

  it('names the file and the key of a scenario that is none', async () => {
    const bad = join(folder, 'bad.toml');
    writeFileSync(bad, `${SCENARIO}\n[[step]]\ndo = "exlpode"\n`);
    const { code, stderr } = await fakeWorld().rve(['hil', bad]);
    expect(code).not.toBe(0);
    expect(stderr).toContain('bad.toml');
    expect(stderr).toContain('step[3].do must be one of');
    const missing = await fakeWorld().rve(['hil', join(folder, 'missing.toml')]);
    expect(missing.code).not.toBe(0);
    expect(missing.stderr).toContain('missing.toml');
  });

  it('fails for what cannot run here, unless it is allowed by name', async () => {
    const kernel = join(folder, 'no-kernel');
    const file = join(folder, 'junit.xml');
    const argv = ['hil', '--kernel', kernel, '--seed', '7', '--junit', file, scenario];
    const refused = await fakeWorld().rve(argv);
    expect(refused.code).toBe(1);
    expect(refused.stdout).toContain('wake (seed 7): says that it is up');
    expect(refused.stdout).toMatch(/wake: CANNOT RUN: .*no-kernel/);
    expect(refused.stdout.trimEnd().split('\n').at(-1)).toBe('0 passed, 1 failed');
    expect(readFileSync(file, 'utf8')).toContain('<testcase');
    const allowed = await fakeWorld().rve([...argv, '--allow-missing']);
    expect(allowed.code).toBe(0);
    expect(allowed.stdout.trimEnd().split('\n').at(-1)).toBe('0 passed, 0 failed');
    const json = await fakeWorld().rve([...argv, '--json']);
    expect(json.code).toBe(1);
    expect(JSON.parse(json.stdout)).toMatchObject({
      passed: 0,
      failed: 1,
      scenarios: [{ scenario: 'wake', outcome: 'cannot_run', seed: 7 }],
    });
  });
});
