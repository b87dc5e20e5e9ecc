import { faultOrders, SKF_6205, type BearingGeometry, type FaultOrders } from './geometry.js';
import { Machine } from './machine.js';
import { Rng } from './rng.js';
import { Defect, type DefectKind } from './defect.js';

/** One defect of a bearing's life. Wear is the share of the life that is over, 0..1. */
export interface FaultPlan {
  readonly kind: DefectKind;
  /** Wear at which the first piece breaks out, 0..1. */
  readonly onset: number;
  /** Peak acceleration of one impact in full load at wear 1, in g, before the resonance. */
  readonly peakG: number;
  /** Share of `peakG` that appears at once at onset, 0..1: spalls begin abruptly. */
  readonly jump: number;
  /** Structural resonance that the impact rings, Hz, below half the sample rate. */
  readonly resonanceHz: number;
}

export interface BearingOptions {
  /** Whole number from 0 to 2^32 - 1. Same options, same samples, bit for bit. */
  readonly seed: number;
  /** Samples a second, 4,000..200,000. Default 12,000. */
  readonly sampleRateHz?: number;
  /** Mean turns of the shaft a second, 1..500. Default 29.17 (1,750 rpm). */
  readonly shaftHz?: number;
  /** Default SKF_6205. */
  readonly geometry?: BearingGeometry;
  /** Default DEFAULT_FAULTS; at most one of a kind. */
  readonly faults?: readonly FaultPlan[];
  /** Simulated seconds from a fresh bearing to the end of its life, 1..1e9. Default 150. */
  readonly lifeS?: number;
  /** Wear of the first bearing at the start, 0..1. Default 0. */
  readonly initialWear?: number;
  /** Standard deviation of the distance between impacts, as a share of it, 0..0.1. Default 0.01. */
  readonly slip?: number;
  /** `replace` (default): a fresh bearing follows a dead one. `never`: it runs on at wear 1. */
  readonly maintenance?: 'replace' | 'never';
}

/**
 * The default life: a spall on the outer race at 0.3, on the inner race at 0.55, on an element at
 * 0.8 (debris of one spall starts the next). Resonances differ since the paths to the sensor do.
 */
export const DEFAULT_FAULTS: readonly FaultPlan[] = [
  { kind: 'outer-race', onset: 0.3, peakG: 1.6, jump: 0.2, resonanceHz: 3200 },
  { kind: 'inner-race', onset: 0.55, peakG: 4, jump: 0.5, resonanceHz: 2700 },
  { kind: 'element', onset: 0.8, peakG: 5, jump: 0.5, resonanceHz: 3900 },
];

/** A window of 2^20 samples takes about a quarter of a second: more is split by the caller. */
export const NEXT_WINDOW_SAMPLES_MAX = 1_048_576;

/** Life stages as a maintenance engineer names them; see README.md for the wear of each. */
export type BearingStage = 'healthy' | 'incipient' | 'growing' | 'severe';

/**
 * An accelerometer on the housing of a bearing that wears out, in g.
 *
 * The model is that of McFadden and Smith 1984 and Antoni and Randall 2003: each defect makes a
 * train of impacts at its kinematic angle steps with cumulative random slip, weighted by the load
 * where it strikes, each ringing a damped structural resonance; over it shaft harmonics, gear mesh
 * and noise, on a shaft whose speed wanders. README.md has the formulas and default figures.
 * Pure: no clock, no global randomness. Time passes only by `nextWindow`.
 */
export class BearingSimulator {
  readonly sampleRateHz: number;
  readonly orders: FaultOrders;
  readonly lifeS: number;
  readonly #rng: Rng;
  readonly #machine: Machine;
  readonly #plans: readonly FaultPlan[];
  readonly #slip: number;
  readonly #replaces: boolean;
  #defects: Defect[] = [];
  #bearing = 0;
  #samples = 0;
  #ageSamples = 0;

  /** Refuses an option out of its range with a RangeError. */
  constructor(options: BearingOptions) {
    this.sampleRateHz = within('sampleRateHz', options.sampleRateHz ?? 12_000, 4000, 200_000);
    const shaftHz = within('shaftHz', options.shaftHz ?? 1750 / 60, 1, 500);
    this.lifeS = within('lifeS', options.lifeS ?? 150, 1, 1e9);
    this.#slip = within('slip', options.slip ?? 0.01, 0, 0.1);
    const initialWear = within('initialWear', options.initialWear ?? 0, 0, 1);
    const maintenance = options.maintenance ?? 'replace';
    if (maintenance !== 'replace' && maintenance !== 'never') {
      throw new RangeError(`maintenance is ${String(maintenance)}: give replace or never`);
    }
    this.#replaces = maintenance === 'replace';
    this.orders = faultOrders(options.geometry ?? SKF_6205);
    this.#plans = checkPlans(options.faults ?? DEFAULT_FAULTS, this.sampleRateHz);
    this.#rng = new Rng(options.seed);
    this.#machine = new Machine(this.#rng, this.sampleRateHz, shaftHz);
    this.#fitBearing();
    this.#ageSamples = Math.round(initialWear * this.lifeS * this.sampleRateHz);
  }

  /** Simulated seconds since the start. */
  get timeS(): number {
    return this.#samples / this.sampleRateHz;
  }

  /** Share of the present bearing's life that is over, 0..1. */
  get wear(): number {
    return Math.min(1, this.#ageSamples / (this.lifeS * this.sampleRateHz));
  }

  /** Count of bearings fitted so far, from 1: it grows when maintenance replaces one. */
  get bearing(): number {
    return this.#bearing;
  }

  /** Defects that have broken out in the present bearing, in order of onset. */
  get faultNames(): DefectKind[] {
    const wear = this.wear;
    return this.#defects.filter((d) => d.severity(wear) > 0).map((d) => d.kind);
  }

  /** Healthy: no defect; growing: one beyond half of its severity, or two; severe: wear > 0.9. */
  get stage(): BearingStage {
    const wear = this.wear;
    const severities = this.#defects.map((d) => d.severity(wear)).filter((s) => s > 0);
    if (severities.length === 0) return 'healthy';
    if (wear > 0.9) return 'severe';
    return severities.length > 1 || severities[0]! > 0.5 ? 'growing' : 'incipient';
  }

  /** Turns of the shaft a second now. */
  get shaftHz(): number {
    return this.#machine.shaftHz;
  }

  /** Strikes a second of each kind of defect at the present speed, whether it exists or not. */
  get faultHz(): Record<DefectKind, number> {
    return {
      'outer-race': this.orders.bpfo * this.shaftHz,
      'inner-race': this.orders.bpfi * this.shaftHz,
      element: 2 * this.orders.bsf * this.shaftHz,
      cage: this.orders.ftf * this.shaftHz,
    };
  }

  /**
   * The next `samples` samples (1..1,048,576), in g, following the last call's without a gap. A
   * bearing that died is replaced between windows, never inside one.
   */
  nextWindow(samples: number): Float32Array {
    if (!Number.isInteger(samples) || samples < 1 || samples > NEXT_WINDOW_SAMPLES_MAX) {
      throw new RangeError(`nextWindow(${samples}): give 1 to ${NEXT_WINDOW_SAMPLES_MAX} samples`);
    }
    if (this.#replaces && this.wear >= 1) this.#fitBearing();
    const out = new Float32Array(samples);
    // Wear moves by less than 1e-3 in a window of a default life: one severity serves it whole.
    const wear = this.wear;
    const active = this.#defects.filter((defect) => defect.severity(wear) > 0);
    for (let n = 0; n < samples; n += 1) {
      let g = this.#machine.next();
      for (const defect of active) g += defect.next(this.#machine.revolutions, wear);
      out[n] = g;
    }
    this.#samples += samples;
    this.#ageSamples += samples;
    return out;
  }

  /** Replaces the bearing now (maintenance): wear returns to 0, and the new one differs a bit. */
  replaceBearing(): void {
    this.#fitBearing();
  }

  #fitBearing(): void {
    this.#bearing += 1;
    this.#ageSamples = 0;
    this.#defects = this.#plans.map(
      (plan) =>
        new Defect(plan, {
          rng: this.#rng,
          sampleRateHz: this.sampleRateHz,
          orders: this.orders,
          slip: this.#slip,
        }),
    );
  }
}

function checkPlans(plans: readonly FaultPlan[], sampleRateHz: number): readonly FaultPlan[] {
  const kinds = new Set<DefectKind>();
  for (const plan of plans) {
    if (!['outer-race', 'inner-race', 'element', 'cage'].includes(plan.kind)) {
      throw new RangeError(`faults: unknown kind ${String(plan.kind)}`);
    }
    if (kinds.has(plan.kind)) throw new RangeError(`faults: ${plan.kind} is planned twice`);
    kinds.add(plan.kind);
    within(`${plan.kind}.onset`, plan.onset, 0, 1);
    within(`${plan.kind}.peakG`, plan.peakG, 0, 1000);
    within(`${plan.kind}.jump`, plan.jump, 0, 1);
    // Unit to unit the resonance moves by up to 5 %: it must stay below half the sample rate.
    within(`${plan.kind}.resonanceHz`, plan.resonanceHz, 100, 0.47 * sampleRateHz);
  }
  return [...plans].sort((a, b) => a.onset - b.onset);
}

function within(name: string, value: number, low: number, high: number): number {
  if (!(value >= low && value <= high)) {
    throw new RangeError(`${name} is ${value}: give a number from ${low} to ${high}`);
  }
  return value;
}
