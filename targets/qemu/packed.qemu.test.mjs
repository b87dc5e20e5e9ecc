// The packed executables, as a board runs them but for the kernel: the command line, the daemon,
// the addons inside, and what they need of a board.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';

import {
  BINFMT,
  BUILD,
  HOST_CORE,
  binfmtWorks,
  budget,
  emulated,
  isOlder,
  mayLackBinfmt,
  name,
  neededVersions,
  ok,
  run,
  scratch,
  target,
} from './kit.mjs';

let at;
let env;
beforeAll(() => {
  at = scratch();
  env = { PATH: process.env.PATH, HOME: at.folder, RVE_CACHE_DIR: join(at.folder, 'cache') };
});
afterAll(() => at.remove());

/** How each executable is started: those that become another program need the kernel's help. */
const EXECUTABLES = target.packed.map((file) => {
  const sea = name === 'arm64' && file === 'rve';
  return { file, words: [...(sea ? emulated() : BINFMT), join(BUILD, file)], sea };
});

for (const { file, words, sea } of EXECUTABLES) {
  const it = !sea && !binfmtWorks && mayLackBinfmt ? test.skip : test;

  it(`${file} stores, asks, checks and tells its statistics`, async () => {
    const store = join(at.folder, `${file}.rve`);
    const lines = '{"v":[1,0,0],"label":"idle"}\n{"v":[0,1,0],"label":"worn","payload":{"a":1}}\n';
    const version = JSON.parse(readFileSync('package.json', 'utf8')).version;
    expect(await ok([...words, 'version'], { env })).toContain(version);
    await ok([...words, 'insert', store, '--dims', '3'], { env, input: lines });
    const query = [...words, 'query', store, '--vector', '0.1,0.9,0', '-k', '2', '--json'];
    expect(JSON.parse(await ok(query, { env })).ids).toEqual([1, 0]);
    expect(JSON.parse(await ok([...words, 'check', store, '--deep', '--json'], { env }))).toMatchObject({
      ok: true,
      lost: 0,
    });
    expect(await ok([...words, 'export', store], { env })).toContain('"payload":{"a":1}');
    // The other way round: the machine's own tool reads what the board's Node has written.
    expect(JSON.parse(await ok([HOST_CORE, 'stats', store, '--json']))).toMatchObject({ live: 2 });
    expect((await run([...words, 'query', store], { env })).status).toBe(2);
  });

  it(`${file} serves: it takes records over MQTT until it is told to stop`, async () => {
    const folder = join(at.folder, `serve-${file}`);
    const [program, ...rest] = [...words, 'serve', '--sim', 'bearing'];
    await ok(['mkdir', folder]);
    writeFileSync(join(folder, 'rve.toml'), '[mqtt]\nport = 0\n');
    const child = spawn(program, rest, { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
    const ended = new Promise((resolve) => child.once('exit', (code) => resolve(code)));
    let text = '';
    const stored = new Promise((resolve) => {
      for (const stream of [child.stdout, child.stderr]) {
        stream.on('data', (part) => {
          text += part;
          if (/\b[1-9][\d,]* (stored|vectors|records|live)/.test(text)) resolve();
        });
      }
    });
    await Promise.race([stored, ended]);
    child.kill('SIGTERM');
    expect(await ended, text).toBe(0);
  });
}

test('what is packed carries no build path of this machine', () => {
  for (const { file } of EXECUTABLES) {
    expect(readFileSync(join(BUILD, file)).includes(process.cwd()), file).toBe(false);
  }
  expect(readFileSync(join(BUILD, 'rve-slim.cjs'), 'latin1')).not.toContain(process.cwd());
});

test('no executable needs a newer C or C++ library than its budget says', () => {
  const { floors } = budget();
  for (const [file, floor] of Object.entries(floors)) {
    const needed = neededVersions(join(BUILD, file));
    for (const [set, version] of Object.entries(needed)) {
      const bound = floor[set];
      expect(bound, `${file} needs ${set}_${version}`).toBeDefined();
      expect(isOlder(bound, version), `${file} needs ${set}_${version}, floor ${bound}`).toBe(false);
    }
  }
});

test('launcher and rve-core are static: they need no library at all', async () => {
  for (const file of ['rve-core', 'launcher']) {
    const text = await ok(['readelf', '-dl', join(BUILD, file)]);
    expect(text, file).not.toMatch(/\(NEEDED\)/);
    expect(text, file).not.toMatch(/interpreter/);
  }
});

test('the addon of serialport loads in the Node that it is packed with', async () => {
  const node =
    name === 'arm64'
      ? [...emulated(), join(BUILD, 'stripped/node')]
      : [...emulated().slice(0, -1), join(BUILD, 'sysroot'), join(BUILD, 'sysroot/usr/bin/node')];
  const addon = JSON.stringify(join(BUILD, 'stripped/serialport.node'));
  const script = `console.log(Object.keys(require(${addon})).join())`;
  expect(await ok([...node, '-e', script])).toMatch(/\bopen\b/);
});

test('the program is extracted into no place but the one that was given', () => {
  if (!existsSync(env.RVE_CACHE_DIR)) return expect(name).toBe('arm64');
  expect(statSync(env.RVE_CACHE_DIR).mode & 0o777).toBe(0o700);
  expect(readdirSync(at.folder)).not.toContain('.cache');
  return undefined;
});
