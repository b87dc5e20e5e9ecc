import { once } from 'node:events';
import { connect as connectSocket, type Socket } from 'node:net';
import { connectAsync, type IClientOptions, type MqttClient } from 'mqtt';
import mqttPacket, { type IPublishPacket, type Packet } from 'mqtt-packet';
import { decodeReply } from '../../body/index.js';
import { startMqtt, type MqttIngest, type MqttOptions } from '../index.js';
import type { Timers } from '../types.js';
import { MemoryDouble } from './memory_double.fixture.js';

export const DIMS = 4;
export const VECTOR = Float32Array.of(1, 2, 3, 4);

/** Timers that a test fires itself. */
export class ManualTimers implements Timers {
  readonly pending: { ms: number; run: () => void }[] = [];
  #watchers: (() => void)[] = [];

  after(ms: number, run: () => void): () => void {
    const entry = { ms, run };
    this.pending.push(entry);
    for (const watcher of this.#watchers.splice(0)) watcher();
    return () => {
      const at = this.pending.indexOf(entry);
      if (at >= 0) this.pending.splice(at, 1);
    };
  }

  /** Fires the timer of `ms`, once there is one. */
  async fire(matches: (ms: number) => boolean): Promise<number> {
    for (;;) {
      const at = this.pending.findIndex(({ ms }) => matches(ms));
      if (at >= 0) {
        const [entry] = this.pending.splice(at, 1);
        entry!.run();
        return entry!.ms;
      }
      await new Promise<void>((resolve) => {
        this.#watchers.push(resolve);
      });
    }
  }
}

export interface Rig {
  memory: MemoryDouble;
  timers: ManualTimers;
  mqtt: MqttIngest;
  url: string;
  now: { ms: number };
  /** Closes all that the test opened. */
  close: () => Promise<void>;
  stock: (options?: IClientOptions) => Promise<MqttClient>;
  raw: () => Promise<RawPeer>;
}

export async function brokerRig(options: Partial<MqttOptions> = {}): Promise<Rig> {
  const memory = new MemoryDouble(DIMS);
  const timers = new ManualTimers();
  const now = { ms: 1_000 };
  const mqtt = await startMqtt({
    memory,
    timers,
    dimensions: DIMS,
    node: 'n1',
    clock: { now: () => now.ms },
    broker: { port: 0 },
    ...options,
  });
  const url = `mqtt://127.0.0.1:${mqtt.port}`;
  const clients: MqttClient[] = [];
  const peers: RawPeer[] = [];
  return {
    memory,
    timers,
    mqtt,
    url,
    now,
    stock: async (extra = {}) => {
      const client = await connectAsync(url, { reconnectPeriod: 0, ...extra });
      client.on('error', () => {});
      clients.push(client);
      return client;
    },
    raw: async () => {
      const peer = await RawPeer.open(mqtt.port);
      peers.push(peer);
      return peer;
    },
    close: async () => {
      memory.failure = null;
      memory.release();
      for (const peer of peers) peer.socket.destroy();
      await Promise.all(clients.map(async (client) => await client.endAsync(true)));
      await mqtt.stop();
    },
  };
}

/** A peer that may break any rule: writes bytes, collects packets. */
export class RawPeer {
  readonly socket: Socket;
  readonly packets: Packet[] = [];
  readonly closed: Promise<void>;
  isClosed = false;
  #watchers: (() => void)[] = [];

  private constructor(socket: Socket) {
    this.socket = socket;
    const parser = mqttPacket.parser({ protocolVersion: 4 });
    parser.on('packet', (packet) => {
      this.packets.push(packet);
      this.#wake();
    });
    socket.on('data', (chunk: Buffer) => parser.parse(chunk));
    socket.on('error', () => {});
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        this.isClosed = true;
        resolve();
        this.#wake();
      });
    });
  }

  static async open(port: number): Promise<RawPeer> {
    const socket = connectSocket({ host: '127.0.0.1', port });
    await once(socket, 'connect');
    return new RawPeer(socket);
  }

  #wake(): void {
    for (const watcher of this.#watchers.splice(0)) watcher();
  }

  send(...packets: Packet[]): void {
    this.socket.write(Buffer.concat(packets.map((packet) => mqttPacket.generate(packet))));
  }

  connect(clientId = 'raw', clean = true): void {
    this.send({
      cmd: 'connect',
      protocolId: 'MQTT',
      protocolVersion: 4,
      clean,
      clientId,
      keepalive: 0,
    });
  }

  /** Waits until `count` packets of the kind have come; fails if the peer closes before. */
  async until(cmd: Packet['cmd'], count = 1): Promise<Packet[]> {
    for (;;) {
      const found = this.packets.filter((packet) => packet.cmd === cmd);
      if (found.length >= count) return found;
      if (this.isClosed) throw new Error(`closed with ${found.length} of ${count} ${cmd} packets`);
      await new Promise<void>((resolve) => {
        this.#watchers.push(resolve);
      });
    }
  }

  /** A round trip: all that was sent before has been read by the broker. */
  async ping(): Promise<void> {
    const before = this.packets.filter(({ cmd }) => cmd === 'pingresp').length;
    this.send({ cmd: 'pingreq' });
    await this.until('pingresp', before + 1);
  }
}

export function publishPacket(
  topic: string,
  payload: Buffer,
  messageId: number,
  extra: Partial<IPublishPacket> = {},
): IPublishPacket {
  return { cmd: 'publish', topic, payload, messageId, qos: 1, dup: false, retain: false, ...extra };
}

/** The next message on `topic`, decoded. Subscribe before what causes it. */
export async function nextMessage(
  client: MqttClient,
  topic: string,
): Promise<Record<string, unknown>> {
  return await new Promise((resolve) => {
    const listener = (name: string, payload: Buffer): void => {
      if (name !== topic) return;
      client.off('message', listener);
      resolve(decodeReply(payload));
    };
    client.on('message', listener);
  });
}
