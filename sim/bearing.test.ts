import { describe, expect, test } from 'vitest';
import {
  BearingSimulator,
  DEFAULT_FAULTS,
  NEXT_WINDOW_SAMPLES_MAX,
  type BearingOptions,
  type FaultPlan,
} from './bearing.js';
import type { DefectKind } from './defect.js';

const RATE_HZ = 12_000;
const BLOCK = 8192; // 0.68 s: lines 1.5 Hz wide, wider than the speed wanders in the meantime.
const BLOCKS = 6;

/**
 * Envelope spectrum by means that share nothing with sensors/ or the simulator: the second
 * difference as a high-pass (it weakens the gear mesh 30 times against 3 kHz), squared, and a
 * direct sum at each asked frequency; amplitudes averaged over the blocks.
 */
function envelopeLine(samples: Float32Array, hz: number): number {
  let sum = 0;
  for (let b = 0; b < BLOCKS; b += 1) {
    let re = 0;
    let im = 0;
    for (let i = 1; i < BLOCK - 1; i += 1) {
      const n = b * BLOCK + i;
      const high = samples[n - 1]! - 2 * samples[n]! + samples[n + 1]!;
      const taper = 1 - Math.cos((2 * Math.PI * i) / BLOCK);
      const phase = (2 * Math.PI * hz * i) / RATE_HZ;
      re += taper * high * high * Math.cos(phase);
      im += taper * high * high * Math.sin(phase);
    }
    sum += Math.hypot(re, im);
  }
  return sum / BLOCKS;
}

/** Highest line within 1.5 % of `hz` over the median of the lines 8 to 25 Hz beside it. */
function prominence(samples: Float32Array, hz: number): number {
  let line = 0;
  for (let off = -0.015; off <= 0.0151; off += 0.0075) {
    line = Math.max(line, envelopeLine(samples, hz * (1 + off)));
  }
  const beside = [-25, -19, -13, -8, 8, 13, 19, 25].map((d) => envelopeLine(samples, hz + d));
  beside.sort((a, b) => a - b);
  return line / beside[4]!;
}

const only = (kind: DefectKind): FaultPlan => ({
  kind,
  onset: 0,
  peakG: 2,
  jump: 1,
  resonanceHz: 3200,
});

function worn(kind: DefectKind, seed: number): BearingSimulator {
  return new BearingSimulator({ seed, faults: [only(kind)], initialWear: 0.5, lifeS: 1000 });
}

describe('BearingSimulator', () => {
  test.each<DefectKind>(['outer-race', 'inner-race', 'element'])(
    'shows a worn %s at its kinematic frequency of the envelope spectrum, and not at the others',
    (kind) => {
      const simulator = worn(kind, 11);
      const expected = simulator.faultHz[kind];
      const samples = simulator.nextWindow(BLOCK * BLOCKS);
      const own = prominence(samples, expected);
      expect(own).toBeGreaterThan(5);
      for (const other of ['outer-race', 'inner-race', 'element'] as const) {
        if (other === kind) continue;
        // An element's cage sideband, 2·BSF + 2·FTF = 5.51, lies within 2 % of BPFI = 5.42: there
        // the own line must win clearly; elsewhere there must be nothing to speak of.
        const limit = kind === 'element' ? own / 1.25 : 3;
        expect(prominence(samples, simulator.faultHz[other])).toBeLessThan(limit);
      }
    },
  );

  test('shows no fault line while the bearing is healthy', () => {
    const simulator = new BearingSimulator({ seed: 12, lifeS: 1000 });
    const samples = simulator.nextWindow(BLOCK * BLOCKS);
    expect(simulator.faultNames).toEqual([]);
    for (const kind of ['outer-race', 'inner-race', 'element'] as const) {
      expect(prominence(samples, simulator.faultHz[kind])).toBeLessThan(3);
    }
  });

  test('modulates an inner race fault with the shaft, an outer race fault not', () => {
    const sideband = (kind: DefectKind): number => {
      const simulator = worn(kind, 13);
      const samples = simulator.nextWindow(BLOCK * BLOCKS);
      return prominence(samples, simulator.faultHz[kind] - simulator.shaftHz);
    };
    expect(sideband('inner-race')).toBeGreaterThan(3);
    expect(sideband('outer-race')).toBeLessThan(2.5);
  });

  test('gives the same samples bit for bit for the same seed, others for another', () => {
    const run = (seed: number): Float32Array =>
      new BearingSimulator({ seed, initialWear: 0.9 }).nextWindow(4096);
    expect(run(5)).toEqual(run(5));
    expect(run(5)).not.toEqual(run(6));
  });

  test('gives the same stream however it is cut, as long as wear stands still', () => {
    const options: BearingOptions = { seed: 7, faults: [only('outer-race')], lifeS: 1e9 };
    const whole = new BearingSimulator(options).nextWindow(2048);
    const cut = new BearingSimulator(options);
    const parts = [cut.nextWindow(1), cut.nextWindow(1023), cut.nextWindow(1024)];
    expect(Float32Array.from(parts.flatMap((p) => [...p]))).toEqual(whole);
  });

  test('wears in stages, louder in each, and then fits a fresh bearing', () => {
    const simulator = new BearingSimulator({ seed: 8, lifeS: 20 });
    const stages: string[] = [];
    const rms = new Map<string, number>();
    let wear = 0;
    for (let i = 0; i < 500; i += 1) {
      expect(simulator.wear).toBeGreaterThanOrEqual(wear);
      wear = simulator.wear;
      const { stage } = simulator;
      const window = simulator.nextWindow(1024);
      if (simulator.bearing > 1) break;
      if (stages.at(-1) !== stage) stages.push(stage);
      rms.set(stage, Math.sqrt(window.reduce((sum, g) => sum + g * g, 0) / 1024));
    }
    expect(stages).toEqual(['healthy', 'incipient', 'growing', 'severe']);
    const levels = stages.map((stage) => rms.get(stage)!);
    expect(levels).toEqual([...levels].sort((a, b) => a - b));
    expect(simulator.bearing).toBe(2);
    expect(simulator.wear).toBeLessThan(0.01);
    expect(simulator.faultNames).toEqual([]);
    expect(simulator.timeS).toBeGreaterThan(20);
  });

  test('breaks out each defect at its onset, give or take a unit, and not before', () => {
    for (const { kind, onset } of DEFAULT_FAULTS) {
      for (let seed = 20; seed < 40; seed += 1) {
        // A unit's onset differs by at most 2.5 deviations of 0.02.
        const before = new BearingSimulator({ seed, initialWear: onset - 0.051 });
        const after = new BearingSimulator({ seed, initialWear: onset + 0.051 });
        expect(before.faultNames).not.toContain(kind);
        expect(after.faultNames).toContain(kind);
      }
    }
  });

  test('runs on at wear 1 without maintenance, until it is asked for', () => {
    const simulator = new BearingSimulator({ seed: 9, initialWear: 1, maintenance: 'never' });
    simulator.nextWindow(1024);
    expect([simulator.wear, simulator.bearing, simulator.stage]).toEqual([1, 1, 'severe']);
    expect(simulator.faultNames).toEqual(DEFAULT_FAULTS.map((plan) => plan.kind));
    simulator.replaceBearing();
    expect([simulator.wear, simulator.bearing, simulator.stage]).toEqual([0, 2, 'healthy']);
  });

  test('keeps the shaft within 3 % of its speed, and does not hold it still', () => {
    const simulator = new BearingSimulator({ seed: 10, shaftHz: 30 });
    const speeds = Array.from({ length: 200 }, () => {
      simulator.nextWindow(1024);
      return simulator.shaftHz;
    });
    expect(Math.max(...speeds)).toBeLessThan(30.9);
    expect(Math.min(...speeds)).toBeGreaterThan(29.1);
    expect(Math.max(...speeds) - Math.min(...speeds)).toBeGreaterThan(0.1);
  });

  test.each<Partial<BearingOptions>>([
    { seed: -1 },
    { sampleRateHz: 100 },
    { shaftHz: 0 },
    { lifeS: Number.NaN },
    { initialWear: 1.1 },
    { slip: 0.5 },
    { faults: [only('cage'), only('cage')] },
    { faults: [{ ...only('cage'), resonanceHz: 5900 }] },
    { faults: [{ ...only('cage'), onset: -1 }] },
    { faults: [{ ...only('cage'), kind: 'shaft' as DefectKind }] },
    { maintenance: 'maybe' as 'never' },
  ])('refuses the options %o', (bad) => {
    expect(() => new BearingSimulator({ seed: 1, ...bad })).toThrow(RangeError);
  });

  test.each([0, -1, 1.5, Number.NaN, NEXT_WINDOW_SAMPLES_MAX + 1])(
    'refuses a window of %d samples',
    (samples) => {
      expect(() => new BearingSimulator({ seed: 1 }).nextWindow(samples)).toThrow(RangeError);
    },
  );
});
