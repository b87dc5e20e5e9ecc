// What the tests under qemu-user share: the target, its emulator, and folders that go at the end.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const TARGETS = {
  arm64: {
    arch: 'aarch64',
    triplet: 'aarch64-linux-gnu',
    cpus: ['cortex-a53', 'max'],
    packed: ['rve', 'rve-small'],
    room: 'arm64',
  },
  riscv64: {
    arch: 'riscv64',
    triplet: 'riscv64-linux-gnu',
    cpus: ['rv64', 'rv64,v=true,vlen=128'],
    packed: ['rve'],
    room: 'riscv',
  },
};

export const name = process.env.TARGET ?? '';
if (!(name in TARGETS)) throw new Error('TARGET is arm64 or riscv64: make qemu-user TARGET=arm64');
export const target = TARGETS[name];
export const BUILD = resolve(process.env.BUILD ?? `build/${name}`);
export const HOST_CORE = resolve('build/host/rve-core');

function which(...names) {
  for (const one of names) {
    const found = spawnSync('/bin/sh', ['-c', `command -v ${one}`], { encoding: 'utf8' });
    if (found.status === 0) return found.stdout.trim();
  }
  throw new Error(`No ${names[0]}. On Debian: apt-get install qemu-user-static`);
}

export const QEMU = process.env.RVE_QEMU ?? which(`qemu-${target.arch}-static`, `qemu-${target.arch}`);

/** The command line that runs a program of the target with the cross compiler's own libraries. */
export function emulated(cpu = target.cpus.at(-1)) {
  return [QEMU, '-cpu', cpu, '-L', `/usr/${target.triplet}`];
}

/**
 * Runs; { status, stdout, stderr }. What could not be started, or was killed, is an error. Not
 * synchronous: vitest gives up on a worker whose loop stands still for a minute.
 */
export function run([program, ...words], { input = '', ...options } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, words, { ...options, stdio: 'pipe' });
    const parts = { stdout: [], stderr: [] };
    for (const name of ['stdout', 'stderr']) child[name].on('data', (part) => parts[name].push(part));
    // It may end without reading its stdin.
    child.stdin.on('error', () => {});
    child.stdin.end(input);
    child.once('error', reject);
    child.once('close', (status, signal) => {
      const text = (name) => Buffer.concat(parts[name]).toString('utf8');
      if (signal !== null) reject(new Error(`${program} ${words.join(' ')}: ${signal}`));
      else resolve({ status, stdout: text('stdout'), stderr: text('stderr') });
    });
  });
}

export async function ok(words, options) {
  const result = await run(words, options);
  if (result.status !== 0) {
    throw new Error(`${words.join(' ')}: exit ${result.status}\n${result.stdout}${result.stderr}`);
  }
  return result.stdout;
}

/**
 * A command in which the kernel starts programs of the target by itself. Where it forbids that the
 * tests that need it fail, unless RVE_ALLOW_NO_BINFMT=1 says that they may be skipped.
 */
export const BINFMT = [resolve('tools/qemu/binfmt.sh'), target.arch];
const probe = spawnSync(BINFMT[0], [target.arch, join(BUILD, 'rve-core'), 'help']);
export const binfmtWorks = probe.status === 0;
export const mayLackBinfmt = process.env.RVE_ALLOW_NO_BINFMT === '1';

export function scratch() {
  const folder = mkdtempSync(join(tmpdir(), 'rve-target-'));
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** Highest version of each symbol set that an ELF file needs: { GLIBC: '2.28', GLIBCXX: '3.4.21' }.
 * */
export function neededVersions(path) {
  const symbols = execFileSync('nm', ['-D', '--with-symbol-versions', path], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  const highest = {};
  for (const [, set, version] of symbols.matchAll(/ U .*@+(GLIBC|GLIBCXX|CXXABI|GCC)_([\d.]+)$/gm)) {
    if (highest[set] === undefined || isOlder(highest[set], version)) highest[set] = version;
  }
  return highest;
}

export function isOlder(a, b) {
  const [x, y] = [a, b].map((text) => text.split('.').map(Number));
  for (let i = 0; i < Math.max(x.length, y.length); i++) {
    if ((x[i] ?? 0) !== (y[i] ?? 0)) return (x[i] ?? 0) < (y[i] ?? 0);
  }
  return false;
}

export function budget() {
  return JSON.parse(readFileSync(`targets/${target.room}/budget.json`, 'utf8'));
}
