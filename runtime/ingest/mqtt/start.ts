import { RveError } from '../../errors/index.js';
import { Broker } from './broker.js';
import { ClientSession, statusBody } from './client.js';
import { Intake } from './intake.js';
import { DEFAULT_LIMITS, type MqttLimits } from './limits.js';
import { Topics } from './topics.js';
import type {
  BrokerOptions,
  ClientOptions,
  Log,
  MemoryDoor,
  MqttStats,
  StoredEvent,
  Timers,
} from './types.js';

export interface MqttOptions {
  memory: MemoryDoor;
  /** Floats per vector of that memory. */
  dimensions: number;
  /** The <node> of rve/<node>/...: 1 to 64 of A-Z a-z 0-9 _ -. */
  node: string;
  /** Exactly one of broker (embedded) and client (a broker elsewhere). */
  broker?: BrokerOptions;
  client?: ClientOptions;
  limits?: Partial<MqttLimits>;
  log?: Log;
  clock: { now(): number };
  timers: Timers;
  /** Uniform in [0, 1); spreads reconnects. Client mode needs it. */
  random?: () => number;
  /** Called for each message once it is durable, before its acknowledgement is written. */
  onStored?: (event: StoredEvent) => void;
  /** The memory takes no more (latched, closed): connections close without acknowledgements. */
  onFailed?: (code: string) => void;
}

export interface PublishOptions {
  /** Default false. */
  retain?: boolean;
  /** Default 0. At 1 in client mode, the promise waits for the broker's acknowledgement. */
  qos?: 0 | 1;
}

export interface MqttIngest {
  /** Of the embedded broker; 0 in client mode. */
  readonly port: number;
  /** Publishes to rve/<node>/<suffix>: 'event/novelty', 'event/alarm', 'status', ... */
  publish(
    suffix: string,
    body: Uint8Array | string | object,
    options?: PublishOptions,
  ): Promise<void>;
  /** A copy of the counters. */
  stats(): MqttStats;
  /** Takes no more messages, acknowledges what is in flight once durable, closes. Idempotent. */
  stop(): Promise<void>;
}

const SILENT: Log = { info: () => {}, warn: () => {} };

/**
 * Opens an MQTT door to a memory. Messages to rve/<node>/ingest/<source> are acknowledged (PUBACK,
 * PUBREC) when their records are durable. Errors: ERR_CONFIG, ERR_MQTT.
 */
export async function startMqtt(options: MqttOptions): Promise<MqttIngest> {
  if ((options.broker === undefined) === (options.client === undefined)) {
    throw new RveError('ERR_CONFIG', 'give either broker or client');
  }
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const topics = new Topics(options.node, limits);
  const stats: MqttStats = {
    received: 0,
    acked: 0,
    stored: 0,
    duplicates: 0,
    refused: 0,
    queries: 0,
    inFlight: 0,
    bytesInFlight: 0,
    connections: 0,
    dropped: 0,
    failed: null,
  };
  const intake = new Intake({
    memory: options.memory,
    dimensions: options.dimensions,
    limits,
    topics,
    stats,
    now: () => options.clock.now(),
    timers: options.timers,
    log: options.log ?? SILENT,
    onStored: options.onStored,
    onFailed: options.onFailed,
  });
  let port = 0;
  let mode: Broker | ClientSession;
  if (options.broker !== undefined) {
    mode = new Broker(intake, options.broker);
    port = await mode.start();
    await mode.publish(topics.of('status'), statusBody('online'), 0, true);
  } else {
    if (options.random === undefined) throw new RveError('ERR_CONFIG', 'client mode needs random');
    const clientId = options.client!.clientId || `rve-${options.node}`;
    mode = new ClientSession(intake, options.client!, clientId, options.random);
    await mode.start();
  }
  return doorOf(mode, port, topics, stats);
}

function doorOf(
  mode: Broker | ClientSession,
  port: number,
  topics: Topics,
  stats: MqttStats,
): MqttIngest {
  let stopped: Promise<void> | null = null;
  return {
    port,
    publish: async (suffix, body, { retain = false, qos = 0 } = {}) => {
      await mode.publish(topics.of(suffix), bytesOf(body), qos, retain);
    },
    stats: () => ({ ...stats }),
    stop: async () => {
      stopped ??= mode.stop();
      await stopped;
    },
  };
}

function bytesOf(body: Uint8Array | string | object): Buffer {
  if (body instanceof Uint8Array) return Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  return Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
}
