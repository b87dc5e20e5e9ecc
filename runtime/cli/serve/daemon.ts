// `rve serve`: broker, memory, novelty, side door, status line and, if asked for, a simulated
// machine, started in this order and stopped in the reverse one.

import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';

import pino, { type Logger } from 'pino';

import type { Config } from '../../config/index.js';
import type { NoveltyEvent } from '../../detect/index.js';
import type { MqttIngest, StoredEvent } from '../../ingest/mqtt/index.js';
import type { CliContext, Store, StoreStats } from '../context.js';
import { answer } from '../ops.js';
import { Publisher } from '../publisher.js';
import { count, describe, EXIT, print, printJson, type ExitCode } from '../report.js';
import { startSocketServer } from '../socket/index.js';
import { Latencies } from './latencies.js';
import { startBroker } from './mqtt.js';
import { NoveltyWatch } from './novelty_watch.js';
import { openOptionsOf } from './open_options.js';
import { SelfQuery } from './self_query.js';
import { Simulation } from './simulation.js';
import { STATUS_LEGEND, statusLine, statusOf } from './status.js';

/** How long a stopping simulation waits for its last acknowledgements. */
const DRAIN_MS_MAX = 5000;

export interface DaemonOptions {
  readonly config: Config;
  /** Status and events as JSON lines on stdout. */
  readonly json: boolean;
}

/**
 * Runs until a signal, or until the memory can store no more. Resolves once all is stopped and
 * closed.
 */
export async function runDaemon(context: CliContext, options: DaemonOptions): Promise<ExitCode> {
  const daemon = new Daemon(context, options);
  try {
    await daemon.start();
    return await daemon.stopped();
  } finally {
    await daemon.stop();
  }
}

class Daemon {
  readonly #context: CliContext;
  readonly #config: Config;
  readonly #json: boolean;
  readonly #log: Logger;
  readonly #latencies = new Latencies();
  /** What has been started, to be stopped in the reverse order. */
  readonly #stops: (() => Promise<void> | void)[] = [];
  readonly #end: Promise<ExitCode>;
  #finish: (code: ExitCode) => void = () => undefined;
  #stopping = false;
  #store: Store | null = null;
  #mqtt: MqttIngest | null = null;
  #novelty: NoveltyWatch | null = null;
  #selfQuery: SelfQuery | null = null;
  #simulation: Simulation | null = null;
  #stored = 0;
  #statusAt = 0;

  constructor(context: CliContext, { config, json }: DaemonOptions) {
    this.#context = context;
    this.#config = config;
    this.#json = json;
    this.#log = pino(
      { level: config.log.level, base: { node: config.node } },
      { write: (line: string) => void context.stderr.write(line) },
    );
    this.#end = new Promise((resolve) => {
      this.#finish = resolve;
    });
  }

  async start(): Promise<void> {
    const ignore = this.#context.onStop((cause) => this.#onStop(cause));
    this.#stops.push(ignore);
    const store = await this.#openStore();
    const stats = store.stats();
    this.#startWatching(store, stats);
    const url = await this.#startMqtt(store);
    await this.#startSocket(store, stats.path);
    if (this.#config.sim.kind === 'bearing') await this.#startSimulation(store, stats, url);
    this.#statusAt = this.#context.monotonic();
    this.#stops.push(
      this.#context.every(this.#config.serve.statusIntervalMs, () => this.#status()),
    );
    await this.#say({ event: 'ready', url }, `Ready. Ctrl-C stops. ${STATUS_LEGEND}`);
  }

  stopped(): Promise<ExitCode> {
    return this.#end;
  }

  /** Stops what was started, in the reverse order; goes on when one part fails to stop. */
  async stop(): Promise<void> {
    this.#stopping = true;
    for (let stop = this.#stops.pop(); stop !== undefined; stop = this.#stops.pop()) {
      try {
        await stop();
      } catch (error) {
        this.#log.error(describe(error), 'stopping');
      }
    }
  }

  #onStop(cause: string): void {
    if (this.#stopping) {
      this.#context.exitNow(130);
      return;
    }
    this.#stopping = true;
    this.#log.info({ cause }, 'stopping');
    void this.#say({ event: 'stopping', cause }, `${cause}: stopping. Once more leaves at once.`);
    this.#finish(EXIT.fine);
  }

  async #openStore(): Promise<Store> {
    const { memory } = this.#config;
    await mkdir(dirname(memory.path), { recursive: true });
    const startedAt = this.#context.monotonic();
    const store = await this.#context.stores.open(memory.path, openOptionsOf(this.#config));
    this.#store = store;
    this.#stops.push(async () => {
      const { live, durableLsn } = store.stats();
      await store.close();
      await this.#say(
        { event: 'stopped', records: live, durableLsn },
        `Stopped: ${count(live)} records in ${memory.path}.`,
      );
    });
    const ms = this.#context.monotonic() - startedAt;
    const { live, dimensions: dims, metric } = store.stats();
    await this.#say(
      { event: 'opened', path: memory.path, records: live, dimensions: dims, metric, ms },
      `Memory ${memory.path}: opened ${count(live)} records ` +
        `(${dims} dimensions, ${metric}) in ${ms.toFixed(0)} ms.`,
    );
    return store;
  }

  #startWatching(store: Store, stats: StoreStats): void {
    const { serve } = this.#config;
    const { monotonic, every, random32 } = this.#context;
    const onError = (error: unknown): void => {
      if (!this.#stopping) this.#log.warn(describe(error), 'query');
    };
    this.#selfQuery = new SelfQuery({
      store,
      perS: serve.selfQueryPerS,
      every,
      monotonic,
      random32,
      latencies: this.#latencies,
      onError,
    });
    this.#stops.push(() => this.#selfQuery?.stop());
    if (!serve.novelty) return;
    if (stats.metric === 'ip') {
      this.#log.warn('novelty needs a distance; ip is none. It is off.');
      return;
    }
    this.#novelty = new NoveltyWatch({
      store,
      metric: stats.metric as 'cosine' | 'l2',
      monotonic,
      latencies: this.#latencies,
      onError,
      onEvent: (event) => this.#onNovelty(event),
    });
    this.#stops.push(() => this.#novelty?.stop());
  }

  async #startMqtt(store: Store): Promise<string> {
    const config = this.#config;
    const broker = await startBroker({
      memory: store,
      config,
      context: this.#context,
      log: this.#log,
      onStored: (event) => this.#onStored(event),
      onFailed: (code) => this.#fail(code),
    });
    this.#mqtt = broker.mqtt;
    this.#stops.push(() => broker.mqtt.stop());
    if (broker.instead !== null) {
      await this.#say(
        { event: 'port', wanted: config.mqtt.port, port: broker.instead },
        `Port ${config.mqtt.port} is taken: the broker listens on ${broker.instead} instead.`,
      );
    }
    await this.#say(
      { event: 'mqtt', url: broker.url, node: config.node },
      `MQTT ${broker.url}: publish to rve/${config.node}/ingest/<source>, ` +
        `ask through rve/${config.node}/query.`,
    );
    return broker.url;
  }

  async #startSocket(store: Store, path: string): Promise<void> {
    if (!this.#config.serve.socket) return;
    const server = await startSocketServer({
      storePath: path,
      pid: this.#context.pid,
      answer: (op, params) => answer(store, op, params),
    });
    this.#stops.push(() => server.stop());
  }

  async #startSimulation(store: Store, stats: StoreStats, url: string): Promise<void> {
    const { sim, node } = this.#config;
    const publisher = await Publisher.connect({ url, node });
    const initialWear = await lastWear(store, stats, sim.source);
    const { every, monotonic, sleep, clock, random32 } = this.#context;
    const simulation = new Simulation({
      config: sim,
      dimensions: stats.dimensions,
      boot: random32(),
      initialWear,
      every,
      monotonic,
      now: () => clock.now(),
      publish: (reading) => publisher.publish(reading),
      onError: (error) => this.#log.error(describe(error), 'simulation'),
      onReplaced: (bearing) =>
        void this.#say(
          { event: 'replaced', bearing },
          `The bearing has failed and was replaced (number ${bearing} of this run).`,
        ),
    });
    this.#simulation = simulation;
    this.#stops.push(async () => {
      await simulation.stop();
      await Promise.race([publisher.drain(), sleep(DRAIN_MS_MAX)]);
      await publisher.close(publisher.acknowledged < publisher.sent);
    });
    await this.#say(
      { event: 'simulation', source: sim.source, wear: initialWear },
      `Simulated bearing "${sim.source}": ${sim.windowsPerS} windows/s, ` +
        `wear ${(initialWear * 100).toFixed(0)} %.`,
    );
  }

  #onStored(event: StoredEvent): void {
    const dimensions = event.vectors.length / Math.max(1, event.ids.length);
    event.ids.forEach((id, row) => {
      if (id === -1) return;
      this.#stored++;
      const vector = event.vectors.subarray(row * dimensions, (row + 1) * dimensions);
      this.#selfQuery?.remember(vector);
      this.#novelty?.observe({
        source: event.source,
        id,
        vector,
        timeMs: event.times[row] ?? this.#context.clock.now(),
      });
    });
  }

  #onNovelty(event: NoveltyEvent): void {
    const { source, score, threshold, nearestId, timeMs, first } = event;
    const body = { source, score, threshold, nearestId, t: timeMs, first };
    this.#mqtt
      ?.publish('event/novelty', body, { retain: false, qos: 0 })
      .catch((error: unknown) => {
        this.#log.warn(describe(error), 'novelty event');
      });
    void this.#say(
      { event: 'novelty', ...body },
      `NOVELTY ${source}: distance ${score.toFixed(3)} ` +
        `above ${threshold.toFixed(3)}${first ? '' : ', still'}; nearest is id ${nearestId}.`,
    );
  }

  #status(): void {
    const store = this.#store;
    if (store === null || this.#stopping) return;
    const now = this.#context.monotonic();
    const stats = store.stats();
    const simulation = this.#simulation;
    const status = statusOf({
      stats,
      stored: this.#stored,
      elapsedMs: now - this.#statusAt,
      p50Ms: this.#latencies.percentile(0.5),
      p99Ms: this.#latencies.percentile(0.99),
      residentBytes: this.#context.residentBytes(),
      sim: simulation === null ? null : { wear: simulation.wear, stage: simulation.stage },
    });
    this.#stored = 0;
    this.#statusAt = now;
    void this.#say({ event: 'status', ...status }, statusLine(status));
    if (stats.latched) this.#fail('ERR_LATCHED');
  }

  /**
   * The memory takes no more: a new start is needed to tell what the device holds (STORAGE.md R9).
   */
  #fail(code: string): void {
    if (this.#stopping) return;
    this.#stopping = true;
    this.#log.fatal({ code }, 'the memory stores no more; stopping');
    void this.#say({ event: 'failed', code }, `The memory stores no more (${code}): stopping.`);
    this.#finish(EXIT.failed);
  }

  async #say(event: Record<string, unknown>, text: string): Promise<void> {
    if (this.#json) await printJson(this.#context.stdout, event);
    else await print(this.#context.stdout, `${text}\n`);
  }
}

/**
 * Wear of the newest record of the simulated bearing: the run goes on where the last one stopped.
 */
async function lastWear(store: Store, stats: StoreStats, source: string): Promise<number> {
  if (stats.nextId === 0) return 0;
  const last = (await store.get([stats.nextId - 1]))[0];
  if (last === null || last === undefined || last.source !== source) return 0;
  const wear = (last.payload as { wear?: unknown } | null)?.wear;
  return typeof wear === 'number' && wear >= 0 && wear < 1 ? wear : 0;
}
