// A simulated bearing's embeddings as load: the same seed makes the same records.

import { VibrationEmbedder } from '../../sensors/index.js';
import { BearingSimulator } from '../../sim/index.js';
import type { HostBroker } from './host_broker.js';
import type { Ledger } from './ledger.js';
import type { HilWorld } from './world.js';

/** How often a full window of unacknowledged records is looked at again. */
const LOOK_MS = 2;

export class Bearing {
  readonly #simulator: BearingSimulator;
  readonly #embedder: VibrationEmbedder;

  constructor(seed: number, dimensions: number) {
    this.#simulator = new BearingSimulator({ seed });
    this.#embedder = new VibrationEmbedder({
      sampleRateHz: this.#simulator.sampleRateHz,
      dimensions,
    });
  }

  next(): Float32Array {
    return this.#embedder.embed(this.#simulator.nextWindow(this.#embedder.windowSamples));
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

export interface LoadOptions {
  /** Records to send; 0: until stop(). */
  readonly count: number;
  /** Records a second; 0: as fast as they are acknowledged. */
  readonly rate: number;
  readonly inFlight: number;
}

/** The sender of one scenario. Sequence numbers go on over all its loads: a record is sent once. */
export class Sender {
  readonly #world: HilWorld;
  readonly #broker: HostBroker;
  readonly #ledger: Ledger;
  readonly #bearing: Bearing;
  readonly #boot: number;
  #sequence = 0;
  #stopped = true;
  #running: Promise<void> = Promise.resolve();

  constructor(
    world: HilWorld,
    broker: HostBroker,
    ledger: Ledger,
    options: { seed: number; dimensions: number },
  ) {
    this.#world = world;
    this.#broker = broker;
    this.#ledger = ledger;
    this.#bearing = new Bearing(options.seed, options.dimensions);
    this.#boot = options.seed;
  }

  /** Sends in the background; resolves when all is sent, acknowledged or not. */
  start(options: LoadOptions): Promise<void> {
    this.#stopped = false;
    this.#running = this.#running.then(() => this.#send(options));
    return this.#running;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  async #send({ count, rate, inFlight }: LoadOptions): Promise<void> {
    const startedAt = this.#world.monotonic();
    for (let made = 0; (count === 0 || made < count) && !this.#stopped; made++) {
      const due = rate === 0 ? 0 : startedAt + (made * 1000) / rate;
      const early = due - this.#world.monotonic();
      if (early > 0) await this.#world.sleep(early);
      while (this.#ledger.inFlight >= inFlight && !this.#stopped) await this.#world.sleep(LOOK_MS);
      if (this.#stopped) return;
      const sequence = this.#sequence++;
      const vector = this.#bearing.next();
      this.#ledger.send({ sequence, vector });
      this.#broker.publish(sequence, this.#boot, vector, this.#world.now());
      // Acknowledgements that came meanwhile are looked at now: their moment counts.
      await nextTurn();
    }
  }
}
