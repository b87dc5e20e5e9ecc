import { rveError } from '../errors/index.js';
import type { Clock } from './types.js';

/** A clock that stands still until it is told otherwise: for tests and for replays. */
export class ManualClock implements Clock {
  #ms: number;

  /** @param ms since 1970 */
  constructor(ms = 0) {
    this.#ms = checked(ms);
  }

  now(): number {
    return this.#ms;
  }

  /** Steps to a time, also an earlier one: real clocks do that too. */
  set(ms: number): void {
    this.#ms = checked(ms);
  }

  advance(ms: number): void {
    this.#ms = checked(this.#ms + ms);
  }
}

/** The range of a Date, to either side of 1970. */
export const TIME_MS_MAX = 8.64e15;

function checked(ms: number): number {
  if (Math.abs(ms) <= TIME_MS_MAX) return ms;
  throw rveError('ERR_ARGUMENT', `A clock cannot show ${ms} ms since 1970`);
}

/** What a clock shows. @throws RveError ERR_ARGUMENT when that is no time. */
export function timeOf(clock: Clock): number {
  return checked(clock.now());
}
