import type { Rng } from './rng.js';
import { Resonator } from './resonator.js';

/** Amplitudes of a healthy machine, in g: together about 0.11 g rms. */
const SHAFT_G = [0.04, 0.02, 0.01] as const; // Imbalance, misalignment, looseness: 1x, 2x, 3x.
const MESH_G = [0.07, 0.03] as const; // Gear mesh and its second harmonic.
const NOISE_G = 0.05; // Sensor and flow noise, white.
const CASING_G = 0.03; // Rms of the casing mode, rung by flow.
const GEAR_TEETH = 23; // Prime, so no line of the mesh falls on one of the bearing.
const MESH_MODULATION = 0.2; // Eccentric gear: the mesh swells once a turn.
const CASING_HZ = 1100;
const CASING_DECAY_PER_S = 500;

/** Speed wander: 0.5 % standard deviation, forgetting over 4 s; load: 5 % over 10 s. */
const SPEED_WANDER = 0.005;
const SPEED_WANDER_S = 4;
const LOAD_WANDER = 0.05;
const LOAD_WANDER_S = 10;

/** The healthy part: a shaft whose speed wanders, with its harmonics, a gear, a casing, noise. */
export class Machine {
  readonly #rng: Rng;
  readonly #sampleRateHz: number;
  readonly #meanHz: number;
  readonly #casing: Resonator;
  readonly #casingGain: number;
  readonly #phases: readonly number[];
  #speed = 0;
  #load = 0;
  #revolutions = 0;

  constructor(rng: Rng, sampleRateHz: number, shaftHz: number) {
    this.#rng = rng;
    this.#sampleRateHz = sampleRateHz;
    this.#meanHz = shaftHz;
    this.#casing = new Resonator(CASING_HZ, CASING_DECAY_PER_S, sampleRateHz);
    // Energy of exp(-ct)·sin is 1/(4c): white force of variance v gives variance v·rate/(4c).
    this.#casingGain = CASING_G / Math.sqrt(sampleRateHz / (4 * CASING_DECAY_PER_S));
    this.#phases = Array.from({ length: SHAFT_G.length + MESH_G.length }, () => rng.uniform());
  }

  get shaftHz(): number {
    return this.#meanHz * (1 + this.#speed);
  }

  /** Turns of the shaft since the start: the angle that all else follows. */
  get revolutions(): number {
    return this.#revolutions;
  }

  /** Advances one sample; returns acceleration in g. */
  next(): number {
    this.#speed = this.#wander(this.#speed, SPEED_WANDER, SPEED_WANDER_S);
    this.#load = this.#wander(this.#load, LOAD_WANDER, LOAD_WANDER_S);
    this.#revolutions += this.shaftHz / this.#sampleRateHz;
    const turn = this.#revolutions;
    let g = NOISE_G * this.#rng.normal();
    g += this.#casing.next(this.#casingGain * this.#rng.normal());
    for (let h = 0; h < SHAFT_G.length; h += 1) {
      g += SHAFT_G[h]! * sine((h + 1) * turn + this.#phases[h]!);
    }
    const swell = (1 + this.#load) * (1 + MESH_MODULATION * sine(turn));
    for (let h = 0; h < MESH_G.length; h += 1) {
      const phase = this.#phases[SHAFT_G.length + h]!;
      g += swell * MESH_G[h]! * sine((h + 1) * GEAR_TEETH * turn + phase);
    }
    return g;
  }

  /** One step of an Ornstein-Uhlenbeck process in its exact discrete form. */
  #wander(value: number, deviation: number, memoryS: number): number {
    const keep = Math.exp(-1 / (memoryS * this.#sampleRateHz));
    return keep * value + deviation * Math.sqrt(1 - keep * keep) * this.#rng.normal();
  }
}

function sine(turns: number): number {
  return Math.sin(2 * Math.PI * (turns - Math.floor(turns)));
}
