// The machine that a figure was taken on, and what the kernel knows of this process and of files.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, release, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';

/** Where stores lie while they are measured: RVE_BENCH_DIR, else the folder for temporary files. */
const STORES = process.env.RVE_BENCH_DIR || tmpdir();

const folders = [];
process.on('exit', () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});
// Ctrl-C and a time limit end the process by its exit, so that the stores are removed then too.
process.on('SIGINT', () => process.exit(130));
process.on('SIGTERM', () => process.exit(143));

/** A new folder, removed when the process ends. */
export function scratchFolder() {
  const folder = mkdtempSync(join(STORES, 'rve-bench-'));
  folders.push(folder);
  return folder;
}

function fileSystemOf(path) {
  let best = { at: '', type: 'unknown' };
  for (const line of readFileSync('/proc/mounts', 'utf8').split('\n')) {
    const [, at, type] = line.split(' ');
    const holds = at && (path === at || path.startsWith(at.endsWith('/') ? at : `${at}/`));
    if (holds && at.length >= best.at.length) best = { at, type };
  }
  return best.type;
}

export function machine() {
  const fileSystem = fileSystemOf(STORES);
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    os: `${process.platform} ${process.arch} ${release()}`,
    node: process.version,
    fileSystem,
    // A sync costs nothing there: durable rates would be fiction.
    fileSystemIsRam: fileSystem === 'tmpfs' || fileSystem === 'ramfs',
    loadBefore: loadavg()[0],
    date: new Date().toISOString().slice(0, 10),
  };
}

function field(file, name) {
  const match = new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(readFileSync(file, 'utf8'));
  return match === null ? NaN : Number(match[1]);
}

/**
 * Bytes that this process has caused to be written to storage (pages dirtied, file metadata not).
 */
export const writeBytes = () => field('/proc/self/io', 'write_bytes');
/** Private resident memory of this process, MiB. */
export const rssAnonMiB = () => field('/proc/self/status', 'RssAnon') / 1024;
/** Bytes of a file that take up space on the disk. */
export const bytesOnDisk = (path) =>
  Number(spawnSync('stat', ['-c', '%b', path], { encoding: 'utf8' }).stdout) * 512;

/** Drops a file from the page cache (posix_fadvise DONTNEED); what is dirty is written first. */
export function evict(path) {
  const args = [`of=${path}`, 'oflag=nocache', 'conv=notrunc,fdatasync', 'count=0', 'status=none'];
  const { status } = spawnSync('dd', args, { stdio: 'ignore' });
  if (status !== 0) throw new Error(`dd could not evict ${path}`);
}

const filesOf = (folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name));

/** What all files in a folder and below take on the disk, bytes: their blocks. Holes take none. */
export const folderBytes = (folder) =>
  filesOf(folder).reduce((sum, path) => sum + 512 * statSync(path).blocks, 0);

export const evictFolder = (folder) => filesOf(folder).forEach(evict);

/** Bytes of a file in the page cache; NaN where util-linux's fincore is absent. */
export function cachedBytes(path) {
  const args = ['--bytes', '--noheadings', '--output', 'RES', path];
  const { status, stdout } = spawnSync('fincore', args, { encoding: 'utf8' });
  return status === 0 ? Number(stdout.trim()) : NaN;
}

/** CPU seconds of this process so far, all threads, user and system. */
export function cpuSeconds() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}
