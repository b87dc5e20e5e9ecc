// A store has one user at a time. A command that only asks opens it read-only; when a daemon has
// it, the same question goes through the daemon's socket.

import { RveError } from '../errors/index.js';
import type { CliContext } from './context.js';
import { answer } from './ops.js';
import { connectSocket, socketPathOf } from './socket/index.js';

export interface Reach {
  ask(op: string, params: Record<string, unknown>): Promise<unknown>;
  /** True: the answers come from the process that holds the store. */
  readonly remote: boolean;
  close(): Promise<void>;
}

/**
 * How a command that comes and goes opens a store for writing. It does not know the profile of the
 * store's owner, and what a code loses is lost for good: so it compresses nothing.
 */
export const PASSING = { profile: 'precise', recompressIntervalS: 86_400 } as const;

/**
 * Opens the store at `path`, or its daemon's socket.
 * @throws RveError ERR_BUSY with the holder's pid when another process has it and does not listen.
 */
export async function reach(context: CliContext, path: string, readOnly = true): Promise<Reach> {
  let busy: RveError;
  try {
    const store = await context.stores.open(path, readOnly ? { readOnly } : PASSING);
    return {
      ask: (op, params) => answer(store, op, params),
      remote: false,
      close: () => store.close(),
    };
  } catch (error) {
    if (isMissingStore(error)) throw new RveError('ERR_NOT_FOUND', `there is no store at ${path}`);
    if (!(error instanceof RveError) || error.code !== 'ERR_BUSY') throw error;
    busy = error;
  }
  const client = await connectSocket(socketPathOf(path));
  if (client === null) throw busy;
  return {
    ask: (op, params) => client.call(op, params),
    remote: true,
    close: async () => client.close(),
  };
}

/**
 * Whether open() failed because there is no file. Opened for writing it would create one, and then
 * lacks the dimensions: an open that names none has no other reason for these codes.
 */
export function isMissingStore(error: unknown): boolean {
  if (!(error instanceof RveError)) return false;
  return ['ERR_NOT_FOUND', 'ERR_OPTION', 'ERR_DIMENSIONS'].includes(error.code);
}

/** Runs `work` on the store or its daemon, and lets go of it whatever happens. */
export async function withReach<T>(
  context: CliContext,
  path: string,
  readOnly: boolean,
  work: (reach: Reach) => Promise<T>,
): Promise<T> {
  const open = await reach(context, path, readOnly);
  try {
    return await work(open);
  } finally {
    await open.close();
  }
}
