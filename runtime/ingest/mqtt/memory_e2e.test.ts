import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectAsync } from 'mqtt';
import { Memory } from '../../memory/index.js';
import { encodeIngestCbor, encodeQueryCbor } from '../body/index.js';
import { startMqtt, type MqttIngest } from './index.js';
import { runLoad } from './testing/load.js';
import { ManualTimers, nextMessage } from './testing/rig.fixture.js';

// The whole way with the real memory: stock client, embedded broker, body, engine, file.
const DIMENSIONS = 128;
const TOPIC = 'rve/n1/ingest/pump-3';

describe('with a real memory', () => {
  let folder: string;
  let memory: Memory;
  let mqtt: MqttIngest;
  const begin = async (lingerMs = 0): Promise<void> => {
    memory = await Memory.open(join(folder, 'm.rve'), { dimensions: DIMENSIONS, lingerMs });
    mqtt = await startMqtt({
      memory,
      dimensions: DIMENSIONS,
      node: 'n1',
      clock: { now: () => 0 },
      timers: new ManualTimers(),
      broker: { port: 0 },
    });
  };
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'rve-mqtt-'));
  });
  afterEach(async () => {
    await mqtt.stop();
    await memory.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const vector = (seed: number): Float32Array =>
    Float32Array.from({ length: DIMENSIONS }, (_, i) => Math.sin((i + 1) * (seed + 1)));

  it('keeps what it acknowledged over a reopen, and stores what is sent again once', async () => {
    await begin();
    const send = async (): Promise<void> => {
      const client = await connectAsync(`mqtt://127.0.0.1:${mqtt.port}`, { reconnectPeriod: 0 });
      const bodies = Array.from({ length: 40 }, (_, seq) =>
        encodeIngestCbor({ v: vector(seq), seq, boot: 9, label: 'ok', payload: { seq } }),
      );
      await Promise.all(bodies.map((body) => client.publishAsync(TOPIC, body, { qos: 1 })));
      await client.endAsync();
    };
    await send();
    expect(mqtt.stats()).toMatchObject({ acked: 40, stored: 40, duplicates: 0 });
    await mqtt.stop();
    await memory.close();
    await begin();
    await send();
    expect(mqtt.stats()).toMatchObject({ acked: 40, stored: 0, duplicates: 40 });
    const hit = await memory.query({ vector: vector(17), k: 1, filter: { source: 'pump-3' } });
    const [record] = await memory.get([hit.ids[0]!]);
    expect(record).toMatchObject({ source: 'pump-3', label: 'ok', payload: { seq: 17 } });
  });

  it('answers a query over MQTT with the record that was just acknowledged', async () => {
    await begin();
    const client = await connectAsync(`mqtt://127.0.0.1:${mqtt.port}`, { reconnectPeriod: 0 });
    await client.subscribeAsync('rve/n1/reply/me');
    const body = encodeIngestCbor({ v: vector(3), id: 77 }, 'f16');
    await client.publishAsync(TOPIC, body, { qos: 2 });
    const reply = nextMessage(client, 'rve/n1/reply/me');
    const query = encodeQueryCbor({
      v: vector(3),
      k: 1,
      recall: 0.95,
      replyTo: 'rve/n1/reply/me',
      correlation: 1,
    });
    await client.publishAsync('rve/n1/query', query);
    expect(await reply).toMatchObject({ correlation: 1, ids: [77], degraded: false });
    await client.endAsync();
  });

  it.each([0, 20])(
    'stores each of 2,000 messages in a window of 200, linger %i ms',
    async (linger) => {
      await begin(linger);
      let ticks = 0;
      const now = (): number => (ticks += 1);
      const load = {
        topic: TOPIC,
        dimensions: DIMENSIONS,
        count: 2_000,
        window: 200,
        boot: 5,
        now,
      };
      await runLoad({ port: mqtt.port, ...load });
      expect(mqtt.stats()).toMatchObject({ acked: 2_000, stored: 2_000, refused: 0 });
      expect(memory.stats().live).toBe(2_000);
    },
  );
});
