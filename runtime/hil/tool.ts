// Programs of this host that the kit runs.

import { execFile } from 'node:child_process';

import { StepFailure } from './world.js';

/** A user's PATH often lacks the folders of file system tools. */
const PATH = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`;
const OUTPUT_BYTES_MAX = 16 * 1024 * 1024;
/** Debian's package of each program, for the message when it is absent. */
const PACKAGES: ReadonlyMap<string, string> = new Map([
  ['e2fsck', 'e2fsprogs'],
  ['debugfs', 'e2fsprogs'],
  ['mke2fs', 'e2fsprogs'],
  ['qemu-system-aarch64', 'qemu-system-arm'],
  ['qemu-system-riscv64', 'qemu-system-misc and opensbi'],
  ['stty', 'coreutils'],
]);

export interface ToolResult {
  code: number;
  stdout: string;
  stderr: string;
}

/** Environment of every child: the caller's, with the folders of system tools on its PATH. */
export function toolEnvironment(): NodeJS.ProcessEnv {
  return { ...process.env, PATH, LC_ALL: 'C' };
}

/** Why a program did not start, and what to do about it. */
export function missingTool(name: string): StepFailure {
  const from = PACKAGES.get(name);
  const what = from === undefined ? '' : ` On Debian: apt-get install ${from}.`;
  return new StepFailure(`${name} is not installed.${what}`);
}

/** Runs a program to its end. Any exit code is an answer; only one that cannot start throws. */
export async function runTool(
  name: string,
  argv: readonly string[],
  timeoutMs = 120_000,
): Promise<ToolResult> {
  return new Promise((resolve, reject) => {
    const options = { env: toolEnvironment(), maxBuffer: OUTPUT_BYTES_MAX, timeout: timeoutMs };
    execFile(name, [...argv], options, (error, stdout, stderr) => {
      if (error === null) return resolve({ code: 0, stdout, stderr });
      const { code, killed } = error as { code?: unknown; killed?: boolean };
      if (code === 'ENOENT') return reject(missingTool(name));
      if (typeof code === 'number') return resolve({ code, stdout, stderr });
      const why = killed === true ? `did not end within ${timeoutMs} ms` : error.message;
      return reject(new StepFailure(`${name} ${why}`));
    });
  });
}
