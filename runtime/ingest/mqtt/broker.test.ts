import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { encodeIngestCbor, encodeIngestJson, encodeQueryCbor } from '../body/index.js';
import { startMqtt } from './index.js';
import { runLoad } from './testing/load.js';
import { MemoryDouble } from './testing/memory_double.fixture.js';
import {
  brokerRig,
  DIMS,
  ManualTimers,
  nextMessage,
  publishPacket,
  type Rig,
  VECTOR,
} from './testing/rig.fixture.js';

const TOPIC = 'rve/n1/ingest/pump-3';
const body = (seq: number, boot = 1): Buffer => encodeIngestCbor({ v: VECTOR, seq, boot });

describe('embedded broker', () => {
  let rig: Rig;
  beforeEach(async () => {
    rig = await brokerRig();
  });
  afterEach(async () => {
    await rig.close();
  });

  it.each([1, 2] as const)(
    'stores what a stock client sends at QoS %i in CBOR and JSON',
    async (qos) => {
      const client = await rig.stock();
      await client.publishAsync(TOPIC, body(1), { qos });
      await client.publishAsync(
        TOPIC,
        encodeIngestJson({ v: VECTOR, label: 'hot', payload: { a: 1 } }),
        { qos },
      );
      expect(rig.memory.rows.map(({ fields }) => fields)).toEqual([
        { source: 'pump-3', sequence: 1, boot: 1 },
        { source: 'pump-3', labels: 'hot', payloads: [{ a: 1 }] },
      ]);
      expect(rig.memory.durable).toBe(2);
      expect(rig.mqtt.stats()).toMatchObject({
        received: 2,
        acked: 2,
        stored: 2,
        inFlight: 0,
        bytesInFlight: 0,
      });
    },
  );

  it('has 200 publishes of a connection in flight, and acks none before its group', async () => {
    rig.memory.held = true;
    const peer = await rig.raw();
    peer.connect();
    await peer.until('connack');
    const big = encodeIngestCbor({ v: VECTOR, payload: new Uint8Array(540) });
    peer.send(...Array.from({ length: 200 }, (_, i) => publishPacket(TOPIC, big, i + 1)));
    await rig.memory.waiting(200);
    expect(peer.packets.map(({ cmd }) => cmd)).toEqual(['connack']);
    rig.memory.release();
    const acks = await peer.until('puback', 200);
    expect(acks.map(({ messageId }) => messageId)).toEqual(
      Array.from({ length: 200 }, (_, i) => i + 1),
    );
    expect(rig.memory.groups).toBe(1);
  });

  it('acknowledges nothing on a connection that was cut before the group', async () => {
    rig.memory.held = true;
    const peer = await rig.raw();
    peer.connect();
    await peer.until('connack');
    peer.send(publishPacket(TOPIC, body(1), 1));
    await rig.memory.waiting(1);
    peer.socket.destroy();
    await peer.closed;
    rig.memory.release();
    const again = await rig.raw();
    again.connect();
    await again.until('connack');
    again.send(publishPacket(TOPIC, body(1), 1, { dup: true }));
    await again.until('puback');
    expect(peer.packets.map(({ cmd }) => cmd)).toEqual(['connack']);
    expect(rig.memory.rows).toHaveLength(1);
    expect(rig.mqtt.stats()).toMatchObject({ stored: 1, duplicates: 1 });
  });

  it('acknowledges in the order of receipt although messages settle in another', async () => {
    rig.memory.held = true;
    const peer = await rig.raw();
    peer.connect();
    await peer.until('connack');
    peer.send(publishPacket(TOPIC, body(1), 7), publishPacket(TOPIC, Buffer.from('junk'), 8));
    await rig.memory.waiting(1);
    await peer.ping();
    expect(peer.packets.filter(({ cmd }) => cmd === 'puback')).toHaveLength(0);
    rig.memory.release();
    expect((await peer.until('puback', 2)).map(({ messageId }) => messageId)).toEqual([7, 8]);
  });

  it('sends PUBREC only when durable, and stores a repeated message id once', async () => {
    rig.memory.held = true;
    const peer = await rig.raw();
    peer.connect('two', false);
    await peer.until('connack');
    const noSequence = encodeIngestCbor({ v: VECTOR });
    peer.send(publishPacket(TOPIC, noSequence, 9, { qos: 2 }));
    await rig.memory.waiting(1);
    await peer.ping();
    expect(peer.packets.filter(({ cmd }) => cmd === 'pubrec')).toHaveLength(0);
    rig.memory.release();
    await peer.until('pubrec');
    peer.socket.destroy();
    const again = await rig.raw();
    again.connect('two', false);
    await again.until('connack');
    again.send(publishPacket(TOPIC, noSequence, 9, { qos: 2, dup: true }));
    await again.until('pubrec');
    again.send({ cmd: 'pubrel', messageId: 9 });
    await again.until('pubcomp');
    expect(rig.memory.rows).toHaveLength(1);
  });

  it('acknowledges a bad body once and tells of it on event/rejected', async () => {
    const client = await rig.stock();
    await client.subscribeAsync('rve/n1/event/rejected');
    const event = nextMessage(client, 'rve/n1/event/rejected');
    await client.publishAsync(TOPIC, Buffer.from('{"v":[1,2]}'), { qos: 1 });
    expect(await event).toMatchObject({ topic: 'ingest/pump-3', code: 'ERR_DIMENSIONS' });
    expect(rig.memory.rows).toHaveLength(0);
    expect(rig.mqtt.stats()).toMatchObject({ refused: 1, acked: 1, stored: 0 });
  });

  it('refuses a retained message, so that no subscriber can be fed with it later', async () => {
    const client = await rig.stock();
    await client.publishAsync(TOPIC, body(1), { qos: 1, retain: true });
    expect(rig.mqtt.stats()).toMatchObject({ refused: 1, stored: 0 });
  });

  it.each([
    'rve/n1/status',
    'rve/n1/event/alarm',
    'rve/n1/reply/x',
    'rve/n1/ingest',
    'rve/n1/ingest/',
    'rve/n1/ingest/a/b',
    'rve/n1/ingest/ä',
    `rve/n1/ingest/${'x'.repeat(65)}`,
    'rve/n2/ingest/a',
    'ingest/a',
    '$SYS/x',
    '/',
    'rve/n1/query/x',
  ])('closes a connection that publishes to %s, unacknowledged', async (topic) => {
    const peer = await rig.raw();
    peer.connect();
    await peer.until('connack');
    peer.send(publishPacket(topic, body(1), 1));
    await peer.closed;
    expect(peer.packets.map(({ cmd }) => cmd)).toEqual(['connack']);
    expect(rig.memory.rows).toHaveLength(0);
    expect(rig.mqtt.stats()).toMatchObject({ refused: 1, inFlight: 0, bytesInFlight: 0 });
  });

  it.each([
    ['#', false],
    ['+/n1/ingest/a', false],
    ['rve/#', false],
    ['rve/n1/ingest/#', false],
    ['rve/n1/query', false],
    ['rve/n2/status', false],
    ['$SYS/#', false],
    ['a/b/c/d/e/f/g/h/i', false],
    ['rve', false],
    ['rve/n1/status', true],
    ['rve/n1/event/#', true],
    ['rve/n1/reply/me', true],
    ['answers/me', true],
  ])('lets a client listen to %s: %s', async (filter, allowed) => {
    const client = await rig.stock();
    const granted = await client.subscribeAsync(filter, { qos: 1 }).then(
      (list) => list[0]!.qos,
      () => 128,
    );
    expect(granted < 128).toBe(allowed);
  });

  it('answers a query by replyTo and correlation, a bad one by its event', async () => {
    const client = await rig.stock();
    for (const x of [1, 5, 9])
      await client.publishAsync(TOPIC, encodeIngestCbor({ v: VECTOR.map((v) => v * x) }), {
        qos: 1,
      });
    await client.subscribeAsync('answers/me');
    let reply = nextMessage(client, 'answers/me');
    await client.publishAsync(
      'rve/n1/query',
      encodeQueryCbor({
        v: VECTOR.map((v) => v * 5),
        k: 2,
        replyTo: 'answers/me',
        correlation: 'c7',
      }),
    );
    expect(await reply).toMatchObject({ correlation: 'c7', ids: [1, 0], degraded: false });
    reply = nextMessage(client, 'answers/me');
    const wrong = {
      v: [1, 2, 3, 4],
      k: 2,
      replyTo: 'answers/me',
      correlation: 8,
      filter: { x: 1 },
    };
    await client.publishAsync('rve/n1/query', JSON.stringify(wrong));
    await client.publishAsync('rve/n1/query', JSON.stringify({ ...wrong, filter: {} }));
    expect(await reply).toMatchObject({ correlation: 8, ids: [0, 1] });
  });

  it('does not let a reply be sent into its own inputs', async () => {
    const client = await rig.stock();
    await client.subscribeAsync('rve/n1/event/rejected');
    for (const replyTo of ['rve/n1/ingest/x', 'rve/n1/query', 'a/+', '$SYS/x']) {
      const event = nextMessage(client, 'rve/n1/event/rejected');
      await client.publishAsync('rve/n1/query', encodeQueryCbor({ v: VECTOR, k: 1, replyTo }));
      expect(await event).toMatchObject({ code: 'ERR_TOPIC' });
    }
    expect(rig.memory.rows).toHaveLength(0);
  });

  it('says online to whoever subscribes to status, and passes events on', async () => {
    const client = await rig.stock();
    const status = nextMessage(client, 'rve/n1/status');
    await client.subscribeAsync(['rve/n1/status', 'rve/n1/event/+']);
    expect(await status).toEqual({ state: 'online' });
    const event = nextMessage(client, 'rve/n1/event/novelty');
    await rig.mqtt.publish('event/novelty', { score: 2 });
    expect(await event).toEqual({ score: 2 });
  });

  it('ignores wills and feedback, which nothing here may act on', async () => {
    const peer = await rig.raw();
    peer.send({
      cmd: 'connect',
      protocolId: 'MQTT',
      protocolVersion: 4,
      clean: true,
      clientId: 'w',
      keepalive: 0,
      will: { topic: TOPIC, payload: body(1), qos: 1, retain: false },
    });
    await peer.until('connack');
    peer.send(publishPacket('rve/n1/feedback', body(1), 1));
    await peer.until('puback');
    peer.socket.destroy();
    const client = await rig.stock();
    await client.publishAsync(TOPIC, body(2), { qos: 1 });
    expect(rig.memory.rows.map(({ fields }) => fields.sequence)).toEqual([2]);
    expect(rig.mqtt.stats().refused).toBe(1);
  });

  it('closes without acks when the memory has latched, and takes nothing afterwards', async () => {
    rig.memory.held = true;
    const peer = await rig.raw();
    peer.connect();
    await peer.until('connack');
    peer.send(publishPacket(TOPIC, body(1), 1), publishPacket(TOPIC, body(2), 2));
    await rig.memory.waiting(2);
    rig.memory.failure = 'ERR_LATCHED';
    rig.memory.release();
    await peer.closed;
    expect(peer.packets.map(({ cmd }) => cmd)).toEqual(['connack']);
    rig.memory.failure = null;
    const again = await rig.raw();
    again.connect();
    await again.until('connack');
    again.send(publishPacket(TOPIC, body(3), 1));
    await again.closed;
    expect(again.packets.map(({ cmd }) => cmd)).toEqual(['connack']);
    expect(rig.mqtt.stats()).toMatchObject({ failed: 'ERR_LATCHED', acked: 0 });
  });

  it.each(['ERR_NO_SPACE', 'ERR_BUSY'] as const)(
    'closes after a pause on %s, so that the peer sends again',
    async (code) => {
      const peer = await rig.raw();
      peer.connect();
      await peer.until('connack');
      rig.memory.failure = code;
      peer.send(publishPacket(TOPIC, body(1), 1));
      await rig.timers.fire((ms) => ms === 1_000);
      await peer.closed;
      rig.memory.failure = null;
      const again = await rig.raw();
      again.connect();
      await again.until('connack');
      again.send(publishPacket(TOPIC, body(1), 1));
      await again.until('puback');
      expect(rig.mqtt.stats()).toMatchObject({ failed: null, stored: 1, acked: 1 });
    },
  );

  it('acknowledges what is in flight before stop() closes the connection', async () => {
    rig.memory.held = true;
    const peer = await rig.raw();
    peer.connect();
    await peer.until('connack');
    peer.send(publishPacket(TOPIC, body(1), 1), publishPacket(TOPIC, body(2), 2, { qos: 2 }));
    await rig.memory.waiting(2);
    const stopped = rig.mqtt.stop();
    rig.memory.release();
    await stopped;
    await peer.closed;
    expect(peer.packets.map(({ cmd }) => cmd)).toEqual(['connack', 'puback', 'pubrec']);
  });

  it('keeps up with a window of 200 of 560-byte bodies, each acknowledged once', async () => {
    let ticks = 0;
    const memory = new MemoryDouble(128);
    const mqtt = await startMqtt({
      memory,
      dimensions: 128,
      node: 'n1',
      clock: { now: () => 0 },
      timers: new ManualTimers(),
      broker: { port: 0 },
    });
    const result = await runLoad({
      port: mqtt.port,
      topic: TOPIC,
      dimensions: 128,
      count: 2_000,
      window: 200,
      boot: 5,
      now: () => (ticks += 1),
    });
    expect(result).toMatchObject({ acked: 2_000 });
    expect(result.bodyBytes).toBeGreaterThan(540);
    expect(memory.durable).toBe(2_000);
    // One message per group, the stock client's way, would need 2,000.
    expect(memory.groups).toBeLessThan(400);
    await mqtt.stop();
    expect(DIMS).toBe(4);
  });
});
