// The seam between a scenario and what it is played on: an emulated machine or a real board.

import type { ConsoleLog } from './console_log.js';
import type { Need } from './scenario.js';

export interface StartOptions {
  /** Added to the kernel's command line; a board has its own and ignores it. */
  readonly append: string;
  /** What the machine's clock says at power on, ISO 8601 in UTC; undefined: the present. */
  readonly clock: string | undefined;
}

/** A second channel that carries any bytes, beside the console. */
export interface BulkChannel {
  /** Resolves when the bytes are handed over. */
  write(bytes: Uint8Array): Promise<void>;
  /** Calls `take` with what the machine sends, until the returned function is called. */
  listen(take: (bytes: Buffer) => void): () => void;
}

export interface BlockLogFiles {
  /** Every write and flush since the last start, as dm-log-writes records it. */
  readonly log: string;
  /** The data disk as it was at that start. */
  readonly base: string;
}

export interface Machine {
  readonly console: ConsoleLog;
  /** Needs of a scenario that this machine can serve. */
  readonly offers: ReadonlySet<Need>;
  /** Null: it has none. */
  readonly bulk: BulkChannel | null;
  /** The data disk as a file on this host; null on a board. */
  readonly diskFile: string | null;
  /** Null: what is written to the data disk is not recorded. */
  readonly blockLog: BlockLogFiles | null;
  /** Power on. */
  start(options: StartOptions): Promise<void>;
  /** Types on the console. */
  type(text: string): void;
  /** Power off without warning. Nothing is flushed, nobody is told. */
  cut(): Promise<void>;
  /** Resolves when the machine has switched itself off. Never on a board. */
  ended(): Promise<void>;
  /** Power off, and everything given back. Idempotent. */
  close(): Promise<void>;
}
