// The launcher with a small payload of its own: a script that the shell of this machine runs, so
// that no emulated Node slows the tests of what matters here: only a complete, unaltered, private
// cache is ever run.
import { spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';

import { pack } from '../../tools/pack/payload.mjs';
import { BUILD, emulated, run, scratch } from './kit.mjs';

const SCRIPT = '#!/bin/sh\nread -r word < "$1/sub/word"; shift; echo "$word $*"\n';
const FILES = [
  { path: 'run.sh', mode: 0o700, bytes: Buffer.from(SCRIPT) },
  { path: 'sub/empty', mode: 0o600, bytes: Buffer.alloc(0) },
  { path: 'sub/large', mode: 0o600, bytes: Buffer.alloc(3_000_000, 'large ') },
  { path: 'sub/word', mode: 0o600, bytes: Buffer.from('hello\n') },
];
const COMMAND = ['/bin/sh', '%D/run.sh', '%D'];

let at;
let base;
let program;
beforeEach(() => {
  at = scratch();
  base = join(at.folder, 'cache');
  program = join(at.folder, 'program');
  writeProgram(FILES);
});
afterEach(() => at.remove());

function writeProgram(files, path = program) {
  const { bytes } = pack(readFileSync(join(BUILD, 'launcher')), COMMAND, files, 1);
  writeFileSync(path, bytes, { mode: 0o755 });
}

function start(words = [], env = {}, path = program) {
  const options = { env: { PATH: process.env.PATH, RVE_CACHE_DIR: base, ...env } };
  return run([...emulated(), path, ...words], options);
}

function folders() {
  return readdirSync(base).sort();
}

test('the first start extracts, the second runs the very same files, arguments and all', async () => {
  expect(await start(['a', 'b c'])).toMatchObject({ status: 0, stdout: 'hello a b c\n' });
  const [name, ...others] = folders();
  expect(others).toEqual([]);
  expect(statSync(base).mode & 0o777).toBe(0o700);
  const { ino } = statSync(join(base, name, 'run.sh'));
  for (const file of FILES) {
    expect(statSync(join(base, name, file.path)).mode & 0o777).toBe(file.mode);
    expect(readFileSync(join(base, name, file.path)).equals(file.bytes)).toBe(true);
  }
  expect((await start()).stdout).toBe('hello \n');
  expect(statSync(join(base, name, 'run.sh')).ino).toBe(ino);
});

test('a cache with an altered, missing, longer, linked or open file is made anew, not run', async () => {
  await start();
  const [name] = folders();
  const folder = join(base, name);
  const word = join(folder, 'sub/word');
  const harms = {
    altered: () => writeFileSync(word, 'HELLO\n'),
    longer: () => writeFileSync(word, 'hello\nmore\n'),
    missing: () => renameSync(word, join(folder, 'sub/other')),
    linked: async () => {
      renameSync(word, join(at.folder, 'word'));
      await run(['ln', '-s', join(at.folder, 'word'), word]);
    },
    'open to others': () => chmodSync(word, 0o666),
    'of a bit that rotted far inside': () => {
      const bytes = readFileSync(join(folder, 'sub/large'));
      bytes[2_345_678] ^= 1;
      writeFileSync(join(folder, 'sub/large'), bytes);
    },
  };
  for (const [harm, does] of Object.entries(harms)) {
    await does();
    expect((await start()).stdout, harm).toBe('hello \n');
    expect(folders(), harm).toEqual([name]);
    expect(statSync(word).mode & 0o777).toBe(0o600);
    expect(readFileSync(join(folder, 'sub/large')).equals(FILES[2].bytes)).toBe(true);
  }
});

// Method: a power cut leaves the files up to some byte, under the temporary name; the rename is the
// last step. Every number of complete files, with and without a half of the next.
test('whatever an interrupted extraction left is never run, and is gone after the next start', async () => {
  for (let complete = 0; complete <= FILES.length; complete++) {
    for (const half of [false, true]) {
      const left = join(base, `tmp.1-0000000${complete}`);
      mkdirSync(join(left, 'sub'), { recursive: true, mode: 0o700 });
      chmodSync(base, 0o700);
      FILES.slice(0, complete).forEach(({ path, bytes }) => writeFileSync(join(left, path), bytes));
      const next = FILES[complete];
      if (half && next !== undefined) {
        writeFileSync(join(left, next.path), next.bytes.subarray(0, next.bytes.length / 2));
      }
      expect((await start()).stdout).toBe('hello \n');
      expect(folders()).toHaveLength(1);
      // The same under the final name: as if the device had reordered what was synced.
      const [name] = folders();
      if (half && next !== undefined && next.bytes.length > 0) {
        writeFileSync(join(base, name, next.path), next.bytes.subarray(0, next.bytes.length / 2));
        expect((await start()).stdout).toBe('hello \n');
      }
      await run(['rm', '-rf', base]);
    }
  }
});

test('a launcher that is killed while it extracts leaves nothing that a later one runs', async () => {
  const large = [
    ...FILES.slice(0, 3),
    { path: 'sub/larger', mode: 0o600, bytes: Buffer.alloc(60_000_000) },
    FILES[3],
  ];
  writeProgram(large);
  const [qemu, ...words] = [...emulated(), program];
  const env = { PATH: process.env.PATH, RVE_CACHE_DIR: base };
  const child = spawn(qemu, words, { env, stdio: 'ignore' });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  // The kill comes once extraction has begun; where it has ended by then, the test is the simpler.
  const begun = () => existsSync(base) && folders().some((name) => name.startsWith('tmp.'));
  while (!begun() && child.exitCode === null) await new Promise((resolve) => setImmediate(resolve));
  child.kill('SIGKILL');
  await ended;
  expect((await start()).stdout).toBe('hello \n');
  expect(folders()).toHaveLength(1);
});

test('an executable that was cut short or altered says so, and leaves no cache', async () => {
  const whole = readFileSync(program);
  const launcherBytes = readFileSync(join(BUILD, 'launcher')).length;
  const altered = (place) => {
    const bytes = Buffer.from(whole);
    bytes[place] ^= 0x10;
    return bytes;
  };
  const harms = {
    'cut by a byte': whole.subarray(0, whole.length - 1),
    'cut in its stream': whole.subarray(0, whole.length - 100),
    'without a trailer': whole.subarray(0, whole.length - 64),
    'altered in its stream': altered(whole.length - 80),
    'altered in its checksum': altered(whole.length - 10),
    'altered in its manifest': altered(launcherBytes + 40),
    'without its payload': whole.subarray(0, launcherBytes),
  };
  for (const [harm, bytes] of Object.entries(harms)) {
    const path = join(at.folder, 'harmed');
    writeFileSync(path, bytes, { mode: 0o755 });
    const { status, stdout, stderr } = await start([], {}, path);
    expect(status, harm).toBe(1);
    expect(stdout, harm).toBe('');
    expect(stderr, harm).toMatch(/damaged/);
    expect(existsSync(base) ? folders() : [], harm).toEqual([]);
  }
});

test('a manifest that names a file outside the cache is refused', async () => {
  const [inside] = FILES;
  expect(() => pack(Buffer.alloc(0), COMMAND, [{ ...inside, path: '../run.sh' }], 1)).toThrow();
  // A packer that would write it: the same number of bytes, so that the trailer still fits.
  const bytes = readFileSync(program);
  const place = bytes.indexOf(' sub/word\n');
  bytes.write(' ../aword\n', place);
  writeFileSync(program, bytes, { mode: 0o755 });
  expect(await start()).toMatchObject({ status: 1, stdout: '' });
  expect(existsSync(join(at.folder, 'aword'))).toBe(false);
});

test('a cache folder that others may write to is refused, and so is one below such a folder', async () => {
  mkdirSync(base);
  chmodSync(base, 0o777);
  expect(await start()).toMatchObject({ status: 1, stdout: '' });
  expect(folders()).toEqual([]);
  const open = join(at.folder, 'open');
  mkdirSync(open);
  chmodSync(open, 0o777);
  expect((await start([], { RVE_CACHE_DIR: join(open, 'cache') })).stderr).toMatch(/written by others/);
  const link = join(at.folder, 'link');
  await run(['ln', '-s', open, link]);
  expect((await start([], { RVE_CACHE_DIR: link })).status).toBe(1);
});

test('a place that cannot be used is passed over for the next, and all are named if none can', async () => {
  const file = join(at.folder, 'file');
  writeFileSync(file, '');
  const home = join(at.folder, 'home');
  mkdirSync(home);
  const env = { RVE_CACHE_DIR: '', XDG_CACHE_HOME: file, HOME: home };
  expect((await start([], env)).stdout).toBe('hello \n');
  expect(readdirSync(join(home, '.cache/ruvector-edge'))).toHaveLength(1);
  const { status, stderr } = await start([], { RVE_CACHE_DIR: join(file, 'cache') });
  expect(status).toBe(1);
  expect(stderr).toMatch(/Not a directory/);
  expect(stderr).toMatch(/Try: RVE_CACHE_DIR=/);
});

test('on a file system mounted noexec nothing is extracted, and the message says why', async () => {
  const mount = join(at.folder, 'mount');
  mkdirSync(mount);
  const script = 'mount -t tmpfs -o noexec,mode=700 none "$0" || exit 77; exec "$@"';
  const env = { PATH: process.env.PATH, RVE_CACHE_DIR: join(mount, 'cache') };
  const words = ['unshare', '-Urm', 'sh', '-c', script, mount, ...emulated(), program];
  const { status, stderr } = await run(words, { env });
  expect(status, 'a mount in a user namespace').not.toBe(77);
  expect(status).toBe(1);
  expect(stderr).toMatch(/noexec/);
});

test('a newer version removes the cache of an older one, but not while that one runs', async () => {
  const waiting = FILES.map((file) =>
    file.path === 'run.sh' ? { ...file, bytes: Buffer.from('echo ready; read -r line\n') } : file,
  );
  const older = join(at.folder, 'older');
  writeProgram(waiting, older);
  const [qemu, ...words] = [...emulated(), older];
  const env = { PATH: process.env.PATH, RVE_CACHE_DIR: base };
  const child = spawn(qemu, words, { env, stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  await new Promise((resolve) => child.stdout.once('data', resolve));
  expect((await start()).stdout).toBe('hello \n');
  expect(folders()).toHaveLength(2);
  child.stdin.end('go\n');
  await ended;
  const third = FILES.map((file) =>
    file.path === 'sub/word' ? { ...file, bytes: Buffer.from('third\n') } : file,
  );
  writeProgram(third);
  expect((await start()).stdout).toBe('third \n');
  expect(folders()).toHaveLength(1);
});

test('with RVE_CACHE_VERIFY=quick sizes, owners and modes still must be right', async () => {
  await start();
  const [name] = folders();
  const word = join(base, name, 'sub/word');
  writeFileSync(word, 'longer\n');
  expect((await start([], { RVE_CACHE_VERIFY: 'quick' })).stdout).toBe('hello \n');
  writeFileSync(word, 'HELLO\n');
  expect((await start([], { RVE_CACHE_VERIFY: 'quick' })).stdout).toBe('HELLO \n');
});
