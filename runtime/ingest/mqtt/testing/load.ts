import { connect } from 'node:net';
import mqttPacket, { type Packet } from 'mqtt-packet';
import { encodeIngestCbor } from '../../body/index.js';

export interface LoadOptions {
  host?: string;
  port: number;
  /** Full topic. */
  topic: string;
  dimensions: number;
  /** Messages to send; each is one record. */
  count: number;
  /** Unacknowledged messages at once, 1..65535. */
  window: number;
  qos?: 1 | 2;
  /** Boot number of the sender; sequences start at 0. */
  boot: number;
  /** Monotonic ms, for latencies. */
  now: () => number;
}

export interface LoadResult {
  acked: number;
  ms: number;
  perSecond: number;
  bodyBytes: number;
  p50Ms: number;
  p99Ms: number;
}

interface Flight {
  sentAt: Map<number, number>;
  latencies: number[];
}

/**
 * Publishes as one connection with a full window, at the speed of the acknowledgements (QoS 2: of
 * PUBCOMP). For benchmarks and tests; works against any MQTT 3.1.1 broker.
 */
export async function runLoad(options: LoadOptions): Promise<LoadResult> {
  const { count, now } = options;
  const bodies = bodiesOf(options);
  const flight: Flight = { sentAt: new Map(), latencies: [] };
  const socket = connect({ host: options.host ?? '127.0.0.1', port: options.port, noDelay: true });
  const parser = mqttPacket.parser({ protocolVersion: 4 });
  let start = 0;
  let next = 0;
  const fill = (): void => {
    while (next < count && flight.sentAt.size < options.window) {
      const messageId = (next % 65_535) + 1;
      flight.sentAt.set(messageId, now());
      const payload = bodies(next);
      next += 1;
      send({
        cmd: 'publish',
        topic: options.topic,
        payload,
        qos: options.qos ?? 1,
        messageId,
        dup: false,
        retain: false,
      });
    }
  };
  const send = (packet: Packet): void => {
    mqttPacket.writeToStream(packet, socket);
  };
  await new Promise<void>((resolve, reject) => {
    parser.on('error', reject);
    socket.on('error', reject);
    socket.on('close', () =>
      reject(new Error(`closed after ${flight.latencies.length} acknowledgements`)),
    );
    parser.on('packet', (packet: Packet) => {
      if (packet.cmd === 'connack') start = now();
      else if (packet.cmd === 'pubrec') {
        send({ cmd: 'pubrel', messageId: packet.messageId! });
        return;
      } else {
        flight.latencies.push(now() - flight.sentAt.get(packet.messageId!)!);
        flight.sentAt.delete(packet.messageId!);
      }
      if (flight.latencies.length === count) resolve();
    });
    socket.on('data', (chunk: Buffer) => {
      parser.parse(chunk);
      fill();
    });
    send({
      cmd: 'connect',
      protocolId: 'MQTT',
      protocolVersion: 4,
      clean: true,
      clientId: `load-${options.boot}`,
      keepalive: 0,
    });
  });
  const ms = now() - start;
  socket.removeAllListeners('close');
  socket.destroy();
  return { ...summary(flight.latencies, ms), bodyBytes: bodies(0).length };
}

function summary(latencies: number[], ms: number): Omit<LoadResult, 'bodyBytes'> {
  const count = latencies.length;
  latencies.sort((a, b) => a - b);
  const at = (q: number): number => latencies[Math.min(count - 1, Math.floor(q * count))]!;
  return { acked: count, ms, perSecond: (count / ms) * 1_000, p50Ms: at(0.5), p99Ms: at(0.99) };
}

/** Bodies that differ in sequence and in one number, so that no two records are equal. */
function bodiesOf({ dimensions, boot }: LoadOptions): (sequence: number) => Buffer {
  const v = Float32Array.from({ length: dimensions }, (_, i) => Math.sin(i + 1));
  return (sequence) => {
    v[sequence % dimensions] = (sequence % 1_000) / 1_000 + 0.001;
    return encodeIngestCbor({
      v,
      seq: sequence,
      boot,
      t: 1_700_000_000_000 + sequence,
      label: 'load',
    });
  };
}
