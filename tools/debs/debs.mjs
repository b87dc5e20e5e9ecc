// Debian packages of another suite or architecture, without touching this machine's apt: a private
// apt root below build/, fed from the mirrors that this machine's own sources name, and its
// keyrings.
//
//   node tools/debs/main.mjs LOCK FOLDER           fetch what LOCK pins, unpack it into FOLDER
//   node tools/debs/main.mjs LOCK FOLDER --update  pin the newest versions of LOCK's `packages`
//
// A lock pins each package by version and SHA256: what goes into an executable of a board must be
// the same bytes tomorrow. apt's signatures say where they come from, the lock says which they are.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';

const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

/** The first Debian archive in this machine's apt sources: text of its files in, URI out. */
export function archiveUri(texts) {
  for (const text of texts) {
    const lines = text.split('\n').filter((line) => !/^\s*#/.test(line));
    for (const line of lines) {
      const uri =
        /^URIs:\s*(\S+)/.exec(line)?.[1] ?? /^deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+\S+/.exec(line)?.[1];
      if (uri !== undefined && /\/debian\/?$/.test(uri)) return uri;
    }
  }
  return undefined;
}

function machineSources() {
  const folder = '/etc/apt/sources.list.d';
  const names = existsSync(folder) ? readdirSync(folder).sort() : [];
  const paths = ['/etc/apt/sources.list'];
  for (const name of names) if (/\.(list|sources)$/.test(name)) paths.push(join(folder, name));
  return paths.filter((path) => existsSync(path)).map((path) => readFileSync(path, 'utf8'));
}

export function sha256Of(path) {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}

/** Sets up the private root and reads the suite's index into it. */
function openRoot(root, { suite, architecture }) {
  const uri = process.env.RVE_DEBIAN_MIRROR ?? archiveUri(machineSources());
  if (uri === undefined) {
    throw new Error('No Debian archive in the apt sources. Try: RVE_DEBIAN_MIRROR=http://...');
  }
  for (const sub of ['etc/apt', 'var/lib/apt/lists/partial', 'var/cache/apt/archives/partial',
    'var/lib/dpkg']) {
    mkdirSync(join(root, sub), { recursive: true });
  }
  writeFileSync(join(root, 'var/lib/dpkg/status'), '');
  writeFileSync(
    join(root, 'etc/apt/sources.list'),
    `deb [arch=${architecture} signed-by=${KEYRING}] ${uri} ${suite} main\n`,
  );
  const conf = join(root, 'apt.conf');
  writeFileSync(
    conf,
    [
      `Dir "${root}";`,
      `Dir::State::status "${root}/var/lib/dpkg/status";`,
      `APT::Architecture "${architecture}";`,
      `APT::Architectures "${architecture}";`,
      'Acquire::Languages "none";',
      // As root apt would fetch as a user who may not write here.
      'APT::Sandbox::User "root";',
      '',
    ].join('\n'),
  );
  const apt = (words) =>
    execFileSync('apt-get', words, {
      env: { ...process.env, APT_CONFIG: conf },
      cwd: join(root, 'var/cache/apt/archives'),
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    });
  apt(['update', '-qq']);
  return apt;
}

/** "libc6_2.41-12_riscv64.deb" as name and version; apt writes the colon of an epoch as %3a. */
export function partsOf(file) {
  const [name, version] = basename(file, '.deb').split('_');
  return { name, version: decodeURIComponent(version) };
}

/** Pins the newest versions of lock.packages and all that they need. */
export function updateLock(lock, root, cache) {
  const apt = openRoot(root, lock);
  const folder = join(root, 'var/cache/apt/archives');
  for (const old of readdirSync(folder)) if (old.endsWith('.deb')) rmSync(join(folder, old));
  apt(['install', '-y', '-qq', '--no-install-recommends', '--download-only', ...lock.packages]);
  const debs = readdirSync(folder).filter((name) => name.endsWith('.deb')).sort();
  mkdirSync(cache, { recursive: true });
  const skipped = new RegExp(`^(${(lock.skip ?? []).join('|')})$`);
  const pinned = [];
  for (const file of debs) {
    const { name, version } = partsOf(file);
    if (skipped.test(name)) continue;
    const sha256 = sha256Of(join(folder, file));
    copyFileSync(join(folder, file), join(cache, `${sha256}.deb`));
    pinned.push({ name, version, sha256 });
  }
  return { ...lock, debs: pinned };
}

/** Paths of the pinned packages in `cache`; what is missing there is fetched and checked. */
export function fetchPinned(lock, root, cache) {
  const pathOf = (deb) => join(cache, `${deb.sha256}.deb`);
  const missing = lock.debs.filter((deb) => !existsSync(pathOf(deb)));
  if (missing.length > 0) {
    const apt = openRoot(root, lock);
    const folder = join(root, 'var/cache/apt/archives');
    apt(['download', '-qq', ...missing.map((deb) => `${deb.name}=${deb.version}`)]);
    mkdirSync(cache, { recursive: true });
    for (const deb of missing) takeFetched(deb, folder, pathOf(deb));
  }
  return lock.debs.map(pathOf);
}

function takeFetched(deb, folder, path) {
  const found = readdirSync(folder).find((file) => {
    if (!file.endsWith('.deb')) return false;
    const parts = partsOf(file);
    return parts.name === deb.name && parts.version === deb.version;
  });
  if (found === undefined) throw new Error(`apt fetched no ${deb.name} ${deb.version}`);
  const sha256 = sha256Of(join(folder, found));
  if (sha256 !== deb.sha256) {
    throw new Error(`${deb.name} ${deb.version} has SHA256 ${sha256}, pinned is ${deb.sha256}`);
  }
  copyFileSync(join(folder, found), `${path}.part`);
  renameSync(`${path}.part`, path);
}

/** Unpacks packages into `folder`, which is replaced as a whole. */
export function unpack(debs, folder) {
  const part = `${folder}.part`;
  rmSync(part, { recursive: true, force: true });
  mkdirSync(join(part, 'usr/lib'), { recursive: true });
  for (const deb of debs) {
    // Through tar: dpkg-deb -x would replace the link /lib by a folder.
    const script = 'dpkg-deb --fsys-tarfile "$0" | tar -x -C "$1" --keep-directory-symlink';
    execFileSync('/bin/sh', ['-c', script, deb, part]);
  }
  // Debian 13 has no /lib of its own in any package, but every loader's path begins with it.
  if (!existsSync(join(part, 'lib'))) symlinkSync('usr/lib', join(part, 'lib'));
  rmSync(folder, { recursive: true, force: true });
  renameSync(part, folder);
}
