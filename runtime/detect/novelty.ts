import { RveError } from '../errors/index.js';

/** A source sends something that the memory does not know. */
export interface NoveltyEvent {
  readonly source: string;
  /** The observation's distance: the median of those to its nearest neighbours; above threshold. */
  readonly score: number;
  /** What the score had to exceed: of this source, at this time. */
  readonly threshold: number;
  /** Id of the nearest record: what it resembles most; -1 when none was given. */
  readonly nearestId: number;
  readonly timeMs: number;
  /** True at the start of a novel stretch; false for a reminder while it lasts. */
  readonly first: boolean;
}

/** What all observations of a source say, for status lines and the dashboard. */
export interface NoveltyState {
  readonly novel: boolean;
  /** Observations of the baseline so far, up to `baselineCount`. */
  readonly known: number;
  /** Median of the baseline; NaN before the first observation. */
  readonly median: number;
  /** Threshold to become novel; Infinity until warm. */
  readonly threshold: number;
  /** Score of the last observation; NaN before the first. */
  readonly score: number;
}

/** Options of a NoveltyDetector; each out of its range is ERR_OPTION. */
export interface NoveltyOptions {
  /** Scores that make the baseline of a source, 16..4096. Default 256. */
  readonly baselineCount?: number;
  /** Scores before the first decision, 8..baselineCount. Default 64. */
  readonly warmupCount?: number;
  /** Robust deviations above the median to enter, 1..100. Default 6. */
  readonly enterDeviations?: number;
  /** Robust deviations above the median to leave, 0..enterDeviations. Default 3. */
  readonly leaveDeviations?: number;
  /** Successive observations beyond the mark to enter or leave, 1..100. Default 3. */
  readonly confirmCount?: number;
  /** Least time between two events of a source, ms, 0..86,400,000. Default 10,000. */
  readonly coolDownMs?: number;
  /** Novel scores in a row after which the new state is the baseline, 16..1e6. Default 1024. */
  readonly adoptCount?: number;
  /** Sources remembered, 1..65,536; the one silent longest is forgotten. Default 1024. */
  readonly sourcesMax?: number;
}

const DEFAULTS: Required<NoveltyOptions> = {
  baselineCount: 256, // 22 s of windows at 12 a second; 4 KiB a source with its sorted copy.
  warmupCount: 64, // A median of 64 scores is off by a sixth of a deviation.
  enterDeviations: 6,
  leaveDeviations: 3,
  confirmCount: 3, // A knock on the housing is one or two windows.
  coolDownMs: 10_000,
  adoptCount: 1024,
  sourcesMax: 1024, // 4 MiB of baselines.
};

/** 1 / the MAD of a standard normal: scales a MAD to a standard deviation (Hampel 1974). */
const MAD_TO_DEVIATION = 1.4826;

/**
 * Least deviation, as a share of the median: a source that repeats itself to the last bit has a
 * MAD of 0, and its first rounding error would be 6 "deviations" away.
 */
const DEVIATION_SHARE_MIN = 0.05;

/** Least deviation, absolute: below float32 rounding of a cosine, sqrt(2·2^-24), all is equal. */
const DEVIATION_MIN = 3.5e-4;

/**
 * Turns scores of a query, nearest first, into distances as `NoveltyDetector` wants them, which
 * grow linearly with the angle or the distance: `cosine` similarity s → sqrt(2 - 2s), the chord;
 * `l2`, a squared distance → its root. `ip` is no distance: ERR_NOT_AVAILABLE.
 */
export function distancesOf(metric: 'cosine' | 'l2' | 'ip', scores: Float32Array): Float32Array {
  switch (metric) {
    case 'cosine':
      return scores.map((s) => Math.sqrt(Math.max(0, 2 - 2 * s)));
    case 'l2':
      return scores.map((s) => Math.sqrt(Math.max(0, s)));
    case 'ip':
      throw new RveError('ERR_NOT_AVAILABLE', 'Novelty needs a distance: use cosine or l2');
  }
}

/**
 * Decides, per source, whether an observation is novel: whether its distance to what the memory
 * knows stands out from the distances that this source usually has.
 *
 * The score is the median distance to the k nearest (one odd neighbour decides nothing). The
 * baseline is a sliding window of the source's own scores; the mark is their median plus
 * `enterDeviations` times 1.4826·MAD, which up to half of outliers cannot move far (Leys et al.
 * 2013). Novel scores stay out of the baseline, else a slow fault would teach it to be silent; but
 * after `adoptCount` of them in a row the source has changed for good, and starts afresh.
 *
 * Pure: time comes in with each call, and a clock that steps back ends a cool-down rather than
 * stretching it. Memory: at most sourcesMax · 16 · baselineCount bytes.
 */
export class NoveltyDetector {
  readonly #options: Required<NoveltyOptions>;
  /** In order of last use: a Map iterates in order of insertion, and use inserts anew. */
  readonly #sources = new Map<string, SourceState>();

  constructor(options: NoveltyOptions = {}) {
    this.#options = checked(options);
  }

  /** Sources remembered now. */
  get sourceCount(): number {
    return this.#sources.size;
  }

  /**
   * Judges one observation. `distances`: to its nearest neighbours, in any order, finite and
   * >= 0 (else ERR_ARGUMENT); an empty list (nothing known yet) is no evidence and changes
   * nothing. Returns an event, or null. Cost: a search and a move among baselineCount numbers.
   */
  observe(
    source: string,
    distances: ArrayLike<number>,
    timeMs: number,
    nearestId = -1,
  ): NoveltyEvent | null {
    if (!Number.isFinite(timeMs)) throw new RveError('ERR_ARGUMENT', `timeMs is ${timeMs}`);
    if (distances.length === 0) return null;
    const score = medianOf(distances);
    const state = this.#touch(source);
    state.score = score;
    const threshold = this.#threshold(state, this.#options.enterDeviations);
    if (threshold === Infinity) {
      state.baseline.add(score);
      return null;
    }
    const wasNovel = state.novel;
    this.#decide(state, score, threshold);
    if (score <= threshold) {
      state.baseline.add(score);
    } else if ((state.strangeCount += 1) >= this.#options.adoptCount) {
      this.#sources.set(source, new SourceState(this.#options.baselineCount));
    }
    if (!state.novel || score <= threshold) return null;
    const elapsedMs = timeMs - state.eventMs;
    if (elapsedMs >= 0 && elapsedMs < this.#options.coolDownMs) return null;
    state.eventMs = timeMs;
    const first = !wasNovel || !state.announced;
    state.announced = true;
    return { source, score, threshold, nearestId, timeMs, first };
  }

  /** What is known of a source, or null. Does not count as a use. */
  state(source: string): NoveltyState | null {
    const state = this.#sources.get(source);
    if (state === undefined) return null;
    return {
      novel: state.novel,
      known: state.baseline.count,
      median: state.baseline.quantile(0.5),
      threshold: this.#threshold(state, this.#options.enterDeviations),
      score: state.score,
    };
  }

  /** Forgets a source: after maintenance its next observations make a new baseline. */
  forget(source: string): void {
    this.#sources.delete(source);
  }

  #touch(source: string): SourceState {
    let state = this.#sources.get(source);
    if (state === undefined) {
      state = new SourceState(this.#options.baselineCount);
      if (this.#sources.size >= this.#options.sourcesMax) {
        const [oldest] = this.#sources.keys();
        this.#sources.delete(oldest!);
      }
    } else {
      this.#sources.delete(source);
    }
    this.#sources.set(source, state);
    return state;
  }

  /** Median plus so many robust deviations; Infinity until warm. */
  #threshold(state: SourceState, deviations: number): number {
    const { baseline } = state;
    if (baseline.count < this.#options.warmupCount) return Infinity;
    const median = baseline.quantile(0.5);
    const deviation = Math.max(
      MAD_TO_DEVIATION * baseline.mad(),
      DEVIATION_SHARE_MIN * median,
      DEVIATION_MIN,
    );
    return median + deviations * deviation;
  }

  /** Hysteresis: in above the upper mark, out below the lower, `confirmCount` times running. */
  #decide(state: SourceState, score: number, threshold: number): void {
    const leave = this.#threshold(state, this.#options.leaveDeviations);
    const against = state.novel ? score < leave : score > threshold;
    state.againstCount = against ? state.againstCount + 1 : 0;
    if (score <= threshold) state.strangeCount = 0;
    if (state.againstCount < this.#options.confirmCount) return;
    state.novel = !state.novel;
    state.againstCount = 0;
    state.announced = false;
  }
}

class SourceState {
  readonly baseline: Baseline;
  novel = false;
  /** Whether the present novel stretch has had its event: a cool-down may hold it back. */
  announced = false;
  /** Observations in a row that speak against the present state. */
  againstCount = 0;
  /** Scores in a row above the threshold. */
  strangeCount = 0;
  eventMs = -Infinity;
  score = Number.NaN;

  constructor(baselineCount: number) {
    this.baseline = new Baseline(baselineCount);
  }
}

/** The last `countMax` scores, in order of arrival and, beside it, of size: exact quantiles. */
class Baseline {
  readonly #arrived: Float64Array;
  readonly #sorted: Float64Array;
  #next = 0;
  #count = 0;

  constructor(countMax: number) {
    this.#arrived = new Float64Array(countMax);
    this.#sorted = new Float64Array(countMax);
  }

  get count(): number {
    return this.#count;
  }

  add(score: number): void {
    const sorted = this.#sorted;
    if (this.#count === sorted.length) {
      const at = this.#find(this.#arrived[this.#next]!);
      sorted.copyWithin(at, at + 1, this.#count);
      this.#count -= 1;
    }
    const at = this.#find(score);
    sorted.copyWithin(at + 1, at, this.#count);
    sorted[at] = score;
    this.#count += 1;
    this.#arrived[this.#next] = score;
    this.#next = (this.#next + 1) % sorted.length;
  }

  /** Value at a share of 0..1 of the sorted scores, nearest rank; NaN when there is none. */
  quantile(share: number): number {
    if (this.#count === 0) return Number.NaN;
    return this.#sorted[Math.min(this.#count - 1, Math.floor(share * this.#count))]!;
  }

  /**
   * Median distance from the median. The sorted scores are two runs of growing distance, one to
   * each side of the median: a merge of half of them finds it without sorting or allocating.
   */
  mad(): number {
    const middle = Math.floor(this.#count / 2);
    const median = this.#sorted[middle]!;
    let below = middle - 1;
    let above = middle;
    let distance = 0;
    for (let taken = 0; taken <= middle; taken += 1) {
      const down = below >= 0 ? median - this.#sorted[below]! : Infinity;
      const up = above < this.#count ? this.#sorted[above]! - median : Infinity;
      distance = Math.min(down, up);
      if (down < up) below -= 1;
      else above += 1;
    }
    return distance;
  }

  /** Index of the first sorted score that is not below `score`. */
  #find(score: number): number {
    let low = 0;
    let high = this.#count;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#sorted[middle]! < score) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function medianOf(distances: ArrayLike<number>): number {
  const sorted = Float64Array.from(distances).sort();
  // NaN sorts last, negatives first: the ends speak for all.
  if (!(sorted[0]! >= 0 && sorted[sorted.length - 1]! < Infinity)) {
    throw new RveError('ERR_ARGUMENT', 'Distances must be finite and not negative');
  }
  return sorted[sorted.length >> 1]!;
}

function checked(options: NoveltyOptions): Required<NoveltyOptions> {
  for (const key of Object.keys(options)) {
    if (!Object.hasOwn(DEFAULTS, key)) {
      throw new RveError('ERR_OPTION', `Novelty has no option ${key}`);
    }
  }
  const all = { ...DEFAULTS, ...options };
  const ranges: ReadonlyArray<readonly [keyof NoveltyOptions, number, number, boolean]> = [
    ['baselineCount', 16, 4096, true],
    ['warmupCount', 8, all.baselineCount, true],
    ['enterDeviations', 1, 100, false],
    ['leaveDeviations', 0, all.enterDeviations, false],
    ['confirmCount', 1, 100, true],
    ['coolDownMs', 0, 86_400_000, false],
    ['adoptCount', 16, 1e6, true],
    ['sourcesMax', 1, 65_536, true],
  ];
  for (const [key, low, high, whole] of ranges) {
    const value = all[key];
    if (!(value >= low && value <= high) || (whole && !Number.isInteger(value))) {
      throw new RveError('ERR_OPTION', `Novelty option ${key} is ${value}: give ${low} to ${high}`);
    }
  }
  return all;
}
