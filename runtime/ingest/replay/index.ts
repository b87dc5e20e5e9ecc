/** Door of ingest/replay: real data sets as timed, repeatable messages. No clock, no network. */
import { RveError } from '../../errors/index.js';
import { openCmapss, type CmapssOptions } from './cmapss.js';
import { openCwru, type CwruOptions } from './cwru.js';
import type { Replay } from './record.js';

export type { CmapssOptions } from './cmapss.js';
export type { CwruOptions } from './cwru.js';
export { REPLAY_START_MS, type Replay, type ReplayRecord } from './record.js';

/** Options of each data set; a name that is not listed for the set is refused. */
export interface ReplayOptions {
  readonly cwru: CwruOptions;
  readonly cmapss: CmapssOptions;
}

/** Data sets that `openReplay` knows. */
export type ReplayName = keyof ReplayOptions;

const OPTION_KEYS: { readonly [N in ReplayName]: ReadonlyArray<keyof ReplayOptions[N]> } = {
  cwru: ['load', 'dimensions', 'windowSamples', 'startMs'],
  cmapss: [
    'subset',
    'split',
    'dimensions',
    'windowCycles',
    'hopCycles',
    'startMs',
    'cycleMs',
  ],
};

/** Their names, for help texts. */
export const REPLAY_NAMES = Object.keys(OPTION_KEYS) as readonly ReplayName[];

/**
 * Opens a data set at `path` (its folder or file). Reads and checks it whole before it resolves;
 * the records are then made as they are asked for, and may be iterated more than once.
 * ERR_OPTION for an unknown name or option, ERR_DATASET for a file that is missing or wrong.
 */
export async function openReplay<N extends ReplayName>(
  name: N,
  path: string,
  options: ReplayOptions[N] = {},
): Promise<Replay> {
  if (!Object.hasOwn(OPTION_KEYS, name)) {
    const known = REPLAY_NAMES.join(', ');
    throw new RveError('ERR_OPTION', `Unknown data set ${String(name)}: give one of ${known}`);
  }
  const known: readonly string[] = OPTION_KEYS[name] as readonly string[];
  for (const key of Object.keys(options)) {
    if (!known.includes(key)) {
      throw new RveError('ERR_OPTION', `${name} has no option ${key}: give ${known.join(', ')}`);
    }
  }
  return name === 'cwru'
    ? openCwru(path, options as CwruOptions)
    : openCmapss(path, options as CmapssOptions);
}
