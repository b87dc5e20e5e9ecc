// The one place, beside env_posix.cpp, that makes a real clock, real streams, real signals.

import { randomBytes } from 'node:crypto';
import { fstatSync } from 'node:fs';
import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';

import { run as runCommandLine } from './cli/index.js';
import { Memory } from './memory/index.js';
import { packed } from './packed.js';

function packageVersion(): string {
  const pack = packed();
  if (pack !== undefined) return pack.version;
  // From source and from build/host/js alike: the nearest package.json of this name above this
  // file.
  const require = createRequire(import.meta.url);
  for (const path of ['../package.json', '../../../../package.json']) {
    try {
      const { name, version } = require(path) as { name: string; version: string };
      if (name === 'ruvector-edge') return version;
    } catch {
      continue;
    }
  }
  return 'unknown';
}

/** Size of a file on stdin; null for a pipe, a terminal or nothing at all. */
function stdinBytes(): number | null {
  try {
    const stats = fstatSync(0);
    return stats.isFile() ? stats.size : null;
  } catch {
    return null;
  }
}

/** Signals and a closed stdout, as one event. */
function onStop(handler: (cause: string) => void): () => void {
  const onSignal = (signal: NodeJS.Signals): void => handler(signal);
  const onPipe = (error: NodeJS.ErrnoException): void => {
    if (error.code === 'EPIPE') handler('stdout closed');
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  process.stdout.on('error', onPipe);
  return () => {
    process.removeListener('SIGINT', onSignal);
    process.removeListener('SIGTERM', onSignal);
    process.stdout.removeListener('error', onPipe);
  };
}

// A reader that has gone is no crash: `rve export STORE | head` ends quietly.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
}

async function main(): Promise<void> {
  process.exitCode = await runCommandLine({
    argv: process.argv.slice(2),
    stdin: process.stdin,
    stdinIsTTY: process.stdin.isTTY === true,
    stdinBytes: stdinBytes(),
    stdout: process.stdout,
    stderr: process.stderr,
    clock: { now: () => Date.now() },
    monotonic: () => performance.now(),
    random32: () => randomBytes(4).readUInt32LE(),
    every: (ms, tick) => {
      const timer = setInterval(tick, ms);
      return () => clearInterval(timer);
    },
    after: (ms, run) => {
      const timer = setTimeout(run, ms);
      return () => clearTimeout(timer);
    },
    sleep: async (ms) => {
      await sleep(ms);
    },
    onStop,
    exitNow: (code) => process.exit(code),
    residentBytes: () => process.memoryUsage.rss(),
    pid: process.pid,
    version: packageVersion(),
    stores: {
      open: (path, options) => Memory.open(path, options),
      check: (path) => Memory.check(path),
      repair: (path) => Memory.repair(path),
    },
  });
  // A read that still waits for a terminal would keep the process alive.
  process.stdin.destroy();
}

// No top-level await: the packed executables hold this program as one script, not as a module.
void main();
