// Builds the machine that the scenarios run on: a kernel, an initial RAM disk and a system disk.
//
//   node targets/qemu/image.mjs TARGET PACKAGES RVE RVE_CORE LIBRARIES OUT
//
// PACKAGES is a folder of unpacked Debian packages (kernel, busybox-static), RVE the packed
// program, LIBRARIES a folder of unpacked packages with what RVE is linked to ('' if it needs
// nothing). Everything is made without root and without mounting.
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { gzipSync } from 'node:zlib';

import { Cpio } from './cpio.mjs';

/**
 * In the order in which they load. What a kernel has built in stands in its modules.builtin; what
 * it has neither way is an error, but for those marked optional.
 */
const MODULES = [
  'virtio',
  'virtio_ring',
  'virtio_pci_modern_dev',
  'virtio_pci_legacy_dev',
  'virtio_pci',
  'virtio_blk',
  'failover',
  'net_failover',
  'virtio_net',
  'virtio_console',
  // ext4 asks for the algorithm by name, not by module.
  'crc32c_generic?',
  'crc16?',
  'mbcache?',
  'jbd2',
  'ext4',
];

/** The loader, and what the official builds of Node are linked to. */
const LIBRARY = /(^|\/)(ld-linux[^/]*|lib(c|m|dl|rt|pthread|gcc_s|stdc\+\+|atomic)\.so[.\d]*)$/;

const [target, packages, rve, rveCore, libraries, out] = process.argv.slice(2);
if (out === undefined) {
  console.error('usage: node targets/qemu/image.mjs TARGET PACKAGES RVE RVE_CORE LIBRARIES OUT');
  process.exit(2);
}
mkdirSync(out, { recursive: true });
copyFileSync(kernelOf(packages), join(out, 'kernel'));
writeFileSync(join(out, 'initrd.gz'), gzipSync(initrd(), { level: 6 }));
systemDisk();
console.log(`  IMAGE ${out} (${target})`);

function kernelOf(root) {
  const folder = join(root, 'boot');
  const name = readdirSync(folder).find((one) => /^vmlinu[xz]-/.test(one));
  if (name === undefined) throw new Error(`no kernel in ${folder}`);
  return join(folder, name);
}

function firstOf(paths) {
  const found = paths.find((path) => existsSync(path));
  if (found === undefined) throw new Error(`none of ${paths.join(', ')} is there`);
  return found;
}

function initrd() {
  const cpio = new Cpio();
  const folders = ['bin', 'dev', 'proc', 'sys', 'tmp', 'run', 'data', 'system', 'modules'];
  for (const name of folders) {
    cpio.folder(name);
  }
  // The kernel opens it for init before anything is mounted.
  cpio.device('dev/console', 5, 1);
  const busybox = firstOf([join(packages, 'bin/busybox'), join(packages, 'usr/bin/busybox')]);
  cpio.file('bin/busybox', readFileSync(busybox), 0o755);
  cpio.link('bin/sh', 'busybox');
  modules().forEach(({ name, bytes }, index) => {
    cpio.file(`modules/${String(index).padStart(2, '0')}-${name}.ko`, bytes, 0o644);
  });
  for (const name of readdirSync(new URL('guest', import.meta.url)).sort()) {
    const bytes = readFileSync(new URL(`guest/${name}`, import.meta.url));
    cpio.file(name === 'init' ? 'init' : `bin/${name}`, bytes, 0o755);
  }
  // Where the loader and the libraries of a dynamically linked program are looked for.
  for (const name of ['lib', 'lib64', 'usr']) cpio.link(name, `system/${name}`);
  return cpio.finish();
}

function modules() {
  const base = firstOf([join(packages, 'lib/modules'), join(packages, 'usr/lib/modules')]);
  const folder = join(base, readdirSync(base)[0]);
  const files = readdirSync(folder, { recursive: true }).map(String);
  const builtin = readFileSync(join(folder, 'modules.builtin'), 'utf8');
  const list = [];
  for (const wanted of MODULES) {
    const name = wanted.replace('?', '');
    const file = files.find((path) => [`${name}.ko`, `${name}.ko.xz`].includes(basename(path)));
    if (file !== undefined) {
      const path = join(folder, file);
      const isPacked = path.endsWith('.xz');
      const bytes = isPacked
        ? execFileSync('xz', ['-dc', path], { maxBuffer: 64 * 1024 * 1024 })
        : readFileSync(path);
      list.push({ name, bytes });
    } else if (!builtin.includes(`/${name}.ko`) && !wanted.endsWith('?')) {
      throw new Error(`the kernel has no ${name}`);
    }
  }
  return list;
}

/** A read-only disk with the program, and the libraries that it is linked to. */
function systemDisk() {
  const root = join(out, 'system');
  rmSync(root, { recursive: true, force: true });
  for (const name of ['bin', 'lib', 'usr/lib']) mkdirSync(join(root, name), { recursive: true });
  for (const [path, name] of [[rve, 'rve'], [rveCore, 'rve-core']]) {
    copyFileSync(path, join(root, 'bin', name));
    chmodSync(join(root, 'bin', name), 0o755);
  }
  if (libraries !== '') copyLibraries(root);
  else unpackOnce(root);
  const bytes = Number(execFileSync('du', ['-sb', root], { encoding: 'utf8' }).split('\t')[0]);
  // Metadata and rounding of an ext4 without a journal stay below a sixteenth and 4 MiB.
  const mib = Math.ceil((bytes * 17) / 16 / 1024 / 1024) + 4;
  const image = join(out, 'system.img');
  rmSync(image, { force: true });
  const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` };
  const words = ['-q', '-t', 'ext4', '-O', '^has_journal', '-m', '0', '-L', 'system'];
  execFileSync('mke2fs', [...words, '-d', root, image, `${mib}M`], { env });
  if (process.getuid() !== 0) ownByRoot(root, image, env);
  rmSync(root, { recursive: true });
}

/**
 * A launcher unpacks Node before its first start, which takes an emulated machine half a minute.
 * Here it does so once, on this host; that the machine can do it too has a scenario of its own.
 * What it becomes afterwards is a foreign program, which need not run.
 */
function unpackOnce(root) {
  const cache = resolve(root, 'cache');
  mkdirSync(cache, { mode: 0o700 });
  const emulator = `qemu-${target === 'arm64' ? 'aarch64' : target}-static`;
  const run = spawnSync(emulator, [join(root, 'bin/rve'), 'version'], {
    env: { ...process.env, RVE_CACHE_DIR: cache },
    encoding: 'utf8',
  });
  if (readdirSync(cache).some((name) => /^[0-9a-f]{32}$/.test(name))) return;
  throw new Error(`${emulator} rve version unpacked nothing: ${run.error?.message ?? run.stderr}`);
}

/** The builder's files, as the machine must find them; a launcher runs no cache of another user. */
function ownByRoot(root, image, env) {
  const names = readdirSync(root, { recursive: true }).map(String);
  const words = names.flatMap((name) => ['uid', 'gid'].map((field) => `sif "/${name}" ${field} 0`));
  const stdio = ['pipe', 'ignore', 'ignore'];
  const input = `${words.join('\n')}\n`;
  execFileSync('debugfs', ['-w', '-f', '-', image], { env, input, stdio });
}

/** Shared objects only, under the paths at which the loader looks. */
function copyLibraries(root) {
  for (const folder of ['lib', 'usr/lib']) {
    const from = join(libraries, folder);
    if (!existsSync(from)) continue;
    for (const name of readdirSync(from, { recursive: true }).map(String)) {
      if (!LIBRARY.test(name)) continue;
      // Through links: the system disk has the file under each of its names.
      const path = join(from, name);
      if (!existsSync(path) || !statSync(path).isFile()) continue;
      mkdirSync(join(root, folder, name, '..'), { recursive: true });
      copyFileSync(path, join(root, folder, name));
      chmodSync(join(root, folder, name), 0o755);
    }
  }
}
