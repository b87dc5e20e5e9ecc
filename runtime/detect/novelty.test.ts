import { describe, expect, test } from 'vitest';
import { VibrationEmbedder } from '../../sensors/index.js';
import { BearingSimulator, Rng } from '../../sim/index.js';
import { RveError } from '../errors/index.js';
import {
  distancesOf,
  NoveltyDetector,
  type NoveltyEvent,
  type NoveltyOptions,
} from './novelty.js';

const OPTIONS = { warmupCount: 20, baselineCount: 64, coolDownMs: 1000 };

/** Feeds scores, one each 100 ms from `fromMs`, and gives the events. */
function feed(
  detector: NoveltyDetector,
  scores: readonly number[],
  fromMs = 0,
  source = 'pump',
): NoveltyEvent[] {
  return scores.flatMap((score, i) => {
    const event = detector.observe(source, [score], fromMs + 100 * i, i);
    return event === null ? [] : [event];
  });
}

/** Usual scores: 1 ± 0.05, normal. */
function usual(count: number, seed: number): number[] {
  const rng = new Rng(seed);
  return Array.from({ length: count }, () => Math.abs(1 + 0.05 * rng.normal()));
}

const code = (run: () => unknown): string | undefined => {
  try {
    run();
  } catch (error) {
    if (error instanceof RveError) return error.code;
    throw error;
  }
  return undefined;
};

describe('NoveltyDetector', () => {
  test('stays silent on 20,000 usual scores', () => {
    expect(feed(new NoveltyDetector(OPTIONS), usual(20_000, 1))).toEqual([]);
  });

  test('reports a jump at the third score above the threshold, with its evidence', () => {
    const detector = new NoveltyDetector(OPTIONS);
    const events = feed(detector, [...usual(100, 2), 3, 3, 3]);
    expect(events).toHaveLength(1);
    const [event] = events;
    expect(event).toMatchObject({
      source: 'pump',
      score: 3,
      nearestId: 102,
      timeMs: 10_200,
      first: true,
    });
    // Median 1, deviation 0.05, 6 of them: the threshold is the documented formula.
    expect(event!.threshold).toBeGreaterThan(1.15);
    expect(event!.threshold).toBeLessThan(1.6);
  });

  test('does not report one or two strange scores, however often', () => {
    const detector = new NoveltyDetector(OPTIONS);
    const knocks = usual(600, 3).map((s, i) => (i > 100 && i % 10 < 2 ? 9 : s));
    expect(feed(detector, knocks)).toEqual([]);
  });

  test('decides nothing before it is warm', () => {
    const detector = new NoveltyDetector(OPTIONS);
    expect(feed(detector, [...usual(15, 4), 9, 9, 9])).toEqual([]);
    expect(detector.state('pump')).toMatchObject({ novel: false, known: 18, threshold: Infinity });
  });

  test('reminds once a cool-down while the novelty lasts', () => {
    const detector = new NoveltyDetector(OPTIONS);
    feed(detector, usual(100, 5));
    const events = feed(detector, new Array<number>(32).fill(3), 10_000);
    expect(events.map((e) => [e.timeMs, e.first])).toEqual([
      [10_200, true],
      [11_200, false],
      [12_200, false],
    ]);
  });

  test('leaves only below the lower mark, and then reports the next jump as a first', () => {
    const detector = new NoveltyDetector(OPTIONS);
    feed(detector, [...usual(100, 6), 3, 3, 3]);
    const { median, threshold } = detector.state('pump')!;
    const between = median + 0.75 * (threshold - median); // Above 3, below 6 deviations.
    feed(detector, new Array<number>(5).fill(between), 20_000);
    expect(detector.state('pump')!.novel).toBe(true);
    feed(detector, [1, 1, 1], 30_000);
    expect(detector.state('pump')!.novel).toBe(false);
    const again = feed(detector, [3, 3, 3], 40_000);
    expect(again.map((e) => e.first)).toEqual([true]);
  });

  test('does not learn novel scores, but adopts a change that lasts', () => {
    const detector = new NoveltyDetector({ ...OPTIONS, adoptCount: 100 });
    feed(detector, usual(100, 7));
    const before = detector.state('pump')!.median;
    feed(detector, new Array<number>(99).fill(3), 10_000);
    expect(detector.state('pump')).toMatchObject({ novel: true, median: before });
    feed(detector, new Array<number>(60).fill(3), 20_000);
    expect(detector.state('pump')).toMatchObject({ novel: false, median: 3 });
  });

  test('takes the median distance: a near and a far neighbour decide nothing', () => {
    const detector = new NoveltyDetector(OPTIONS);
    detector.observe('pump', [9, 1, 0, 1.5, 2], 0);
    expect(detector.state('pump')!.score).toBe(1.5);
  });

  test('keeps sources apart', () => {
    const detector = new NoveltyDetector(OPTIONS);
    feed(detector, usual(100, 8), 0, 'pump');
    feed(detector, usual(100, 9).map((s) => 3 * s), 0, 'fan');
    expect(feed(detector, [3, 3, 3], 20_000, 'fan')).toEqual([]);
    expect(feed(detector, [3, 3, 3], 20_000, 'pump')).toHaveLength(1);
  });

  test('forgets the source silent longest when there are too many', () => {
    const detector = new NoveltyDetector({ ...OPTIONS, sourcesMax: 2 });
    for (const source of ['a', 'b', 'a', 'c']) detector.observe(source, [1], 0);
    expect(detector.sourceCount).toBe(2);
    expect(detector.state('b')).toBeNull();
    expect(detector.state('a')).not.toBeNull();
    detector.forget('a');
    expect(detector.state('a')).toBeNull();
  });

  test('has exact quantiles: its median and MAD equal those of a sorted copy', () => {
    // 100 deviations: nothing counts as novel, so every score enters the baseline.
    const detector = new NoveltyDetector({ ...OPTIONS, enterDeviations: 100 });
    const rng = new Rng(10);
    const scores = Array.from({ length: 300 }, () => 1 + rng.uniform() ** 3);
    scores.forEach((score, i) => detector.observe('pump', [score], i));
    const last = scores.slice(-64).sort((a, b) => a - b);
    const median = last[32]!;
    const mad = last.map((s) => Math.abs(s - median)).sort((a, b) => a - b)[32]!;
    const state = detector.state('pump')!;
    expect(state.known).toBe(64);
    expect(state.median).toBe(median);
    expect(state.threshold).toBeCloseTo(median + 100 * Math.max(1.4826 * mad, 0.05 * median), 10);
  });

  test('is not made nervous by a source that repeats itself to the last bit', () => {
    const detector = new NoveltyDetector(OPTIONS);
    const zeros = new Array<number>(100).fill(0);
    expect(feed(detector, [...zeros, 1e-4, 2e-4, 3e-4, 1e-3])).toEqual([]);
    expect(feed(detector, [0.1, 0.1, 0.1], 60_000)).toHaveLength(1);
  });

  test('wants at least 30 % above the median, however little the source varies', () => {
    const detector = new NoveltyDetector(OPTIONS);
    feed(detector, new Array<number>(100).fill(2));
    expect(detector.state('pump')!.threshold).toBeCloseTo(2.6, 12);
  });

  test('ends a cool-down when the clock steps back', () => {
    const detector = new NoveltyDetector(OPTIONS);
    feed(detector, [...usual(100, 11), 3, 3, 3], 1e12);
    expect(feed(detector, [3], 5)).toHaveLength(1);
  });

  test('takes an empty answer as no evidence', () => {
    const detector = new NoveltyDetector(OPTIONS);
    expect(detector.observe('pump', [], 0)).toBeNull();
    expect(detector.state('pump')).toBeNull();
  });

  test.each([[[Number.NaN]], [[1, Infinity]], [[-1, 2]]])('refuses the distances %o', (bad) => {
    const detector = new NoveltyDetector(OPTIONS);
    expect(code(() => detector.observe('pump', bad, 0))).toBe('ERR_ARGUMENT');
    expect(detector.sourceCount).toBe(0);
  });

  test.each<NoveltyOptions>([
    { baselineCount: 8 },
    { warmupCount: 300 },
    { leaveDeviations: 7 },
    { confirmCount: 0 },
    { coolDownMs: Number.NaN },
    { sourcesMax: 1.5 },
    { sensitivity: 1 } as NoveltyOptions,
  ])('refuses the options %o', (bad) => {
    expect(code(() => new NoveltyDetector(bad))).toBe('ERR_OPTION');
  });
});

describe('distancesOf', () => {
  test('turns cosine similarity into the chord and a squared distance into its root', () => {
    const chords = distancesOf('cosine', Float32Array.of(1, 0.5, -1, 1.0000001));
    expect([...chords]).toEqual([0, 1, 2, 0]);
    expect([...distancesOf('l2', Float32Array.of(0, 4, 9))]).toEqual([0, 2, 3]);
  });

  test('refuses the inner product', () => {
    expect(code(() => distancesOf('ip', Float32Array.of(1)))).toBe('ERR_NOT_AVAILABLE');
  });
});

describe('a bearing that wears', () => {
  const WINDOW = 1024;
  const WINDOW_MS = (1000 * WINDOW) / 12_000;
  const WINDOWS = 1750; // One default life of 150 s, less its last window.
  const RECENT = Math.round(20_000 / WINDOW_MS);
  const HEALTHY = Math.round(30_000 / WINDOW_MS);

  /** Exact distances of `query` to its 5 nearest among `known`, nearest first. */
  function nearest(query: Float32Array, known: readonly Float32Array[]): Float32Array {
    const similarities = known.map((vector) => {
      let sum = 0;
      for (let i = 0; i < vector.length; i += 1) sum += vector[i]! * query[i]!;
      return sum;
    });
    return distancesOf('cosine', Float32Array.from(similarities).sort().reverse().slice(0, 5));
  }

  interface Observed {
    wear: number;
    fault: boolean;
    vector: Float32Array;
  }
  const lives = new Map<string, Observed[]>();

  /** The first windows of the life of one seed; made once, since a whole life costs 2 s. */
  function life(seed: number, windows: number): Observed[] {
    const key = `${seed} ${windows}`;
    const made = lives.get(key) ?? simulate(seed, windows);
    lives.set(key, made);
    return made;
  }

  function simulate(seed: number, windows: number): Observed[] {
    const simulator = new BearingSimulator({ seed });
    const embedder = new VibrationEmbedder({ sampleRateHz: simulator.sampleRateHz });
    return Array.from({ length: windows }, () => {
      const vector = embedder.embed(simulator.nextWindow(WINDOW));
      return { wear: simulator.wear, fault: simulator.faultNames.length > 0, vector };
    });
  }

  test('moves away from its healthy start, further in each quarter of its damage', () => {
    const windows = life(1, WINDOWS);
    const reference = windows.slice(0, HEALTHY).map((w) => w.vector);
    const median = (low: number, high: number): number => {
      const scores = windows
        .filter((w, i) => i >= HEALTHY && w.wear >= low && w.wear < high && i % 8 === 0)
        .map((w) => nearest(w.vector, reference)[4]!)
        .sort((a, b) => a - b);
      return scores[scores.length >> 1]!;
    };
    const path = [median(0.2, 0.27), median(0.33, 0.5), median(0.5, 0.65), median(0.85, 1)];
    expect(path).toEqual([...path].sort((a, b) => a - b));
    expect(path[1]!).toBeGreaterThan(2 * path[0]!);
    expect(path[3]!).toBeGreaterThan(1.1 * path[1]!);
  });

  test.each([
    ['all older than 20 s', RECENT],
    ['all', 0],
  ])('is reported within 2 s of its first damage, and never before, against %s', (_, recent) => {
    for (const seed of [1, 2]) {
      const detector = new NoveltyDetector();
      const windows = life(seed, 700);
      const onset = windows.findIndex((w) => w.fault);
      const known: Float32Array[] = [];
      const events: number[] = [];
      for (const [i, { vector }] of windows.entries()) {
        if (i >= recent && recent > 0) known.push(windows[i - recent]!.vector);
        const scores = nearest(vector, known);
        if (detector.observe('bearing', scores, i * WINDOW_MS) !== null) events.push(i);
        if (recent === 0) known.push(vector);
      }
      expect(onset * WINDOW_MS).toBeLessThan(60_000);
      expect(events[0]).toBeGreaterThanOrEqual(onset);
      expect(events[0]! - onset).toBeLessThan(2000 / WINDOW_MS);
    }
  });
});
