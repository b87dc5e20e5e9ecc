// The built command as a child process: what a user runs.

import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..', '..');
const RVE = join(ROOT, 'build', 'host', 'rve');

export interface Result {
  /** Null: ended by a signal. */
  code: number | null;
  stdout: string;
  stderr: string;
}

export class Running {
  readonly child: ChildProcess;
  readonly done: Promise<Result>;
  #stdout = '';
  #stderr = '';
  #waiting: { pattern: RegExp; resolve: (match: RegExpExecArray) => void }[] = [];

  constructor(argv: readonly string[], cwd?: string) {
    if (!existsSync(RVE)) throw new Error('build/host/rve is missing. Run: make build');
    this.child = spawn(RVE, argv, { cwd: cwd ?? ROOT, stdio: ['pipe', 'pipe', 'pipe'] });
    this.child.stdout?.on('data', (piece: Buffer) => {
      this.#stdout += piece.toString();
      this.#waiting = this.#waiting.filter(({ pattern, resolve }) => {
        const match = pattern.exec(this.#stdout);
        if (match !== null) resolve(match);
        return match === null;
      });
    });
    this.child.stderr?.on('data', (piece: Buffer) => {
      this.#stderr += piece.toString();
    });
    this.child.stdin?.on('error', () => undefined);
    this.done = new Promise((resolve) => {
      this.child.once('close', (code) =>
        resolve({ code, stdout: this.#stdout, stderr: this.#stderr }),
      );
    });
  }

  /** Resolves with the first match in stdout; rejects when the process ends without one. */
  said(pattern: RegExp): Promise<RegExpExecArray> {
    return new Promise((resolve, reject) => {
      const match = pattern.exec(this.#stdout);
      if (match !== null) return resolve(match);
      this.#waiting.push({ pattern, resolve });
      return void this.done.then(({ code, stdout, stderr }) => {
        reject(new Error(`ended (${code}) before ${String(pattern)}:\n${stdout}${stderr}`));
      });
    });
  }

  /** Forgets what was said so far, so that the next said() waits for new words. */
  forget(): void {
    this.#stdout = '';
  }

  /** Sends a signal and waits for the end. */
  async end(signal: NodeJS.Signals): Promise<Result> {
    this.child.kill(signal);
    return this.done;
  }
}

/** Runs `rve ARGV...` to its end. */
export async function rve(
  argv: readonly string[],
  stdin: string | Uint8Array = '',
): Promise<Result> {
  const running = new Running(argv);
  running.child.stdin?.end(stdin);
  return running.done;
}

/** Runs `rve ARGV... --json`, and parses its answer. */
export async function rveJson<T>(argv: readonly string[], stdin = ''): Promise<T> {
  const { stdout, stderr, code } = await rve([...argv, '--json'], stdin);
  try {
    return JSON.parse(stdout) as T;
  } catch {
    throw new Error(`rve ${argv.join(' ')} ended with ${code} and no JSON: ${stdout}${stderr}`);
  }
}

/** A folder of real data, or null with one line that says what was skipped. */
export function dataFolder(name: string): string | null {
  const folder = join(process.env['RVE_DATA'] ?? join(ROOT, '..', 'shared', 'data'), name);
  if (existsSync(folder)) return folder;
  console.log(`skipped: no data set ${name}; RVE_DATA names the folder of data sets`);
  return null;
}
