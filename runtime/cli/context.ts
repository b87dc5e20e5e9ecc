// What the command line needs of the world. main.ts makes the real one; tests make their own, so
// that no command reads a clock, a stream or a signal that a test does not hold in its hand.

import type { CheckReport, Clock, Memory, MemoryStats, OpenOptions } from '../memory/index.js';
import type { TierFigure } from './tiers.js';

/** The part of stats() that the command line reads by name; it prints the whole. */
export type StoreStats = Pick<
  MemoryStats,
  | 'dimensions'
  | 'metric'
  | 'live'
  | 'tailRows'
  | 'frozenRows'
  | 'linkedRows'
  | 'nextId'
  | 'durableLsn'
  | 'latched'
  | 'fileBytes'
  | TierFigure
  | 'path'
>;

/** The part of class Memory that the command line calls. */
export type Store = Pick<
  Memory,
  'insert' | 'query' | 'get' | 'forget' | 'scan' | 'check' | 'close'
> & { stats(): StoreStats };

export interface StoreDoor {
  open(path: string, options: OpenOptions): Promise<Store>;
  /** Reports on a store that need not open; writes nothing. */
  check(path: string): Promise<CheckReport>;
  /** Makes a damaged store usable as far as its bytes allow; keeps the old file as PATH.damaged. */
  repair(path: string): Promise<CheckReport>;
}

/** A stream to write to. `write` answers false when the caller should wait for `drain`. */
export interface Output {
  readonly isTTY?: boolean;
  readonly destroyed?: boolean;
  write(text: string): boolean;
  once(event: 'drain' | 'error' | 'close', listener: () => void): unknown;
  removeListener(event: 'drain' | 'error' | 'close', listener: () => void): unknown;
}

export interface CliContext {
  /** Without node and script. */
  readonly argv: readonly string[];
  readonly stdin: AsyncIterable<Uint8Array>;
  readonly stdinIsTTY: boolean;
  /** Null: not a file, so its end is not known. */
  readonly stdinBytes: number | null;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly clock: Clock;
  /** Milliseconds from any start, never backwards: for rates and latencies. */
  readonly monotonic: () => number;
  /** A random u32, for the boot number of a sender. */
  readonly random32: () => number;
  /** Calls `tick` every `ms` until the returned function is called. */
  readonly every: (ms: number, tick: () => void) => () => void;
  /** Calls `run` once after `ms`, unless the returned function is called before. */
  readonly after: (ms: number, run: () => void) => () => void;
  readonly sleep: (ms: number) => Promise<void>;
  /** Calls `handler` at SIGINT, SIGTERM, and when stdout has no reader any more. */
  readonly onStop: (handler: (cause: string) => void) => () => void;
  /** Leaves at once, without any cleaning up. */
  readonly exitNow: (code: number) => void;
  readonly residentBytes: () => number;
  readonly pid: number;
  readonly version: string;
  readonly stores: StoreDoor;
}
