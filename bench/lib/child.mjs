// Calls to a helper process over its IPC channel: one request, one answer, in order.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const running = new Set();
// A child in the middle of a long native call does not notice that its parent is gone.
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));

export class Child {
  #process;
  #waiting = [];
  #ended = null;

  /**
   * @param name a file of bench/children, without its ending
   * @param options as fork() takes them; `stdout: 'ignore'` for libraries that talk
   */
  constructor(name, { stdout = 'inherit', ...options } = {}) {
    const file = fileURLToPath(new URL(`../children/${name}.mjs`, import.meta.url));
    this.#process = fork(file, { stdio: ['ignore', stdout, 'inherit', 'ipc'], ...options });
    running.add(this.#process);
    this.#process.on('message', ({ error, value }) => {
      const call = this.#waiting.shift();
      if (error === undefined) call.resolve(value);
      else call.reject(new Error(`${name}: ${error}`));
    });
    this.#process.on('exit', (code, signal) => {
      running.delete(this.#process);
      this.#ended = `${name} ended: ${signal ?? code}`;
      for (const call of this.#waiting.splice(0)) {
        call.reject(new Error(this.#ended));
      }
    });
  }

  get pid() {
    return this.#process.pid;
  }

  ask(command, data = {}) {
    return new Promise((resolve, reject) => {
      if (this.#ended !== null) return reject(new Error(this.#ended));
      this.#waiting.push({ resolve, reject });
      return this.#process.send({ command, data });
    });
  }

  /** Ends it without a chance to tidy up: what a power switch leaves a process. */
  async kill() {
    if (this.#ended !== null) return;
    const ended = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await ended;
  }

  async end() {
    const ended = once(this.#process, 'exit');
    this.#process.disconnect();
    await ended;
  }
}

/** The other side: answers each command with what its function returns. */
export function serve(commands) {
  let last = Promise.resolve();
  process.on('message', ({ command, data }) => {
    const run = commands.now?.[command];
    if (run !== undefined) {
      run(data);
      return;
    }
    last = last.then(async () => {
      try {
        process.send({ value: await commands[command](data) });
      } catch (error) {
        process.send({ error: String(error.stack ?? error) });
      }
    });
  });
  process.on('disconnect', () => process.exit(0));
}
