// What the kit needs of the world, as arguments: tests make their own.

import type { CheckReport, MemoryRecord } from '../memory/index.js';

/** A store opened for reading; what a power cut left behind. */
export interface ReadStore {
  scan(): AsyncIterable<MemoryRecord>;
  close(): Promise<void>;
}

export interface HilWorld {
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Milliseconds from any start, never backwards. */
  readonly monotonic: () => number;
  readonly sleep: (ms: number) => Promise<void>;
  /** Calls `run` once after `ms`, unless the returned function is called before. */
  readonly after: (ms: number, run: () => void) => () => void;
  readonly openStore: (path: string) => Promise<ReadStore>;
  readonly checkStore: (path: string) => Promise<CheckReport>;
  /** One line of what is going on, for people. */
  readonly say: (line: string) => void;
}

/** Why a step failed, in words for its verdict: not an error of the program. */
export class StepFailure extends Error {}

/** Rejects with a StepFailure when `work` takes longer; the work itself is not stopped. */
export async function atMost<T>(
  world: Pick<HilWorld, 'after'>,
  seconds: number,
  what: () => string,
  work: Promise<T>,
): Promise<T> {
  let cancel = (): void => undefined;
  const late = new Promise<never>((_, reject) => {
    cancel = world.after(seconds * 1000, () => {
      reject(new StepFailure(`${what()} (waited ${seconds} s)`));
    });
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    cancel();
    late.catch(() => undefined);
  }
}
