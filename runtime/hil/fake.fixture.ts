// A machine of pure JavaScript: it says what it is told to, joins the broker, stores what it
// acknowledges (or, broken on purpose, does not), and loses power when asked.

import mqtt, { type MqttClient } from 'mqtt';

import { decodeIngest, decodeQuery, encodeReply } from '../ingest/body/index.js';
import { ConsoleLog } from './console_log.js';
import type { BulkChannel, Machine, StartOptions } from './machine.js';
import type { Need } from './scenario.js';
import type { HilWorld } from './world.js';

export interface FakeFaults {
  /** Records are kept in volatile memory and acknowledged all the same. */
  readonly forgets?: boolean;
  /** It acknowledges no more than so many records. */
  readonly deafAfter?: number;
  /** One bit of what comes back on the bulk channel is wrong. */
  readonly flipsBulk?: boolean;
}

/** Time passes only in steps of the event loop; a wait never ends by its clock unless `late`. */
export function fakeWorld(said: string[] = [], late = false): HilWorld {
  let now = 0;
  return {
    now: () => 1_700_000_000_000,
    monotonic: () => now++,
    sleep: () => new Promise((resolve) => setImmediate(resolve)),
    after: (_ms, run) => {
      if (!late) return () => undefined;
      const timer = setImmediate(run);
      return () => clearImmediate(timer);
    },
    openStore: () => Promise.reject(new Error('the fake has no disk')),
    checkStore: () => Promise.reject(new Error('the fake has no disk')),
    say: (line) => void said.push(line),
  };
}

export class FakeMachine implements Machine {
  readonly console = new ConsoleLog();
  readonly offers: ReadonlySet<Need>;
  readonly diskFile = null;
  readonly blockLog = null;
  readonly bulk: BulkChannel;
  readonly starts: StartOptions[] = [];
  readonly typed: string[] = [];
  closed = 0;
  readonly #faults: FakeFaults;
  readonly #durable = new Map<number, Float32Array>();
  #volatile = new Map<number, Float32Array>();
  #client: MqttClient | null = null;
  #listeners: ((bytes: Buffer) => void)[] = [];
  #end: () => void = () => undefined;
  #ended: Promise<void> = Promise.resolve();

  constructor(faults: FakeFaults = {}, offers: readonly Need[] = ['bulk']) {
    this.#faults = faults;
    this.offers = new Set(offers);
    this.bulk = {
      write: async (bytes) => this.#echo(Buffer.from(bytes)),
      listen: (take) => {
        this.#listeners.push(take);
        return () => {
          this.#listeners = this.#listeners.filter((one) => one !== take);
        };
      },
    };
  }

  async start(options: StartOptions): Promise<void> {
    this.starts.push(options);
    this.#ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    this.say('booting\n');
    const url = /rve\.broker=mqtt:\/\/[^:]*:(\d+)/.exec(options.append);
    if (url !== null) this.#join(`mqtt://127.0.0.1:${url[1]}`);
    this.say('up 1.25 s\n');
  }

  /** Records that it has stored so far. */
  get stored(): number {
    return this.#durable.size;
  }

  say(text: string): void {
    this.console.push(Buffer.from(text));
  }

  type(text: string): void {
    this.typed.push(text);
    if (text === 'poweroff\n') {
      this.#off();
      this.#end();
      this.console.end('the machine is off');
    }
  }

  async cut(): Promise<void> {
    this.#off();
  }

  async ended(): Promise<void> {
    await this.#ended;
  }

  async close(): Promise<void> {
    this.closed++;
    this.#off();
  }

  #off(): void {
    this.#client?.stream.destroy();
    this.#client?.end(true);
    this.#client = null;
    this.#volatile = new Map(this.#durable);
  }

  #join(url: string): void {
    const client = mqtt.connect(url, { clientId: 'fake', clean: false, reconnectPeriod: 0 });
    this.#client = client;
    client.on('error', () => undefined);
    const topics = ['rve/edge/ingest/+', 'rve/edge/query'];
    client.on('connect', () => client.subscribe(topics, { qos: 1 }));
    client.handleMessage = (packet, done) => {
      void this.#take(client, packet.topic, packet.payload as Buffer).then((acknowledge) => {
        if (acknowledge) done();
      });
    };
  }

  async #take(client: MqttClient, topic: string, body: Buffer): Promise<boolean> {
    if (topic.endsWith('/query')) {
      const query = await decodeQuery(body, { dimensions: 128 });
      const scores = [...this.#volatile.values()].map((vector) => dot(vector, query.vector));
      const best = scores.length === 0 ? [] : [Math.max(...scores)];
      const ids = best.map((score) => scores.indexOf(score));
      const { correlation } = query;
      const reply = { ids, scores: best, latencyUs: 7, degraded: false };
      client.publish(
        query.replyTo ?? '',
        encodeReply({ ...(correlation === undefined ? {} : { correlation }), ...reply }, 'cbor'),
      );
      return true;
    }
    if (this.#durable.size >= (this.#faults.deafAfter ?? Infinity)) return false;
    const { sequence, vectors } = await decodeIngest(body, { dimensions: 128 });
    this.#volatile.set(sequence ?? -1, vectors);
    if (this.#faults.forgets !== true) this.#durable.set(sequence ?? -1, vectors);
    return true;
  }

  #echo(bytes: Buffer): void {
    if (this.#faults.flipsBulk === true) bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    for (const take of this.#listeners) {
      take(bytes.subarray(0, 5));
      take(bytes.subarray(5));
    }
  }
}

function dot(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, i) => sum + value * (b[i] ?? 0), 0);
}
