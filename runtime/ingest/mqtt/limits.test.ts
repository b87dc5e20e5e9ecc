import type { ISubackPacket } from 'mqtt-packet';
import { afterEach, describe, expect, it } from 'vitest';
import { RveError } from '../../errors/index.js';
import { Rng } from '../../../sim/index.js';
import { encodeIngestCbor } from '../body/index.js';
import { AckQueue } from './acks.js';
import { ConnectionBudget, TotalBudget } from './budget.js';
import { isLoopback } from './credentials.js';
import { FixedHeaderScanner } from './fixed_header.js';
import { type BrokerOptions, startMqtt } from './index.js';
import { MemoryDouble } from './testing/memory_double.fixture.js';
import {
  brokerRig,
  DIMS,
  ManualTimers,
  publishPacket,
  type Rig,
  VECTOR,
} from './testing/rig.fixture.js';
import { TokenBuckets } from './token_bucket.js';

const TOPIC = 'rve/n1/ingest/pump-3';
const body = (seq: number): Buffer => encodeIngestCbor({ v: VECTOR, seq, boot: 1 });

let rig: Rig | null = null;
afterEach(async () => {
  await rig?.close();
  rig = null;
});

describe('before a client is accepted', () => {
  it.each([
    ['a PUBLISH', '30 05 00 01 61 62 63'],
    ['a SUBSCRIBE', '82 06 0001 0001 61 00'],
    ['noise', 'ff ff ff ff'],
    ['a CONNECT that claims 256 MB', '10 ff ff ff 7f'],
    ['a CONNECT of 1,025 bytes', '10 81 08'],
    ['a length of five bytes', '10 80 80 80 80 01'],
    ['HTTP', '47455420 2f20 485454502f312e310d0a0d0a'],
  ])('%s ends the connection', async (_name, hex) => {
    rig = await brokerRig();
    const peer = await rig.raw();
    peer.socket.write(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
    await peer.closed;
    expect(peer.packets).toEqual([]);
    expect(rig.mqtt.stats().dropped).toBe(1);
  });

  it('nothing that follows a refused CONNECT is stored', async () => {
    rig = await brokerRig({ broker: { port: 0, users: new Map([['ann', 'secret']]) } });
    const peer = await rig.raw();
    peer.send(
      {
        cmd: 'connect',
        protocolId: 'MQTT',
        protocolVersion: 4,
        clean: true,
        clientId: 'x',
        keepalive: 0,
        username: 'ann',
        password: Buffer.from('wrong'),
      },
      ...Array.from({ length: 60 }, (_, i) => publishPacket(TOPIC, body(i), i + 1)),
    );
    await peer.closed;
    expect(peer.packets.map(({ cmd }) => cmd)).toEqual(['connack']);
    expect(rig.memory.rows).toHaveLength(0);
    expect(rig.mqtt.stats().received).toBe(0);
  });

  it('what an accepted client sent along with its CONNECT is taken', async () => {
    rig = await brokerRig();
    const peer = await rig.raw();
    peer.send(
      {
        cmd: 'connect',
        protocolId: 'MQTT',
        protocolVersion: 4,
        clean: true,
        clientId: 'x',
        keepalive: 0,
      },
      ...Array.from({ length: 60 }, (_, i) => publishPacket(TOPIC, body(i), i + 1)),
    );
    await peer.until('puback', 60);
    expect(rig.memory.durable).toBe(60);
  });

  it.each([
    ['ann', 'secret', true],
    ['ann', 'Secret', false],
    ['ann', undefined, false],
    ['bob', 'secret', false],
    [undefined, undefined, false],
  ])('user %s with password %s gets in: %s', async (username, password, accepted) => {
    rig = await brokerRig({ broker: { port: 0, users: new Map([['ann', 'secret']]) } });
    const options = {
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password }),
    };
    expect(
      await rig.stock(options).then(
        () => true,
        () => false,
      ),
    ).toBe(accepted);
  });
});

describe('an accepted client', () => {
  it.each([
    ['a PUBLISH of 256 KiB and a byte', '30 81 80 10'],
    ['a PUBLISH that claims 256 MB', '30 ff ff ff 7f'],
    ['a SUBSCRIBE of 5 KB', '82 88 27'],
    ['an empty topic', '32 04 0000 0001'],
    ['a wildcard', '32 05 0001 2b 0001'],
    ['QoS 3', '36 05 0001 61 0001'],
    ['a second CONNECT', '10 0c 00044d515454 04 02 0000 0000'],
    ['a reserved packet', '00 00'],
    ['a NUL in the topic', '32 06 0002 6100 0001'],
  ])('is cut off for %s, and others are not', async (_name, hex) => {
    rig = await brokerRig();
    const [peer, other] = [await rig.raw(), await rig.raw()];
    for (const [index, each] of [peer, other].entries()) {
      each.connect(`c${index}`);
      await each.until('connack');
    }
    peer.socket.write(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
    await peer.closed;
    expect(peer.packets.map(({ cmd }) => cmd)).toEqual(['connack']);
    other.send(publishPacket(TOPIC, body(1), 1));
    await other.until('puback');
    expect(rig.mqtt.stats()).toMatchObject({ stored: 1, bytesInFlight: 0 });
  });

  it('that floods is not read beyond its budget, and loses nothing', async () => {
    rig = await brokerRig({ limits: { connectionBytesMax: 100_000 } });
    rig.memory.held = true;
    const peer = await rig.raw();
    peer.connect();
    await peer.until('connack');
    const payload = encodeIngestCbor({ v: VECTOR, payload: new Uint8Array(10_000) });
    peer.send(...Array.from({ length: 500 }, (_, i) => publishPacket(TOPIC, payload, i + 1)));
    await rig.memory.waiting(10);
    // Overshoot: one chunk of the socket (64 KiB) beside the packet that crossed the line.
    expect(rig.mqtt.stats().bytesInFlight).toBeLessThan(100_000 + 65_536 + 2 * payload.length);
    rig.memory.release();
    await peer.until('puback', 500);
    expect(rig.memory.durable).toBe(500);
    expect(rig.mqtt.stats()).toMatchObject({ bytesInFlight: 0, inFlight: 0 });
  });

  it('that sends tiny messages without end has few of them in flight', async () => {
    rig = await brokerRig({ limits: { connectionBytesMax: 100_000 } });
    rig.memory.held = true;
    const peer = await rig.raw();
    peer.connect();
    await peer.until('connack');
    const noise = Buffer.from('{"v":[1,2,3,4]}');
    peer.send(...Array.from({ length: 20_000 }, (_, i) => publishPacket(TOPIC, noise, i + 1)));
    await rig.memory.waiting(90);
    // One message counts 1,024 bytes more than its own; a chunk of 64 KiB holds 1,400 of them.
    expect(rig.mqtt.stats().inFlight).toBeLessThan(100 + 2 * 1_400);
    rig.memory.release();
    await peer.until('puback', 20_000);
  });

  it('may hold 64 subscriptions and no more, in however few packets they come', async () => {
    rig = await brokerRig();
    const peer = await rig.raw();
    peer.connect();
    await peer.until('connack');
    const subscriptions = Array.from({ length: 100 }, (_, i) => ({
      topic: `answers/${i}`,
      qos: 0 as const,
    }));
    peer.send({ cmd: 'subscribe', messageId: 1, subscriptions });
    const [first] = await peer.until('suback');
    expect((first as ISubackPacket).granted.filter((code) => code === 0)).toHaveLength(64);
    peer.send({ cmd: 'unsubscribe', messageId: 2, unsubscriptions: ['answers/0'] });
    await peer.until('unsuback');
    peer.send({
      cmd: 'subscribe',
      messageId: 3,
      subscriptions: [{ topic: 'answers/new', qos: 0 }],
    });
    expect((await peer.until('suback', 2))[1]).toMatchObject({ granted: [0] });
  });

  it('beyond the limit of connections is turned away', async () => {
    rig = await brokerRig({ limits: { connectionsMax: 2 } });
    const peers = [await rig.raw(), await rig.raw()];
    for (const [index, peer] of peers.entries()) {
      peer.connect(`c${index}`);
      await peer.until('connack');
    }
    const third = await rig.raw();
    third.connect('c2');
    await third.closed;
    expect(third.packets).toEqual([]);
    expect(rig.mqtt.stats().connections).toBe(2);
  });

  it('whose source exceeds its rate waits for its acknowledgement, and loses nothing', async () => {
    rig = await brokerRig({ limits: { sourceRowsPerSecond: 2 } });
    const peer = await rig.raw();
    peer.connect();
    await peer.until('connack');
    peer.send(...[1, 2, 3].map((i) => publishPacket(TOPIC, body(i), i)));
    await peer.until('puback', 2);
    expect(await rig.timers.fire((ms) => ms < 1_000)).toBe(500);
    await peer.until('puback', 3);
    expect(rig.memory.durable).toBe(3);
  });

  it.each([7, 8, 9])('may send random bytes (seed %i) without harm to the broker', async (seed) => {
    rig = await brokerRig();
    const rng = new Rng(seed);
    for (let round = 0; round < 20; round += 1) {
      const peer = await rig.raw();
      peer.connect(`r${round}`);
      await peer.until('connack');
      const good = [...Array.from({ length: 3 }, (_, i) => publishPacket(TOPIC, body(i), i + 1))];
      peer.send(...good);
      const noise = Buffer.from(Array.from({ length: 200 }, () => rng.uint32() & 0xff));
      peer.socket.write(noise);
      peer.socket.end();
      await peer.closed;
    }
    const after = await rig.raw();
    after.connect('after');
    await after.until('connack');
    after.send(publishPacket(TOPIC, body(99), 1));
    await after.until('puback');
    expect(rig.mqtt.stats()).toMatchObject({ failed: null, connections: 1 });
  });
});

describe('exposure', () => {
  const start = async (broker: BrokerOptions): Promise<string> =>
    startMqtt({
      memory: new MemoryDouble(DIMS),
      dimensions: DIMS,
      node: 'n1',
      clock: { now: () => 0 },
      timers: new ManualTimers(),
      broker,
    }).then(
      async (mqtt) => {
        await mqtt.stop();
        return 'started';
      },
      (error: unknown) => (error instanceof RveError ? error.code : String(error)),
    );

  it.each([
    [{ host: '0.0.0.0' }, 'ERR_CONFIG'],
    [{ host: '::' }, 'ERR_CONFIG'],
    [{ host: '192.168.1.5' }, 'ERR_CONFIG'],
    [{ host: '0.0.0.0', unsafePlain: true }, 'ERR_CONFIG'],
    [{ host: '0.0.0.0', unsafePlain: true, users: new Map([['a', 'b']]) }, 'started'],
    [{ host: '0.0.0.0', users: new Map([['a', 'b']]) }, 'ERR_CONFIG'],
    [{ host: '127.0.0.1' }, 'started'],
  ])('%j: %s', async (broker, result) => {
    expect(await start({ port: 0, ...broker })).toBe(result);
  });

  it('a taken port is ERR_MQTT, and a bad node name ERR_CONFIG', async () => {
    rig = await brokerRig();
    expect(await start({ port: rig.mqtt.port })).toBe('ERR_MQTT');
    await expect(brokerRig({ node: 'a/b' })).rejects.toMatchObject({ code: 'ERR_CONFIG' });
  });

  it('only loopback addresses count as loopback', () => {
    expect(['127.0.0.1', '127.9.9.9', '::1', 'localhost'].every(isLoopback)).toBe(true);
    expect(['0.0.0.0', '::', '127.evil.example', '10.0.0.1', ''].some(isLoopback)).toBe(false);
  });
});

describe('parts', () => {
  it('the scanner finds the same packets however the bytes are cut', () => {
    const stream = Buffer.concat([
      Buffer.from('c000', 'hex'),
      Buffer.of(0x30, 0x80, 0x01),
      Buffer.alloc(128),
      Buffer.from('e000', 'hex'),
    ]);
    for (let cut = 1; cut < stream.length; cut += 1) {
      const seen: number[] = [];
      const scanner = new FixedHeaderScanner((type, remaining) => seen.push(type, remaining));
      for (let at = 0; at < stream.length; at += cut) scanner.scan(stream.subarray(at, at + cut));
      expect(seen).toEqual([12, 0, 3, 128, 14, 0]);
    }
  });

  it('a budget stops at its limit, resumes at half, and holds others to the total', () => {
    const total = new TotalBudget(100);
    const log: string[] = [];
    const make = (name: string): ConnectionBudget =>
      new ConnectionBudget(
        total,
        80,
        () => log.push(`${name} stop`),
        () => log.push(`${name} go`),
      );
    const [a, b] = [make('a'), make('b')];
    a.take(80);
    b.take(20);
    expect(log).toEqual(['a stop', 'b stop']);
    a.give(30);
    expect(log).toHaveLength(2);
    a.give(20);
    expect(log).toEqual(['a stop', 'b stop', 'b go', 'a go']);
    expect(total.used).toBe(50);
  });

  it('a token bucket grants its burst, then the rate, also after a step back', () => {
    let now = 0;
    const buckets = new TokenBuckets(10, () => now);
    expect([buckets.take('s', 10), buckets.take('s', 1), buckets.take('other', 5)]).toEqual([
      0, 100, 0,
    ]);
    now = 1_000;
    expect(buckets.take('s', 9)).toBe(0);
    now = -5_000;
    expect(buckets.take('s', 1)).toBe(100);
  });

  it('acknowledgements wait for those before them, and idle() for all', async () => {
    const queue = new AckQueue();
    const seen: number[] = [];
    const slots = Array.from({ length: 600 }, () => queue.open());
    const idle = queue.idle();
    for (let i = 599; i > 0; i -= 1) slots[i]!.settle(() => seen.push(i));
    expect(seen).toEqual([]);
    slots[0]!.settle(() => seen.push(0));
    await idle;
    expect(seen).toEqual(Array.from({ length: 600 }, (_, i) => i));
  });
});
