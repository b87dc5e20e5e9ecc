// rve-core, the static native tool. RVE_CORE is the command to test, with an emulator before it
// where the tool is for another machine; without it that of this machine's build.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';

const CORE = (process.env.RVE_CORE ?? 'build/host/rve-core').split(' ');

let folder;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'rve-core-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function core(words, input = '') {
  const [program, ...before] = CORE;
  const env = { ...process.env, TMPDIR: folder };
  const options = { input, encoding: 'utf8', maxBuffer: 1 << 26, env };
  const result = spawnSync(program, [...before, ...words], options);
  // EPIPE: it ended without reading its stdin to the end, as it may.
  if (result.error !== undefined && result.error.code !== 'EPIPE') throw result.error;
  return result;
}

function json(words, input) {
  const { status, stdout, stderr } = core([...words, '--json'], input);
  expect(status, stderr).toBe(0);
  return JSON.parse(stdout);
}

function f32(rows) {
  return Buffer.from(Float32Array.from(rows.flat()).buffer);
}

test('what was inserted as text is found again, with the ids that were acknowledged', () => {
  const store = join(folder, 'text.rve');
  const { stdout, status } = core(
    ['insert', store, '--format', 'csv', '--metric', 'l2', '--acks', '--batch', '2'],
    '1,0,0\n[0, 1, 0]\n\n0 0 2\n',
  );
  expect(status).toBe(0);
  const acks = stdout.trim().split('\n').filter((line) => line.startsWith('ack '));
  expect(acks.map((line) => line.split(' ').slice(2))).toEqual([['0', '1'], ['2']]);
  const answer = json(['query', store, '--vector', '0,0,2.5', '-k', '2']);
  expect(answer.ids).toEqual([2, 0]);
  expect(answer.scores).toEqual([0.25, 7.25]);
  expect(answer.degraded).toBe(false);
});

test('raw rows come from stdin or a file, and the labels and sources filter', () => {
  const store = join(folder, 'raw.rve');
  const file = join(folder, 'raw.f32');
  writeFileSync(file, f32([[1, 0], [0, 1]]));
  json(['insert', store, '--dims', '2', '--file', file, '--source', 'pump', '--label', 'worn']);
  json(['insert', store, '--source', 'fan'], f32([[1, 0.1]]));
  expect(json(['query', store, '--vector', '1,0']).ids).toEqual([0, 2, 1]);
  expect(json(['query', store, '--vector', '1,0', '--source', 'pump']).ids).toEqual([0, 1]);
  expect(json(['query', store, '--vector', '1,0', '--label', 'worn', '-k', '1']).ids).toEqual([0]);
  const { stdout } = core(['query', store, '--file', '-', '-k', '1'], f32([[0, 1], [1, 0.1]]));
  expect(stdout.split('\n').map((line) => line.split('\t')[0])).toEqual(['1', '2', '']);
  const stats = json(['stats', store]);
  expect(stats).toMatchObject({ dimensions: 2, metric: 'cosine', live: 3, nextId: 3, holes: 0 });
});

test('a sound store passes the check, and one that is damaged or cut short does not', () => {
  const store = join(folder, 'check.rve');
  json(['insert', store, '--dims', '4'], f32([[1, 2, 3, 4], [4, 3, 2, 1]]));
  expect(json(['check', store, '--deep'])).toEqual({
    ok: true,
    damaged: [],
    lost: 0,
    holes: 0,
    notes: [],
  });
  const bytes = readFileSync(store);
  const damaged = join(folder, 'damaged.rve');
  bytes.fill(0x5a, 0, 4096);
  writeFileSync(damaged, bytes);
  expect(core(['check', damaged]).status).not.toBe(0);
  const cut = join(folder, 'cut.rve');
  writeFileSync(cut, readFileSync(store).subarray(0, 20 * 1024));
  expect(core(['check', cut, '--json']).status).toBe(3);
});

test('every wrong command line exits 2, names the command, and with --json is an object', () => {
  const lines = [
    [],
    ['fly'],
    ['query'],
    ['query', 'x'],
    ['query', 'x', '--vector', '1', '--file', 'y'],
    ['query', 'x', '--vector', '1', '-k', '0'],
    ['query', 'x', '--vector', '1', '-k', 'many'],
    ['insert', 'x', '--metric', 'angle'],
    ['insert', 'x', '--dims'],
    ['insert', 'x', '--dims', '2', '--dims', '3'],
    ['insert', 'x', 'y'],
    ['stats', 'x', '--fast'],
    ['check', 'x', '--deep=1'],
  ];
  for (const line of lines) expect(core(line).status, line.join(' ')).toBe(2);
  const { stdout } = core(['query', 'x', '--json']);
  expect(JSON.parse(stdout).error.code).toBe('ERR_USAGE');
  expect(readdirSync('.')).not.toContain('x');
});

test('what cannot be done exits 1 with the code of status.def', () => {
  const store = join(folder, 'fail.rve');
  const code = (words, input) => {
    const { status, stdout } = core([...words, '--json'], input);
    expect(status).toBe(1);
    return JSON.parse(stdout.trim().split('\n').at(-1)).error.code;
  };
  expect(code(['stats', store])).toBe('ERR_NOT_FOUND');
  expect(existsSync(store)).toBe(false);
  expect(code(['insert', store], f32([[1]]))).toBe('ERR_OPTION');
  json(['insert', store, '--dims', '2'], f32([[1, 2]]));
  expect(code(['insert', store, '--dims', '3'], f32([[1, 2, 3]]))).toBe('ERR_CONTRADICTION');
  expect(code(['insert', store], f32([[0, 0]]))).toBe('ERR_VECTOR');
  expect(code(['insert', store], Buffer.alloc(7))).toBe('ERR_VECTOR');
  expect(code(['insert', store, '--format', 'csv'], '1,two\n')).toBe('ERR_VECTOR');
  expect(code(['insert', store, '--format', 'csv'], '1,2,3\n')).toBe('ERR_VECTOR');
  expect(code(['query', store, '--vector', '1,2,3'])).toBe('ERR_DIMENSIONS');
  writeFileSync(store, 'not a store');
  expect(code(['stats', store])).toBe('ERR_NOT_A_STORE');
});

test('bench leaves no file behind, and one that is named can be opened and holds its rows', () => {
  const report = json(['bench', '--rows', '500', '--dims', '16', '--queries', '20']);
  expect(report).toMatchObject({ rows: 500, dimensions: 16, seed: 1, live: 500 });
  expect(report.insertPerS).toBeGreaterThan(0);
  expect(readdirSync(folder).filter((name) => name.startsWith('rve-core-'))).toEqual([]);
  const store = join(folder, 'bench.rve');
  json(['bench', store, '--rows', '300', '--dims', '16', '--queries', '1', '--unsettled']);
  json(['bench', store, '--rows', '200', '--first', '300', '--dims', '16', '--queries', '1']);
  expect(json(['stats', store]).live).toBe(500);
});
