// Loads an addon that lies in memory. The dynamic loader wants a file, and nobody else may be able
// to change that file between its writing and its loading: it has no name at all, or lies in a
// folder that is this user's alone.

import {
  closeSync,
  constants,
  fchmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** Linux, open(2); Node names neither. O_DIRECTORY differs between architectures. */
const O_TMPFILE = 0o20000000 | constants.O_DIRECTORY;

export function loadFromFile(path: string): unknown {
  const module = { exports: {} as unknown };
  process.dlopen(module as NodeJS.Module, path);
  return module.exports;
}

/** @throws Error that names each place tried, and what to do. */
export function loadFromBytes(bytes: Uint8Array): unknown {
  const failures: string[] = [];
  for (const [place, load] of ways(bytes)) {
    try {
      return load();
    } catch (error) {
      failures.push(`${place}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  throw new Error(
    `found no place to load it from (${failures.join('; ')}). ` +
      'Try: RVE_CACHE_DIR=/a/private/folder on a file system that allows programs',
  );
}

/** Best first: RAM, then a private folder. A file system mounted noexec fails, and the next is
 * tried. */
function* ways(bytes: Uint8Array): Generator<[string, () => unknown]> {
  const chosen = process.env['RVE_CACHE_DIR'];
  if (chosen !== undefined && chosen !== '') {
    yield [chosen, () => loadUnnamed(chosen, bytes)];
    yield [chosen, () => loadNamed(chosen, bytes)];
    return;
  }
  // A file without a name can be reached by nobody, wherever it lies.
  const folders = ['/dev/shm', process.env['XDG_RUNTIME_DIR'], '/tmp', homeCache()];
  for (const folder of folders) {
    if (folder !== undefined) yield [folder, () => loadUnnamed(folder, bytes)];
  }
  const named = [homeCache(), process.getuid?.() === 0 ? '/var/cache/ruvector-edge' : undefined];
  for (const folder of named) {
    if (folder !== undefined) yield [folder, () => loadNamed(folder, bytes)];
  }
}

function homeCache(): string | undefined {
  const home = homedir();
  return home === '' || home === '/' ? undefined : join(home, '.cache', 'ruvector-edge');
}

function writeAll(file: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done);
}

function loadUnnamed(folder: string, bytes: Uint8Array): unknown {
  const file = openSync(folder, O_TMPFILE | constants.O_RDWR, 0o600);
  try {
    writeAll(file, bytes);
    fchmodSync(file, 0o500);
    return loadFromFile(`/proc/self/fd/${file}`);
  } finally {
    closeSync(file); // what is loaded stays mapped
  }
}

/** In a folder of its own below `folder`, which must be this user's alone. Nothing stays there. */
function loadNamed(folder: string, bytes: Uint8Array): unknown {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const stat = lstatSync(folder);
  if (!stat.isDirectory() || stat.uid !== process.getuid?.() || (stat.mode & 0o077) !== 0) {
    throw new Error('it must be a folder of this user alone (mode 0700)');
  }
  const own = mkdtempSync(join(folder, 'addon-'));
  try {
    const path = join(own, 'addon.node');
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
    const file = openSync(path, flags, 0o500);
    try {
      writeAll(file, bytes);
    } finally {
      closeSync(file);
    }
    return loadFromFile(path);
  } finally {
    rmSync(own, { recursive: true, force: true });
  }
}
