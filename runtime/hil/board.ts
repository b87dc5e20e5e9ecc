// A real board: its console is a serial port of this host, its power switch two commands that the
// user gives (a relay, a switchable socket, a lab power supply).

import { closeSync, constants, openSync } from 'node:fs';
import { isatty, ReadStream, WriteStream } from 'node:tty';

import type { ConsoleLog } from './console_log.js';
import type { BulkChannel, Machine } from './machine.js';
import type { Need } from './scenario.js';
import { runTool } from './tool.js';
import { StepFailure, type HilWorld } from './world.js';

/** A relay answers in milliseconds, a networked socket in seconds. */
const POWER_MS_MAX = 60_000;
/** A supply's capacitors feed a board for a while after it was cut. */
export const DISCHARGE_MS = 2_000;

export interface BoardOptions {
  readonly serial: string;
  readonly baud: number;
  /** A second serial port that carries bulk bytes. */
  readonly bulk: string | null;
  /** Shell commands. Without `powerOn` the board is taken as running. */
  readonly powerOn: string | null;
  readonly powerOff: string | null;
  readonly world: HilWorld;
  readonly console: ConsoleLog;
  readonly openPort?: (path: string, baud: number) => Promise<Port>;
}

/** A raw serial line, both ways. */
export interface Port extends BulkChannel {
  close(): void;
}

export class BoardMachine implements Machine {
  readonly console: ConsoleLog;
  readonly offers: ReadonlySet<Need>;
  readonly diskFile = null;
  readonly blockLog = null;
  readonly #options: BoardOptions;
  readonly #openPort: (path: string, baud: number) => Promise<Port>;
  #port: Port | null = null;
  #bulk: Port | null = null;

  constructor(options: BoardOptions) {
    this.#options = options;
    this.#openPort = options.openPort ?? openTty;
    this.console = options.console;
    this.offers = new Set<Need>(options.bulk === null ? [] : ['bulk']);
  }

  get bulk(): BulkChannel | null {
    return this.#bulk;
  }

  /** Listens first and switches on then: the first words of a boot count. */
  async start(): Promise<void> {
    const { serial, baud, bulk, powerOn } = this.#options;
    if (this.#port === null) {
      this.#port = await this.#openPort(serial, baud);
      this.#port.listen((bytes) => this.console.push(bytes));
    }
    if (bulk !== null) this.#bulk ??= await this.#openPort(bulk, baud);
    this.console.forget();
    if (powerOn !== null) await power('--power-on', powerOn);
  }

  type(text: string): void {
    void this.#port?.write(Buffer.from(text)).catch(() => undefined);
  }

  async cut(): Promise<void> {
    const { powerOff, world } = this.#options;
    if (powerOff === null) {
      throw new StepFailure('this board has no power switch: give --power-off and --power-on');
    }
    await power('--power-off', powerOff);
    await world.sleep(DISCHARGE_MS);
  }

  /** A board without power looks like one that is silent: only a timeout can tell. */
  ended(): Promise<void> {
    return new Promise(() => undefined);
  }

  /** Leaves the board as it is: on, unless a cut was the last thing. */
  async close(): Promise<void> {
    this.#port?.close();
    this.#bulk?.close();
    this.#port = null;
    this.#bulk = null;
  }
}

async function power(option: string, command: string): Promise<void> {
  const { code, stderr } = await runTool('sh', ['-c', command], POWER_MS_MAX);
  if (code === 0) return;
  throw new StepFailure(`${option} failed (exit ${code}): ${stderr.trim() || command}`);
}

/** Opens a terminal raw, so that no byte is changed, echoed or held back for a line's end. */
async function openTty(path: string, baud: number): Promise<Port> {
  const set = await runTool('stty', ['-F', path, `${baud}`, 'raw', '-echo', '-hupcl', 'clocal']);
  if (set.code !== 0) throw new StepFailure(`cannot use the port ${path}: ${set.stderr.trim()}`);
  const flags = constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK;
  const reading = openSync(path, flags);
  if (!isatty(reading)) {
    closeSync(reading);
    throw new StepFailure(`${path} is no serial port`);
  }
  const input = new ReadStream(reading);
  const output = new WriteStream(openSync(path, flags));
  // Unplugged: the wait for its words tells what is missing.
  for (const stream of [input, output]) stream.on('error', () => undefined);
  return {
    write: (bytes) =>
      new Promise((resolve, reject) => {
        output.write(bytes, (error) => (error ? reject(error) : resolve()));
      }),
    listen: (take) => {
      input.on('data', take);
      return () => void input.removeListener('data', take);
    },
    close: () => {
      input.destroy();
      output.destroy();
    },
  };
}
