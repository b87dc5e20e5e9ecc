// signal and timeoutMs of a call.

import { RveError, rveError } from '../errors/index.js';
import type { CallOptions } from './types.js';

/** @throws RveError ERR_ABORTED if the signal has fired already. */
export function throwIfAborted(options: CallOptions): void {
  if (options.signal?.aborted === true) throw abortedBySignal(options.signal);
}

/** Calls `stop` once when the signal fires or the time is over. Returns how to let go of both. */
export function watchAbort(
  options: CallOptions,
  stop: (error: RveError) => void,
): (() => void) | undefined {
  const { signal, timeoutMs } = options;
  if (signal === undefined && timeoutMs === undefined) return undefined;
  let timer: NodeJS.Timeout | undefined;
  const onAbort = (): void => {
    release();
    stop(abortedBySignal(signal as AbortSignal));
  };
  const release = (): void => {
    signal?.removeEventListener('abort', onAbort);
    clearTimeout(timer);
  };
  signal?.addEventListener('abort', onAbort, { once: true });
  if (timeoutMs !== undefined) {
    timer = setTimeout(() => {
      release();
      stop(rveError('ERR_ABORTED', `The call took longer than ${timeoutMs} ms`));
    }, timeoutMs);
  }
  return release;
}

/** The promise, or ERR_ABORTED as soon as the call is aborted. What it waits for goes on. */
export function abortable<T>(work: () => Promise<T>, options: CallOptions): Promise<T> {
  if (options.signal === undefined && options.timeoutMs === undefined) return work();
  return new Promise<T>((resolve, reject) => {
    const release = watchAbort(options, reject);
    work()
      .then(resolve, reject)
      .finally(() => release?.());
  });
}

/** One signal for the steps of a call that has several: its timeout runs over all of them. */
export function deadlineOf(options: CallOptions): CallOptions & { release: () => void } {
  throwIfAborted(options);
  if (options.timeoutMs === undefined) {
    const release = (): void => undefined;
    return options.signal === undefined ? { release } : { signal: options.signal, release };
  }
  const controller = new AbortController();
  const release = watchAbort(options, (error) => controller.abort(error));
  return { signal: controller.signal, release: () => release?.() };
}

function abortedBySignal(signal: AbortSignal): RveError {
  if (signal.reason instanceof RveError) return signal.reason;
  return rveError('ERR_ABORTED', 'The call was cancelled by its signal', { cause: signal.reason });
}
