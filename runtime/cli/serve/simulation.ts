// A machine that is not there: a bearing that wears out, seen by an accelerometer, published like
// any sensor.

import { VibrationEmbedder } from '../../../sensors/index.js';
import { BearingSimulator } from '../../../sim/index.js';
import type { SimConfig } from '../../config/index.js';
import type { Reading } from '../publisher.js';

/** A process that was stopped for a while catches up by at most one second of windows a tick. */
const CATCH_UP_S_MAX = 1;
/** Timers of Node do not tick finer. */
const TICK_MS_MIN = 10;

export interface SimulationOptions {
  readonly config: SimConfig;
  readonly dimensions: number;
  /** Chosen anew at each start: with source and sequence the key of dedupe. */
  readonly boot: number;
  /** Where the last run stopped, 0..1, so that a restart goes on with the same bearing. */
  readonly initialWear: number;
  readonly every: (ms: number, tick: () => void) => () => void;
  readonly monotonic: () => number;
  readonly now: () => number;
  readonly publish: (reading: Reading) => Promise<void>;
  readonly onError: (error: unknown) => void;
  /** A bearing failed, and a new one was fitted. */
  readonly onReplaced: (bearing: number) => void;
}

export class Simulation {
  readonly #options: SimulationOptions;
  readonly #simulator: BearingSimulator;
  readonly #embedder: VibrationEmbedder;
  readonly #startedAt: number;
  readonly #stopTicks: () => void;
  #made = 0;
  #sequence = 0;
  #running: Promise<void> | null = null;
  #stopped = false;

  constructor(options: SimulationOptions) {
    const { config, initialWear } = options;
    this.#options = options;
    // Another boot is another stretch of the machine's life: the same samples again would be no
    // news.
    const seed = (config.seed ^ options.boot) >>> 0;
    this.#simulator = new BearingSimulator({ seed, lifeS: config.lifeS, initialWear });
    this.#embedder = new VibrationEmbedder({
      sampleRateHz: this.#simulator.sampleRateHz,
      dimensions: options.dimensions,
    });
    this.#startedAt = options.monotonic();
    this.#stopTicks = options.every(Math.max(TICK_MS_MIN, 1000 / config.windowsPerS), () =>
      this.#tick(),
    );
  }

  /** Share of the present bearing's life that is over, 0..1. */
  get wear(): number {
    return this.#simulator.wear;
  }

  get stage(): string {
    return this.#simulator.stage;
  }

  /** Resolves when the windows of the last tick are handed over. */
  async idle(): Promise<void> {
    await this.#running;
  }

  /** Makes no further windows. Resolves when the last one is handed over. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#stopTicks();
    await this.#running;
  }

  #tick(): void {
    if (this.#running !== null || this.#stopped) return;
    this.#running = this.#catchUp()
      .catch((error: unknown) => this.#options.onError(error))
      .finally(() => {
        this.#running = null;
      });
  }

  async #catchUp(): Promise<void> {
    const { config, monotonic } = this.#options;
    const due = Math.floor(((monotonic() - this.#startedAt) / 1000) * config.windowsPerS);
    const most = Math.max(1, Math.floor(CATCH_UP_S_MAX * config.windowsPerS));
    this.#made = Math.max(this.#made, due - most);
    while (this.#made < due && !this.#stopped) {
      this.#made++;
      await this.#publishWindow();
    }
  }

  async #publishWindow(): Promise<void> {
    const { config, boot, now, publish, onReplaced } = this.#options;
    const { bearing } = this.#simulator;
    const window = this.#simulator.nextWindow(this.#embedder.windowSamples);
    if (this.#simulator.bearing !== bearing) onReplaced(this.#simulator.bearing);
    await publish({
      source: config.source,
      vector: this.#embedder.embed(window),
      boot,
      sequence: this.#sequence++,
      timeMs: now(),
      label: this.#simulator.stage,
      payload: { wear: this.#simulator.wear, faults: this.#simulator.faultNames },
    });
  }
}
