// Option objects, checked once, at the door: an option that is unknown or not honoured yet is an
// error.

import { rveError, type RveCode } from '../errors/index.js';
import { limits } from '../limits/index.js';
import type { NativeFilter } from '../native.js';
import type { CallOptions, Filter } from './types.js';

/** The longest delay that setTimeout takes. */
const TIMEOUT_MS_MAX = 2 ** 31 - 1;

/** No options: the same object, so that the usual call checks nothing. */
export const NONE: Readonly<Record<string, never>> = Object.freeze({});

export const CALL_KEYS = ['signal', 'timeoutMs'] as const;

/** Keys of later versions, of every call and of open. They are known, and refused by name. */
const LATER_KEYS: ReadonlySet<string> = new Set([
  // open
  'maxNodes',
  'gnnLayers',
  'gnnHiddenDim',
  'gnnHeads',
  'learningRate',
  'batchSize',
  'negativeSamples',
  'pqSubvectors',
  'pq8Centroids',
  'pq4Centroids',
  'outlierThreshold',
  'entropyCoder',
  'residualBits',
  'decompressCacheSizeMb',
  'codebookIterations',
  'prefetchDepth',
  'learning',
  'cpuBudget',
  'ioBudget',
  'encryption',
  'scrub',
  // query
  'depth',
  'temperature',
  'withAttention',
  'withSubgraph',
  // feedback
  'reward',
]);
const LATER_MODES: ReadonlySet<unknown> = new Set(['neural', 'subgraph', 'differentiable']);

/** @throws RveError `code` unless `value` is a plain object with known keys only. */
export function checkKeys(
  value: unknown,
  known: readonly string[],
  what: string,
  code: RveCode = 'ERR_OPTION',
): void {
  if (
    typeof value !== 'object' ||
    value === null ||
    Array.isArray(value) ||
    ArrayBuffer.isView(value)
  ) {
    throw rveError('ERR_ARGUMENT', `${what} takes an object, not ${shown(value)}`);
  }
  for (const key in value) {
    if (known.includes(key)) continue;
    if (code === 'ERR_OPTION' && LATER_KEYS.has(key)) {
      throw rveError('ERR_NOT_AVAILABLE', `The option "${key}" of ${what} is not in this version`);
    }
    throw rveError(code, `${what} has no "${key.slice(0, 40)}"; it knows ${known.join(', ')}`);
  }
}

/** A whole number in [min, max], or `fallback` where it is absent. */
export function wholeNumber(
  value: unknown,
  name: string,
  min: number,
  max: number,
  fallback: number,
): number {
  if (value === undefined) return fallback;
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max)
    return value;
  throw rveError(
    'ERR_OPTION',
    `"${name}" must be a whole number from ${min} to ${max}, not ${shown(value)}`,
  );
}

/** A whole number in [min, max]; undefined where it is absent. */
export function optionalWhole(
  value: unknown,
  name: string,
  min: number,
  max: number,
): number | undefined {
  return value === undefined ? undefined : wholeNumber(value, name, min, max, 0);
}

/** A number in [min, max]; undefined where it is absent. */
export function checkNumber(
  value: unknown,
  name: string,
  min: number,
  max: number,
): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'number' && value >= min && value <= max) return value;
  throw rveError(
    'ERR_OPTION',
    `"${name}" must be a number from ${min} to ${max}, not ${shown(value)}`,
  );
}

export function checkFlag(value: unknown, name: string): boolean {
  if (value === undefined) return false;
  if (typeof value === 'boolean') return value;
  throw rveError('ERR_OPTION', `"${name}" must be true or false, not ${shown(value)}`);
}

/** The parts of CallOptions; both are usually absent. */
export function checkCall(options: CallOptions): void {
  const { signal, timeoutMs } = options;
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw rveError('ERR_OPTION', `"signal" must be an AbortSignal, not ${shown(signal)}`);
  }
  if (timeoutMs === undefined) return;
  wholeNumber(timeoutMs, 'timeoutMs', 1, TIMEOUT_MS_MAX, 0);
}

export function checkMode(mode: unknown): void {
  if (mode === undefined || mode === 'vector') return;
  if (LATER_MODES.has(mode)) {
    throw rveError(
      'ERR_NOT_AVAILABLE',
      `The mode ${shown(mode)} is not in this version, 'vector' is`,
    );
  }
  throw rveError('ERR_OPTION', `"mode" must be 'vector', not ${shown(mode)}`);
}

/** 1 to 256 bytes of well-formed UTF-16. */
export function checkName(name: unknown, what: string): string {
  if (typeof name !== 'string') {
    throw rveError('ERR_ARGUMENT', `The ${what} must be a string, not ${shown(name)}`);
  }
  // A UTF-16 unit takes three bytes of UTF-8 at most.
  const tooLong =
    name.length > limits.nameBytesMax / 3 && Buffer.byteLength(name) > limits.nameBytesMax;
  if (name.length > 0 && !tooLong && !/[\p{Surrogate}\0]/u.test(name)) return name;
  const why =
    name.length === 0
      ? 'is empty'
      : tooLong
        ? `has more than ${limits.nameBytesMax} bytes`
        : 'holds half a character or a zero byte';
  throw rveError('ERR_NAME', `The ${what} ${why}`);
}

/** The filter in the addon's form, or undefined where nothing is asked. */
export function checkFilter(filter: Filter | undefined): NativeFilter | undefined {
  if (filter === undefined) return undefined;
  checkKeys(filter, ['source', 'label', 'from', 'to'], 'filter', 'ERR_FILTER');
  const out: NativeFilter = {};
  if (filter.source !== undefined) out.source = filterName(filter.source, 'source');
  if (filter.label !== undefined) {
    const labels = typeof filter.label === 'string' ? [filter.label] : filter.label;
    if (!Array.isArray(labels) || labels.length === 0 || labels.length > limits.labelsMax) {
      throw rveError('ERR_FILTER', "The filter's label must be a string or a list of one or more");
    }
    out.labels = labels.map((label) => filterName(label, 'label'));
  }
  // Stored times are whole: t >= 1.5 is t >= 2, and t < 1.5 is t < 2.
  if (filter.from !== undefined) out.from = Math.ceil(filterTime(filter.from, 'from'));
  if (filter.to !== undefined) out.to = Math.ceil(filterTime(filter.to, 'to'));
  return out;
}

function filterName(value: unknown, key: string): string {
  try {
    return checkName(value, key);
  } catch (cause) {
    const what = cause instanceof Error ? cause.message.replace(/\. Try: .*/s, '') : '';
    throw rveError('ERR_FILTER', `Bad filter. ${what}`, { cause });
  }
}

function filterTime(value: unknown, key: string): number {
  if (typeof value === 'number' && Math.abs(value) <= 8.64e15) return value;
  throw rveError('ERR_FILTER', `The filter's ${key} must be ms since 1970, not ${shown(value)}`);
}

/** The number of a choice; undefined where it is absent. */
export function named(
  value: unknown,
  name: string,
  numbers: Readonly<Record<string, number>>,
): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'string' && Object.hasOwn(numbers, value)) return numbers[value];
  const known = Object.keys(numbers)
    .map((key) => `'${key}'`)
    .join(', ');
  throw rveError('ERR_OPTION', `"${name}" must be one of ${known}, not ${shown(value)}`);
}

/** A value in a message: short, whatever it is. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return `'${value.slice(0, 40)}'`;
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'object' && value !== null) {
    const name: unknown = (value as { constructor?: { name?: unknown } }).constructor?.name;
    return typeof name === 'string' ? `a value of type ${name}` : 'an object';
  }
  return String(value);
}
