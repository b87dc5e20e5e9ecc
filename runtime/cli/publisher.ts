// A sensor's end of MQTT, on the stock client: CBOR bodies at QoS 1, with a bound on what is not
// acknowledged. The simulation and `rve replay` use it, so that what they send takes the way of any
// other sensor.

import { connectAsync, type MqttClient } from 'mqtt';

import { RveError } from '../errors/index.js';
import { encodeIngestCbor } from '../ingest/body/index.js';

/** Fills a group at every sync; the receiving end allows 200 in flight. */
const IN_FLIGHT_MAX = 100;
const CONNECT_MS_MAX = 10_000;

export interface PublisherOptions {
  /** mqtt:// or mqtts:// URL of the broker. */
  readonly url: string;
  readonly node: string;
  readonly username?: string;
  readonly password?: string;
  readonly inFlightMax?: number;
}

export interface Reading {
  readonly source: string;
  readonly vector: Float32Array;
  readonly boot: number;
  readonly sequence: number;
  readonly timeMs: number;
  readonly label?: string;
  readonly payload?: unknown;
}

export class Publisher {
  readonly #client: MqttClient;
  readonly #node: string;
  readonly #inFlightMax: number;
  readonly #inFlight = new Set<Promise<void>>();
  #failure: Error | null = null;
  /** Messages sent, and those that the broker acknowledged: stored and durable. */
  sent = 0;
  acknowledged = 0;

  private constructor(client: MqttClient, options: PublisherOptions) {
    this.#client = client;
    this.#node = options.node;
    this.#inFlightMax = options.inFlightMax ?? IN_FLIGHT_MAX;
    // The client reconnects by itself, and sends again what was not acknowledged.
    client.on('error', () => undefined);
  }

  /** @throws RveError ERR_MQTT when nobody answers. */
  static async connect(options: PublisherOptions): Promise<Publisher> {
    const { url, username, password } = options;
    try {
      const client = await connectAsync(
        url,
        {
          connectTimeout: CONNECT_MS_MAX,
          reconnectPeriod: 1000,
          ...(username === undefined ? {} : { username }),
          ...(password === undefined ? {} : { password }),
        },
        false,
      );
      return new Publisher(client, options);
    } catch (error) {
      const why = error instanceof Error && error.message !== '' ? error.message : 'no answer';
      throw new RveError(
        'ERR_MQTT',
        `cannot reach the broker at ${url} (${why}). Check that it runs.`,
      );
    }
  }

  /**
   * Sends one reading; returns at once unless too many are unacknowledged. Throws the first
   * failure.
   */
  async publish(reading: Reading): Promise<void> {
    while (this.#inFlight.size >= this.#inFlightMax) await Promise.race(this.#inFlight);
    if (this.#failure !== null) throw this.#failure;
    const topic = `rve/${this.#node}/ingest/${topicLevel(reading.source)}`;
    const work: Promise<void> = this.#deliver(topic, encodeReading(reading)).finally(() =>
      this.#inFlight.delete(work),
    );
    this.#inFlight.add(work);
    this.sent++;
  }

  /** Resolves when the message is acknowledged or this publisher has failed. */
  async #deliver(topic: string, body: Buffer): Promise<void> {
    for (;;) {
      try {
        await this.#client.publishAsync(topic, body, { qos: 1 });
        this.acknowledged++;
        return;
      } catch (error) {
        // The client gives back what it had not sent when a connection broke during its redelivery.
        if (isConnectionClosed(error) && !this.#client.disconnecting) continue;
        const why = error instanceof Error ? error.message : String(error);
        this.#failure ??= new RveError('ERR_MQTT', `a message was not acknowledged (${why})`);
        return;
      }
    }
  }

  /** Returns once all that was sent is acknowledged. */
  async drain(): Promise<void> {
    await Promise.all(this.#inFlight);
    if (this.#failure !== null) throw this.#failure;
  }

  /** Leaves the broker; with `force`, what is unacknowledged is given up. */
  async close(force = false): Promise<void> {
    await this.#client.endAsync(force);
  }
}

function isConnectionClosed(error: unknown): boolean {
  return error instanceof Error && error.message === 'Connection closed';
}

/** A source as a topic level of ours: `cwru-load0-OR@6_7` is sent as `cwru-load0-OR-6_7`. */
export function topicLevel(source: string): string {
  return source.replace(/[^A-Za-z0-9_-]/g, '-').slice(0, 64);
}

/**
 * The CBOR body of one reading: keys of DESIGN.md section 5, the vector as tag 85 (RFC 8746, f32
 * little-endian).
 */
export function encodeReading(reading: Reading): Buffer {
  const { vector, boot, sequence, timeMs, label, payload } = reading;
  return encodeIngestCbor({
    v: vector,
    boot,
    seq: sequence,
    t: timeMs,
    ...(label === undefined ? {} : { label }),
    ...(payload === undefined ? {} : { payload }),
  });
}
