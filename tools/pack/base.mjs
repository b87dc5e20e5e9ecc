// Node and the shared libraries under it, as files of a payload.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';

/** Names in DT_NEEDED, from `readelf -d`. */
export function neededOf(readelf) {
  return [...readelf.matchAll(/\(NEEDED\)\s+Shared library: \[([^\]]+)\]/g)].map((match) => match[1]);
}

function libraryFolders(sysroot, triplet) {
  return [`usr/lib/${triplet}`, `lib/${triplet}`, 'usr/lib', 'lib']
    .map((folder) => join(sysroot, folder))
    .filter((folder) => existsSync(folder));
}

/** Every shared library that `programs` need, found below sysroot: name → path. */
export function closureOf(programs, sysroot, triplet) {
  const folders = libraryFolders(sysroot, triplet);
  const found = new Map();
  const queue = [...programs];
  while (queue.length > 0) {
    const dynamic = execFileSync('readelf', ['-d', queue.pop()], { encoding: 'utf8' });
    for (const name of neededOf(dynamic)) {
      if (found.has(name)) continue;
      const folder = folders.find((one) => existsSync(join(one, name)));
      if (folder === undefined) throw new Error(`${name} is not in ${sysroot}`);
      found.set(name, realpathSync(join(folder, name)));
      queue.push(found.get(name));
    }
  }
  return found;
}

/** Absolute paths of scripts that Debian's Node reads at every start: they stand in its library. */
export function builtinPaths(library) {
  const text = readFileSync(library).toString('latin1');
  return [...new Set(text.match(/\/usr\/share\/nodejs\/[\w./-]+\.(?:js|cjs|mjs|json|wasm)/g) ?? [])]
    .filter((path) => !path.includes('..'))
    .sort();
}

function fileOf(path, source, mode) {
  return { path, mode, bytes: readFileSync(source) };
}

/**
 * Files and command of a base: Node started through its own dynamic loader, with its own libraries.
 * @param {{ node: string, sysroot: string, triplet: string, loader: string, shim: string,
 *           addons: string[] }} base
 */
export function baseFiles(base) {
  const { node, sysroot, triplet, loader, shim } = base;
  const files = [];
  const libraries = closureOf([node, shim, ...base.addons], sysroot, triplet);
  // The loader is among them: libc names it.
  for (const [name, source] of libraries) files.push(fileOf(`lib/${name}`, source, 0o700));
  if (!libraries.has(loader)) throw new Error(`${loader} is not among the libraries`);
  files.push(fileOf('lib/shim.so', shim, 0o700), fileOf('node', node, 0o700));
  for (const [name, source] of libraries) {
    if (!name.startsWith('libnode')) continue;
    for (const path of builtinPaths(source)) {
      const inside = join(sysroot, path);
      if (!existsSync(inside)) throw new Error(`${path}, which ${name} reads, is not in ${sysroot}`);
      files.push(fileOf(path.slice('/usr/'.length), inside, 0o600));
    }
  }
  const command = [`%D/lib/${loader}`, '--library-path', '%D/lib', '--preload', '%D/lib/shim.so',
    '--argv0', '%0', '%D/node', '%D/app.cjs'];
  return { files, command, libraries: [...libraries.values()] };
}
