import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import mqttPacket, { type IConnectPacket, type Packet } from 'mqtt-packet';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { decodeReply, encodeIngestCbor, encodeQueryCbor } from '../body/index.js';
import { startMqtt, type MqttIngest, type MqttOptions } from './index.js';
import { MemoryDouble } from './testing/memory_double.fixture.js';
import { DIMS, ManualTimers, publishPacket, VECTOR } from './testing/rig.fixture.js';

const TOPIC = 'rve/n1/ingest/pump-3';
const body = (seq: number): Buffer => encodeIngestCbor({ v: VECTOR, seq, boot: 1 });

/** A broker that does as the test says: accepts, records packets, sends what it is told. */
class ScriptedBroker {
  readonly packets: Packet[] = [];
  readonly server: Server;
  connections = 0;
  sessionPresent = false;
  returnCode = 0;
  version: 4 | 5 = 4;
  socket: Socket | null = null;
  #watchers: (() => void)[] = [];

  constructor() {
    this.server = createServer((socket) => {
      this.connections += 1;
      this.socket = socket;
      const parser = mqttPacket.parser();
      parser.on('packet', (packet) => this.#on(packet));
      socket.on('data', (chunk) => parser.parse(chunk));
      socket.on('error', () => {});
      socket.on('close', () => this.#wake());
    });
  }

  async listen(): Promise<string> {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    return `mqtt://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  send(packet: Packet): void {
    this.socket!.write(mqttPacket.generate(packet, { protocolVersion: this.version }));
  }

  #on(packet: Packet): void {
    this.packets.push(packet);
    if (packet.cmd === 'connect') {
      const code = this.returnCode;
      this.send({
        cmd: 'connack',
        sessionPresent: this.sessionPresent,
        returnCode: code,
        reasonCode: code,
      });
    } else if (packet.cmd === 'subscribe') {
      this.send({
        cmd: 'suback',
        messageId: packet.messageId!,
        granted: packet.subscriptions.map(() => 2),
      });
    }
    this.#wake();
  }

  #wake(): void {
    for (const watcher of this.#watchers.splice(0)) watcher();
  }

  of<C extends Packet['cmd']>(cmd: C): Extract<Packet, { cmd: C }>[] {
    return this.packets.filter(
      (packet): packet is Extract<Packet, { cmd: C }> => packet.cmd === cmd,
    );
  }

  async when(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>((resolve) => {
        this.#watchers.push(resolve);
      });
    }
  }

  async close(): Promise<void> {
    this.socket?.destroy();
    this.server.close();
    await once(this.server, 'close');
  }
}

describe('client mode', () => {
  let broker: ScriptedBroker;
  let memory: MemoryDouble;
  let timers: ManualTimers;
  let mqtt: MqttIngest | null;
  let url: string;
  beforeEach(async () => {
    broker = new ScriptedBroker();
    memory = new MemoryDouble(DIMS);
    timers = new ManualTimers();
    url = await broker.listen();
    mqtt = null;
  });
  afterEach(async () => {
    memory.failure = null;
    memory.release();
    await mqtt?.stop();
    await broker.close();
  });
  const start = async (
    version: '3.1.1' | '5' = '3.1.1',
    extra: Partial<MqttOptions> = {},
  ): Promise<void> => {
    broker.version = version === '5' ? 5 : 4;
    mqtt = await startMqtt({
      memory,
      timers,
      dimensions: DIMS,
      node: 'n1',
      clock: { now: () => 0 },
      random: () => 0.5,
      client: { url, protocolVersion: version },
      ...extra,
    });
  };

  it('connects with a lasting session, a last will, and a receive maximum', async () => {
    await start('5');
    expect(broker.of('connect')[0]).toMatchObject({
      clean: false,
      clientId: 'rve-n1',
      protocolVersion: 5,
      properties: { receiveMaximum: 200, sessionExpiryInterval: 0xffff_ffff },
    } satisfies Partial<IConnectPacket>);
    expect(broker.of('connect')[0]!.will).toMatchObject({
      topic: 'rve/n1/status',
      retain: true,
      qos: 1,
    });
    expect(broker.of('subscribe')[0]!.subscriptions.map(({ topic }) => topic)).toEqual([
      'rve/n1/ingest/+',
      'rve/n1/query',
      'rve/n1/feedback',
    ]);
    await broker.when(() =>
      broker.of('publish').some(({ topic, retain }) => topic === 'rve/n1/status' && retain),
    );
  });

  it('acknowledges 200 messages in order, after one group that holds them all', async () => {
    await start();
    memory.held = true;
    for (let i = 1; i <= 200; i += 1) broker.send(publishPacket(TOPIC, body(i), i));
    await memory.waiting(200);
    expect(broker.of('puback')).toHaveLength(0);
    memory.release();
    await broker.when(() => broker.of('puback').length === 200);
    expect(broker.of('puback').map(({ messageId }) => messageId)).toEqual(
      Array.from({ length: 200 }, (_, i) => i + 1),
    );
    expect(memory.groups).toBe(1);
  });

  it('stores once what is sent again after a connection broke before the group', async () => {
    await start();
    memory.held = true;
    broker.send(publishPacket(TOPIC, body(1), 1));
    await memory.waiting(1);
    broker.sessionPresent = true;
    broker.socket!.destroy();
    expect(await timers.fire((ms) => ms < 5_000)).toBe(375);
    await broker.when(() => broker.of('subscribe').length === 2);
    memory.release();
    broker.send(publishPacket(TOPIC, body(1), 1, { dup: true }));
    await broker.when(() => broker.of('puback').length > 0);
    expect(broker.of('puback')).toHaveLength(1);
    expect(memory.rows).toHaveLength(1);
    expect(mqtt!.stats()).toMatchObject({ stored: 1, duplicates: 1 });
  });

  it('runs QoS 2, and keeps its receipts across a reconnect in the same session', async () => {
    await start();
    const noSequence = encodeIngestCbor({ v: VECTOR });
    broker.send(publishPacket(TOPIC, noSequence, 5, { qos: 2 }));
    await broker.when(() => broker.of('pubrec').length === 1);
    broker.sessionPresent = true;
    broker.socket!.destroy();
    await timers.fire((ms) => ms < 5_000);
    await broker.when(() => broker.of('subscribe').length === 2);
    broker.send(publishPacket(TOPIC, noSequence, 5, { qos: 2, dup: true }));
    await broker.when(() => broker.of('pubrec').length === 2);
    broker.send({ cmd: 'pubrel', messageId: 5 });
    await broker.when(() => broker.of('pubcomp').length === 1);
    expect(memory.rows).toHaveLength(1);
  });

  it.each([
    ['3.1.1', 0],
    ['5', 0x99],
  ] as const)(
    'MQTT %s: a bad body is acknowledged with code %i and an event',
    async (version, code) => {
      await start(version);
      broker.send(publishPacket(TOPIC, Buffer.from([0x9f]), 3));
      await broker.when(() => broker.of('puback').length === 1);
      expect(broker.of('puback')[0]!.reasonCode ?? 0).toBe(code);
      const event = broker.of('publish').find(({ topic }) => topic === 'rve/n1/event/rejected')!;
      expect(decodeReply(event.payload as Buffer)).toMatchObject({ code: 'ERR_BODY' });
    },
  );

  it('does not acknowledge what finds no space, and comes back later for it', async () => {
    await start();
    memory.failure = 'ERR_NO_SPACE';
    broker.send(publishPacket(TOPIC, body(1), 1));
    await timers.fire((ms) => ms < 5_000);
    memory.failure = null;
    await broker.when(() => broker.of('subscribe').length === 2);
    expect(broker.of('puback')).toHaveLength(0);
    broker.send(publishPacket(TOPIC, body(1), 1, { dup: true }));
    await broker.when(() => broker.of('puback').length === 1);
    expect(memory.durable).toBe(1);
  });

  it('leaves without acknowledging when the memory has latched, and stays away', async () => {
    let failed = '';
    await start('3.1.1', {
      onFailed: (code) => {
        failed = code;
      },
    });
    memory.failure = 'ERR_LATCHED';
    const gone = once(broker.socket!, 'close');
    broker.send(publishPacket(TOPIC, body(1), 1));
    await gone;
    expect(broker.of('puback')).toHaveLength(0);
    expect(failed).toBe('ERR_LATCHED');
    expect(timers.pending).toHaveLength(0);
  });

  it('answers to the response topic with its correlation data, as MQTT 5 has it', async () => {
    await start('5');
    broker.send(publishPacket(TOPIC, body(1), 1));
    await broker.when(() => broker.of('puback').length === 1);
    broker.send(
      publishPacket('rve/n1/query', encodeQueryCbor({ v: VECTOR, k: 1 }), 2, {
        properties: { responseTopic: 'answers/5', correlationData: Buffer.from('xyz') },
      }),
    );
    await broker.when(() => broker.of('publish').some(({ topic }) => topic === 'answers/5'));
    const reply = broker.of('publish').find(({ topic }) => topic === 'answers/5')!;
    expect(reply.properties?.correlationData?.toString()).toBe('xyz');
    expect(decodeReply(reply.payload as Buffer)).toMatchObject({ ids: [0] });
  });

  it('backs off longer with each failure, up to half of 30 s at the least', async () => {
    await start('3.1.1', { random: () => 0 });
    broker.returnCode = 3;
    broker.socket!.destroy();
    const waits: number[] = [];
    for (let i = 0; i < 9; i += 1)
      waits.push(await timers.fire((ms) => ms !== 10_000 && ms !== 22_500));
    expect(waits).toEqual([250, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000]);
  });

  it('refused credentials fail the start', async () => {
    broker.returnCode = 5;
    await expect(start()).rejects.toMatchObject({ code: 'ERR_MQTT' });
    await once(broker.socket!, 'close');
    expect(timers.pending).toHaveLength(0);
    expect(broker.connections).toBe(1);
  });

  it('sends its QoS 1 messages again until the broker has acknowledged them', async () => {
    await start();
    const done = mqtt!.publish('event/alarm', { a: 1 }, { qos: 1 });
    await broker.when(() =>
      broker.of('publish').some(({ topic }) => topic === 'rve/n1/event/alarm'),
    );
    broker.sessionPresent = true;
    broker.socket!.destroy();
    await timers.fire((ms) => ms < 5_000);
    await broker.when(
      () => broker.of('publish').filter(({ topic }) => topic === 'rve/n1/event/alarm').length === 2,
    );
    const [first, second] = broker
      .of('publish')
      .filter(({ topic }) => topic === 'rve/n1/event/alarm');
    expect([first!.dup, second!.dup]).toEqual([false, true]);
    broker.send({ cmd: 'puback', messageId: second!.messageId!, reasonCode: 0 });
    await done;
  });

  it('ends a connection whose broker does not answer a ping', async () => {
    await start();
    await timers.fire((ms) => ms === 22_500);
    await broker.when(() => broker.of('pingreq').length === 1);
    const gone = once(broker.socket!, 'close');
    await timers.fire((ms) => ms === 22_500);
    await gone;
  });

  it('acknowledges what is in flight before stop() disconnects', async () => {
    await start();
    memory.held = true;
    broker.send(publishPacket(TOPIC, body(1), 1));
    await memory.waiting(1);
    const stopped = mqtt!.stop();
    memory.release();
    await stopped;
    await broker.when(() => broker.of('disconnect').length === 1);
    const order = broker.packets.map(({ cmd }) => cmd);
    expect(order.indexOf('puback')).toBeLessThan(order.indexOf('disconnect'));
    expect(order).toContain('puback');
  });

  it.each(['http://x', 'mqtt://', 'mqtt://user:pw@host', 'host:1883', ''])(
    'refuses the URL %s',
    async (bad) => {
      await expect(
        startMqtt({
          memory,
          timers,
          dimensions: DIMS,
          node: 'n1',
          clock: { now: () => 0 },
          random: () => 0,
          client: { url: bad },
        }),
      ).rejects.toMatchObject({ code: 'ERR_CONFIG' });
    },
  );
});
