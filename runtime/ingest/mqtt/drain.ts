import type { Timers } from './types.js';

/**
 * Stop waits this long for what is in flight; what is left is not acknowledged, and comes again.
 */
export const DRAIN_MS = 5_000;

/** Resolves with `work`, or after `ms` without it. `work` must not reject. */
export async function atMost(timers: Timers, ms: number, work: Promise<unknown>): Promise<void> {
  await new Promise<void>((resolve) => {
    const cancel = timers.after(ms, resolve);
    void work.then(() => {
      cancel();
      resolve();
    });
  });
}
