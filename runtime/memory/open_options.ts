// What Memory.open takes: each option checked, all together as the addon wants them. What is left
// out takes the engine's default (OpenOptions and TierOptions of engine.hpp).

import { resolve } from 'node:path';
import { rveError } from '../errors/index.js';
import { limits } from '../limits/index.js';
import type { NativeOpenOptions, NativeTierOptions } from '../native.js';
import { checkFlag, checkKeys, checkNumber, named, optionalWhole, shown } from './options.js';
import type { Clock, OpenOptions, TierOpenOptions } from './types.js';

/** As numbered in engine.hpp. */
const METRICS: Readonly<Record<string, number>> = { cosine: 1, l2: 2, ip: 3 };
const DURABILITIES: Readonly<Record<string, number>> = {
  buffered: 0,
  interval: 1,
  group: 2,
  sync: 3,
};
const PROFILES: Readonly<Record<string, number>> = { precise: 0, balanced: 1, edge: 2 };
const ORIGINALS: Readonly<Record<string, number>> = { drop: 0, keep: 1 };

const TIER_KEYS = [
  'profile',
  'originals',
  'bytesMax',
  'bytesRatioMax',
  'hotThreshold',
  'warmThreshold',
  'coolThreshold',
  'coldThreshold',
  'promotionThreshold',
  'demotionThreshold',
  'accessDecayHalflifeS',
  'recompressIntervalS',
  'coolBits',
  'coldBits',
  'codebookSampleSize',
  'codebookUpdateFreq',
] as const satisfies readonly (keyof TierOpenOptions)[];

/** Lower bound of each tier by heat, hottest first; below the last one: archive. */
const THRESHOLDS = [
  ['hotThreshold', 0.8],
  ['warmThreshold', 0.4],
  ['coolThreshold', 0.1],
  ['coldThreshold', 0.01],
] as const;

/**
 * A year: heat is kept as a moment within 8 years of the memory's first day, so that a record may
 * cool for 8 half-lives of this length.
 */
const HALFLIFE_S_MAX = 365 * 86_400;
const DAY_S = 86_400;

const OPEN_KEYS = [
  'dimensions',
  'metric',
  'readOnly',
  'durability',
  'lingerMs',
  'intervalMs',
  'fileBytesMax',
  'hnswM',
  'hnswEfConstruction',
  'hnswEfSearch',
  'clock',
  ...TIER_KEYS,
] as const satisfies readonly (keyof OpenOptions)[];

export interface CheckedOpen {
  path: string;
  native: NativeOpenOptions;
  clock: Clock | undefined;
}

/** @throws RveError ERR_ARGUMENT, ERR_OPTION, ERR_NOT_AVAILABLE, ERR_DIMENSIONS */
export function checkOpen(path: unknown, options: OpenOptions): CheckedOpen {
  const absolute = checkPath(path);
  checkKeys(options, OPEN_KEYS, 'Memory.open');
  const { clock } = options;
  if (clock !== undefined && typeof (clock as Partial<Clock> | null)?.now !== 'function') {
    throw rveError('ERR_OPTION', '"clock" must have a method now()');
  }
  const optional = (name: keyof OpenOptions, min: number, max: number): number | undefined =>
    optionalWhole(options[name], name, min, max);
  return {
    path: absolute,
    clock,
    native: {
      dimensions: optional('dimensions', 1, limits.dimensionsMax),
      metric: named(options.metric, 'metric', METRICS),
      readOnly: checkFlag(options.readOnly, 'readOnly'),
      durability: named(options.durability, 'durability', DURABILITIES),
      lingerMs: optional('lingerMs', 0, 60_000),
      intervalMs: optional('intervalMs', 10, 60_000),
      fileBytesMax: optional('fileBytesMax', 1, Number.MAX_SAFE_INTEGER),
      hnswM: optional('hnswM', 4, 48),
      hnswEfConstruction: optional('hnswEfConstruction', 16, 512),
      hnswEfSearch: optional('hnswEfSearch', 1, limits.efMax),
      ...checkTiers(options),
    },
  };
}

/** The path as an absolute one: a later chdir must not move the files beside it. */
export function checkPath(path: unknown): string {
  if (typeof path === 'string' && path.length > 0 && !path.includes('\0')) return resolve(path);
  throw rveError(
    'ERR_ARGUMENT',
    `The path must be a string of at least one character, not ${shown(path)}`,
  );
}

function checkTiers(options: TierOpenOptions): NativeTierOptions {
  const within = (
    name: Exclude<keyof TierOpenOptions, 'profile' | 'originals'>,
    min: number,
    max: number,
  ) => checkNumber(options[name], name, min, max);
  return {
    profile: named(options.profile, 'profile', PROFILES),
    originals: named(options.originals, 'originals', ORIGINALS),
    bytesMax: optionalWhole(options.bytesMax, 'bytesMax', 1, Number.MAX_SAFE_INTEGER),
    bytesRatioMax: within('bytesRatioMax', 0.05, 4),
    thresholds: checkThresholds(options),
    promotionThreshold: within('promotionThreshold', 1, 10),
    demotionThreshold: within('demotionThreshold', 0, 1),
    accessDecayHalflifeS: within('accessDecayHalflifeS', 1, HALFLIFE_S_MAX),
    recompressIntervalS: optionalWhole(
      options.recompressIntervalS,
      'recompressIntervalS',
      1,
      DAY_S,
    ),
    coolBits: within('coolBits', 4.5, 8),
    coldBits: within('coldBits', 2, 4.5),
    // A codebook of 256 centroids gains nothing from more than 32 rows each.
    codebookSampleSize: optionalWhole(
      options.codebookSampleSize,
      'codebookSampleSize',
      64,
      8192,
    ),
    codebookUpdateFreq: optionalWhole(options.codebookUpdateFreq, 'codebookUpdateFreq', 1, 1e9),
  };
}

/** All four in order, given or default: each must be below the one before. */
function checkThresholds(options: TierOpenOptions): Float64Array {
  const values = THRESHOLDS.map(
    ([name, usual]) => checkNumber(options[name], name, 0, 1) ?? usual,
  );
  for (let i = 1; i < values.length; i++) {
    const [above, below] = [values[i - 1] as number, values[i] as number];
    if (below < above) continue;
    const say = (at: number, value: number): string => {
      const name = (THRESHOLDS[at] as (typeof THRESHOLDS)[number])[0];
      return `"${name}" (${value}${options[name] === undefined ? ', the default' : ''})`;
    };
    throw rveError('ERR_OPTION', `${say(i, below)} must be below ${say(i - 1, above)}`);
  }
  return Float64Array.from(values);
}
