// A process in less memory than the machine has: a control group of its own, version 1 or 2, where
// this process may make one (as root, or inside a delegated group).
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Of this process: where its group for memory lies, and the names of the two versions. */
function ownGroup() {
  for (const line of readFileSync('/proc/self/cgroup', 'utf8').trim().split('\n')) {
    const [, controllers, path] = line.split(':');
    const first = controllers.split(',').includes('memory');
    const folder = first ? join('/sys/fs/cgroup/memory', path) : join('/sys/fs/cgroup', path);
    if (first && existsSync(join(folder, 'memory.limit_in_bytes'))) {
      return { folder, limit: 'memory.limit_in_bytes', peak: 'memory.max_usage_in_bytes' };
    }
    if (controllers === '' && existsSync(join(folder, 'memory.max'))) {
      return { folder, limit: 'memory.max', peak: 'memory.peak' };
    }
  }
  return null;
}

/**
 * A group of `mib`, page cache included: { take(pid), peakMiB(), end() }. A reason, as text, where
 * none can be made.
 */
export function memoryLimit(mib) {
  const own = ownGroup();
  if (own === null) return 'this process is in no memory group that has limits';
  const folder = join(own.folder, `rve-bench-${process.pid}`);
  try {
    mkdirSync(folder);
    writeFileSync(join(folder, own.limit), String(mib * 2 ** 20));
  } catch (error) {
    if (existsSync(folder)) rmdirSync(folder);
    return `no group with a limit can be made: ${error.message}`;
  }
  return {
    take: (pid) => writeFileSync(join(folder, 'cgroup.procs'), String(pid)),
    peakMiB: () => Number(readFileSync(join(folder, own.peak), 'utf8')) / 2 ** 20,
    /** Once its processes have ended. */
    end: () => rmdirSync(folder),
  };
}
