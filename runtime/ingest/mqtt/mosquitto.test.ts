import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectAsync, type MqttClient } from 'mqtt';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeIngestCbor, encodeQueryCbor } from '../body/index.js';
import { startMqtt, type MqttIngest } from './index.js';
import { runLoad } from './testing/load.js';
import { MemoryDouble } from './testing/memory_double.fixture.js';
import { brokerRig, DIMS, ManualTimers, nextMessage, VECTOR } from './testing/rig.fixture.js';

// Debian's mosquitto and its clients: peers that nobody here wrote.
const INSTALLED =
  spawnSync('mosquitto', ['-h']).error === undefined &&
  spawnSync('mosquitto_pub', ['--help']).error === undefined;
if (!INSTALLED) console.warn('skipped: mosquitto and mosquitto-clients are not installed');

const TOPIC = 'rve/n1/ingest/pump-3';

describe.skipIf(!INSTALLED)('with mosquitto', () => {
  let folder: string;
  let process_: ChildProcess;
  let port: number;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'rve-mosquitto-'));
    const probe = createServer().listen(0, '127.0.0.1');
    await once(probe, 'listening');
    port = (probe.address() as AddressInfo).port;
    probe.close();
    await once(probe, 'close');
    const config = [
      `listener ${port} 127.0.0.1`,
      'allow_anonymous true',
      'max_inflight_messages 200',
      'max_queued_messages 0',
      'persistence false',
      'user root',
      'log_type all',
    ];
    writeFileSync(join(folder, 'm.conf'), config.join('\n'));
    process_ = spawn('mosquitto', ['-c', join(folder, 'm.conf')], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    await new Promise<void>((resolve, reject) => {
      process_.once('exit', () => reject(new Error('mosquitto did not start')));
      process_.stderr!.on('data', (text: Buffer) => {
        if (text.includes('running')) resolve();
      });
    });
    process_.removeAllListeners('exit');
  });
  afterAll(async () => {
    if (process_ !== undefined && process_.exitCode === null) {
      process_.kill();
      await once(process_, 'exit');
    }
    rmSync(folder, { recursive: true, force: true });
  });

  const session = async (
    memory: MemoryDouble,
    protocolVersion: '3.1.1' | '5',
    dimensions = DIMS,
  ): Promise<MqttIngest> =>
    startMqtt({
      memory,
      dimensions,
      node: 'n1',
      timers: new ManualTimers(),
      clock: { now: () => 0 },
      random: () => 0.5,
      client: {
        url: `mqtt://127.0.0.1:${port}`,
        protocolVersion,
        clientId: `t-${protocolVersion}-${dimensions}`,
      },
    });
  const stock = async (protocolVersion: 4 | 5): Promise<MqttClient> =>
    connectAsync(`mqtt://127.0.0.1:${port}`, { protocolVersion, reconnectPeriod: 0 });

  it.each([
    ['3.1.1', 4],
    ['5', 5],
  ] as const)('MQTT %s: stores QoS 0, 1 and 2, and answers a query', async (version, number) => {
    const memory = new MemoryDouble(DIMS);
    const mqtt = await session(memory, version);
    const client = await stock(number);
    for (const qos of [0, 1, 2] as const) {
      await client.publishAsync(TOPIC, encodeIngestCbor({ v: VECTOR, seq: qos, boot: 3 }), { qos });
    }
    await client.subscribeAsync('answers/me');
    for (let asked = 0; memory.durable < 3; asked += 1) {
      const reply = nextMessage(client, 'answers/me');
      await client.publishAsync(
        'rve/n1/query',
        encodeQueryCbor({ v: VECTOR, replyTo: 'answers/me', correlation: asked }),
      );
      expect(await reply).toMatchObject({ correlation: asked });
    }
    expect(memory.rows.map(({ fields }) => fields.sequence).sort()).toEqual([0, 1, 2]);
    await client.endAsync();
    await mqtt.stop();
  });

  it('says offline after stop, and online while it runs, to whoever subscribes', async () => {
    const memory = new MemoryDouble(DIMS);
    const client = await stock(4);
    let status = nextMessage(client, 'rve/n1/status');
    await client.subscribeAsync('rve/n1/status');
    await status;
    const first = await new Promise<string>((resolve) => {
      client.on('message', (_topic, payload) => {
        if (payload.includes('online')) resolve('online');
      });
      void session(memory, '3.1.1').then(async (mqtt) => {
        status = nextMessage(client, 'rve/n1/status');
        await status;
        const offline = nextMessage(client, 'rve/n1/status');
        await mqtt.stop();
        expect(await offline).toEqual({ state: 'offline' });
      });
    });
    expect(first).toBe('online');
    await client.endAsync();
  });

  it.each(['3.1.1', '5'] as const)(
    'MQTT %s: keeps up with a full window of 560-byte bodies',
    async (version) => {
      const memory = new MemoryDouble(128);
      const mqtt = await session(memory, version, 128);
      let ticks = 0;
      await runLoad({
        port,
        topic: TOPIC,
        dimensions: 128,
        count: 2_000,
        window: 200,
        boot: 9,
        now: () => (ticks += 1),
      });
      while (mqtt.stats().acked < 2_000) await new Promise((resolve) => setImmediate(resolve));
      expect(memory.durable).toBe(2_000);
      expect(memory.groups).toBeLessThan(1_500);
      await mqtt.stop();
    },
  );

  it.each([
    ['0', '311'],
    ['1', '311'],
    ['2', '311'],
  ])('mosquitto_pub at QoS %s reaches the embedded broker (mqttv%s)', async (qos, version) => {
    const rig = await brokerRig();
    const json = JSON.stringify({ v: [1, 2, 3, 4], seq: 1, boot: 1, label: 'from-debian' });
    const args = [
      '-p',
      String(rig.mqtt.port),
      '-t',
      TOPIC,
      '-q',
      qos,
      '-V',
      `mqttv${version}`,
      '-m',
      json,
    ];
    const child = spawn('mosquitto_pub', args);
    const [code] = (await once(child, 'exit')) as [number];
    expect(code).toBe(0);
    while (rig.mqtt.stats().acked < 1) await new Promise((resolve) => setImmediate(resolve));
    expect(rig.memory.rows.map(({ fields }) => fields.labels)).toEqual(['from-debian']);
    await rig.close();
  });
});
