import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectAsync, type MqttClient } from 'mqtt';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeIngestCbor } from '../body/index.js';
import { startMqtt, type MqttIngest } from './index.js';
import { MemoryDouble } from './testing/memory_double.fixture.js';
import { DIMS, ManualTimers, VECTOR } from './testing/rig.fixture.js';

const OPENSSL = spawnSync('openssl', ['version']).status === 0;
if (!OPENSSL) console.warn('skipped: openssl is not installed, so there are no certificates');

interface Pair {
  key: Buffer;
  cert: Buffer;
}

describe.skipIf(!OPENSSL)('TLS', () => {
  let folder: string;
  let ca: Pair;
  let server: Pair;
  let sensor: Pair;
  let memory: MemoryDouble;
  let mqtt: MqttIngest;

  const path = (name: string): string => join(folder, name);
  const openssl = (...args: string[]): void => {
    const { status, stderr } = spawnSync('openssl', args, { cwd: folder });
    if (status !== 0) throw new Error(stderr.toString());
  };
  const issue = (name: string, subject: string): Pair => {
    const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    openssl('req', ...newKey, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', subject);
    writeFileSync(path('san'), 'subjectAltName=IP:127.0.0.1,DNS:localhost');
    openssl(
      ...['x509', '-req', '-in', `${name}.csr`, '-CA', 'ca.crt', '-CAkey', 'ca.key'],
      ...['-CAcreateserial', '-days', '2', '-out', `${name}.crt`, '-extfile', 'san'],
    );
    return { key: readFileSync(path(`${name}.key`)), cert: readFileSync(path(`${name}.crt`)) };
  };

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'rve-tls-'));
    const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    openssl(
      'req',
      '-x509',
      ...newKey,
      '-keyout',
      'ca.key',
      '-out',
      'ca.crt',
      '-subj',
      '/CN=ca',
      '-days',
      '2',
    );
    ca = { key: readFileSync(path('ca.key')), cert: readFileSync(path('ca.crt')) };
    server = issue('server', '/CN=gateway');
    sensor = issue('sensor', '/CN=pump-3');
    memory = new MemoryDouble(DIMS);
    mqtt = await startMqtt({
      memory,
      dimensions: DIMS,
      node: 'n1',
      clock: { now: () => 0 },
      timers: new ManualTimers(),
      broker: { host: '0.0.0.0', port: 0, tls: { ...server, ca: ca.cert } },
    });
  });
  afterAll(async () => {
    await mqtt?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const join_ = async (options: Partial<Pair>): Promise<MqttClient> =>
    connectAsync(`mqtts://127.0.0.1:${mqtt.port}`, { reconnectPeriod: 0, ca: ca.cert, ...options });
  const body = encodeIngestCbor({ v: VECTOR });

  it('a certified sensor writes its own source, and no other', async () => {
    const client = await join_(sensor);
    client.on('error', () => {});
    await client.publishAsync('rve/n1/ingest/pump-3', body, { qos: 1 });
    const closed = new Promise<void>((resolve) => client.once('close', () => resolve()));
    client.publish('rve/n1/ingest/pump-4', body, { qos: 1 }, () => {});
    await closed;
    await client.endAsync(true);
    expect(memory.rows.map(({ fields }) => fields.source)).toEqual(['pump-3']);
  });

  it('a client without a certificate does not get in', async () => {
    await expect(join_({})).rejects.toThrow();
  });

  it('client mode checks the name of the broker it talks to', async () => {
    const start = async (servername: string, user: Partial<Pair>): Promise<MqttIngest> =>
      startMqtt({
        memory,
        dimensions: DIMS,
        node: 'n1',
        clock: { now: () => 0 },
        timers,
        random: () => 0,
        log: { info: () => {}, warn: (fields) => lost.push(JSON.stringify(fields)) },
        client: {
          url: `mqtts://127.0.0.1:${mqtt.port}`,
          tls: { ca: ca.cert, servername, ...user },
        },
      });
    const timers = new ManualTimers();
    const lost: string[] = [];
    // The embedded broker grants no ingest subscription: reaching that refusal proves the
    // handshake.
    await expect(start('localhost', sensor)).rejects.toThrow('subscription');
    const wrong = start('elsewhere.example', sensor).catch(() => {});
    await timers.fire((ms) => ms < 1_000);
    expect(lost.at(-1)).toContain('elsewhere.example');
    timers.pending.length = 0;
    void wrong;
  });
});
