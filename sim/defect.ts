import type { FaultOrders } from './geometry.js';
import { Resonator } from './resonator.js';
import type { Rng } from './rng.js';

/** Where a bearing is damaged. `element` is a ball or roller. */
export type DefectKind = 'outer-race' | 'inner-race' | 'element' | 'cage';

/** What a defect needs to know of its bearing. */
export interface DefectSetting {
  readonly rng: Rng;
  readonly sampleRateHz: number;
  readonly orders: FaultOrders;
  readonly slip: number;
}

/** What a defect needs of its FaultPlan. */
export interface DefectPlan {
  readonly kind: DefectKind;
  readonly onset: number;
  readonly peakG: number;
  readonly jump: number;
  readonly resonanceHz: number;
}

/** A ring dies away in about 1.1 ms, 4.5 % of critical damping at 3.2 kHz: usual for housings. */
const DECAY_PER_S = 900;

/** Load distribution factor of Stribeck: 0.4 loads a bit less than the lower half. */
const LOAD_FACTOR = 0.4;

/** Impacts differ from each other: debris, lubricant film. Standard deviation of the peak. */
const PEAK_SCATTER = 0.1;

/** Bearings differ from each other: peak by 10 %, resonance by 2 %, onset by 0.02 of the life. */
const UNIT_PEAK = 0.1;
const UNIT_RESONANCE = 0.02;
const UNIT_ONSET = 0.02;

/** One defect of one bearing: impacts by shaft angle, with slip, load and a ringing structure. */
export class Defect {
  readonly kind: DefectKind;
  readonly #rng: Rng;
  readonly #plan: DefectPlan;
  readonly #onset: number;
  readonly #peak: number;
  readonly #resonator: Resonator;
  readonly #step: number;
  readonly #slip: number;
  readonly #loadOrder: number;
  #nextAt = Number.NaN;

  constructor(plan: DefectPlan, setting: DefectSetting) {
    const { rng, orders } = setting;
    this.kind = plan.kind;
    this.#rng = rng;
    this.#plan = plan;
    this.#slip = setting.slip;
    this.#peak = plan.peakG * Math.exp(UNIT_PEAK * clipped(rng));
    // A plan that starts damaged (onset 0) or never quite starts (onset 1) keeps its word.
    const shift = plan.onset > 0 && plan.onset < 1 ? UNIT_ONSET * clipped(rng) : 0;
    this.#onset = Math.min(1, Math.max(0, plan.onset + shift));
    const hz = plan.resonanceHz * (1 + UNIT_RESONANCE * clipped(rng));
    this.#resonator = new Resonator(hz, DECAY_PER_S, setting.sampleRateHz);
    this.#step = 1 / strikesPerTurn(plan.kind, orders);
    this.#loadOrder = loadOrder(plan.kind, orders);
  }

  /** Size of the defect at a wear of 0..1: 0 before onset, then `jump` growing linearly to 1. */
  severity(wear: number): number {
    if (wear < this.#onset) return 0;
    const grown = this.#onset < 1 ? (wear - this.#onset) / (1 - this.#onset) : 1;
    return this.#plan.jump + (1 - this.#plan.jump) * grown;
  }

  /** Acceleration in g at the sample where the shaft has made `revolutions` turns. */
  next(revolutions: number, wear: number): number {
    if (Number.isNaN(this.#nextAt)) {
      this.#nextAt = revolutions + this.#step * this.#rng.uniform();
    }
    let force = 0;
    while (revolutions >= this.#nextAt) {
      const scatter = Math.max(0, 1 + PEAK_SCATTER * this.#rng.normal());
      force += this.#peak * this.severity(wear) * scatter * this.#load(this.#nextAt);
      // Slip adds up from impact to impact: the train forgets its phase, as real ones do.
      this.#nextAt += this.#step * Math.max(0.1, 1 + this.#slip * this.#rng.normal());
    }
    return this.#resonator.next(force);
  }

  /** Stribeck's distribution, 0..1, at the angle where the defect is when it strikes. */
  #load(revolutions: number): number {
    if (this.#loadOrder === 0) return 1;
    const angle = 2 * Math.PI * this.#loadOrder * revolutions;
    const share = 1 - (1 - Math.cos(angle)) / (2 * LOAD_FACTOR);
    return share <= 0 ? 0 : share ** 1.5;
  }
}

function strikesPerTurn(kind: DefectKind, orders: FaultOrders): number {
  switch (kind) {
    case 'outer-race':
      return orders.bpfo;
    case 'inner-race':
      return orders.bpfi;
    case 'element':
      return 2 * orders.bsf;
    case 'cage':
      return orders.ftf;
  }
}

/** Turns of the defect through the load zone a turn of the shaft: the outer ring stands still in
 * it, the inner turns with the shaft, elements travel with the cage. */
function loadOrder(kind: DefectKind, orders: FaultOrders): number {
  if (kind === 'inner-race') return 1;
  return kind === 'element' ? orders.ftf : 0;
}

/** Normal, but at most 2.5 away from 0, so that no unit leaves the ranges that were checked. */
function clipped(rng: Rng): number {
  return Math.min(2.5, Math.max(-2.5, rng.normal()));
}
