// Method: a stock client publishes numbered records at QoS 1 while the daemon is killed with
// SIGKILL in mid-stream, again and again, and started anew on the same store and port. The client
// reconnects and sends what was not acknowledged again, by itself. After each kill the store is
// read by another process: it must hold each acknowledged record. At the end each record must be
// there exactly once.

import mqtt, { type MqttClient } from 'mqtt';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { Rng } from '../../sim/index.js';
import { rve, Running } from './rve.fixture.js';

const KILLS = Number(process.env['RVE_E2E_KILLS'] ?? (process.env['RVE_VERIFY'] === '1' ? 20 : 5));
const SEED = Number(process.env['RVE_SEED'] ?? 20_241);
/** Messages in flight: as many as a group may hold, so that a kill meets groups half written. */
const IN_FLIGHT_MAX = 200;
const DIMS = 32;

class Stream {
  readonly acknowledged = new Set<number>();
  sent = 0;
  #stopped = false;
  #wake: () => void = () => undefined;
  readonly #client: MqttClient;
  readonly #boot: number;
  readonly #pending = new Set<Promise<void>>();
  readonly failures: unknown[] = [];

  constructor(client: MqttClient, boot: number) {
    this.#client = client;
    this.#boot = boot;
  }

  async run(): Promise<void> {
    while (!this.#stopped) {
      if (this.#pending.size >= IN_FLIGHT_MAX) await Promise.race(this.#pending);
      else this.#publish(this.sent++);
    }
    await Promise.all(this.#pending);
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Resolves once `count` more have been acknowledged. */
  async more(count: number): Promise<void> {
    const goal = this.acknowledged.size + count;
    while (this.acknowledged.size < goal) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #publish(seq: number): void {
    const v = Array.from({ length: DIMS }, (_, i) => ((seq * 31 + i * 17) % 97) + 1);
    const body = JSON.stringify({ v, boot: this.#boot, seq, t: seq, payload: { seq } });
    const work: Promise<void> = this.#client
      .publishAsync('rve/e2e/ingest/pump', body, { qos: 1 })
      .then(
        () => {
          this.acknowledged.add(seq);
        },
        (error: unknown) => {
          this.failures.push(error);
        },
      )
      .finally(() => {
        this.#pending.delete(work);
        this.#wake();
      });
    this.#pending.add(work);
  }
}

/** How often each sequence number is in the store, as another process reads it. */
async function stored(store: string): Promise<Map<number, number>> {
  const { code, stdout, stderr } = await rve(['export', store]);
  expect(code, stderr).toBe(0);
  const counts = new Map<number, number>();
  for (const line of stdout.trim().split('\n').slice(1)) {
    const { payload } = JSON.parse(line) as { payload: { seq: number } };
    counts.set(payload.seq, (counts.get(payload.seq) ?? 0) + 1);
  }
  return counts;
}

describe('kill -9 of the daemon in mid-stream', () => {
  it(
    `loses nothing acknowledged and stores nothing twice, ${KILLS} times`,
    async () => {
      console.log(`seed ${SEED}, ${KILLS} kills`);
      const rng = new Rng(SEED);
      const folder = mkdtempSync(join(tmpdir(), 'rve-kills-'));
      const store = join(folder, 'a.rve');
      const config = join(folder, 'rve.toml');
      writeFileSync(
        config,
        `[memory]\nembedding_dim = ${DIMS}\n[serve]\nstatus_interval_ms = 60000\n`,
      );
      let port = 0;
      const start = async (): Promise<Running> => {
        const daemon = new Running([
          'serve',
          '--config',
          config,
          '--store',
          store,
          '--port',
          `${port}`,
          '--node',
          'e2e',
        ]);
        port = Number((await daemon.said(/MQTT mqtt:\/\/127\.0\.0\.1:(\d+):/))[1]);
        return daemon;
      };
      let daemon = await start();
      const client = mqtt.connect(`mqtt://127.0.0.1:${port}`, {
        clientId: 'pump',
        clean: false,
        reconnectPeriod: 20,
      });
      client.on('error', () => undefined);
      const stream = new Stream(client, Math.floor(rng.uniform() * 2 ** 32));
      const ran = stream.run();
      try {
        for (let kill = 0; kill < KILLS; kill++) {
          await stream.more(100 + Math.floor(rng.uniform() * 1500));
          await daemon.end('SIGKILL');
          const acknowledged = [...stream.acknowledged];
          const found = await stored(store);
          expect(
            acknowledged.filter((seq) => !found.has(seq)),
            `lost after kill ${kill + 1}`,
          ).toEqual([]);
          expect(
            [...found].filter(([, count]) => count > 1),
            `twice after kill ${kill + 1}`,
          ).toEqual([]);
          daemon = await start();
        }
        await stream.more(100);
        stream.stop();
        await ran;
        expect(stream.failures).toEqual([]);
        expect((await daemon.end('SIGINT')).code).toBe(0);
        const found = await stored(store);
        expect(stream.acknowledged.size).toBe(stream.sent);
        expect(found.size).toBe(stream.sent);
        expect([...found.values()].every((count) => count === 1)).toBe(true);
        console.log(`${stream.sent} records, ${KILLS} kills: 0 lost, 0 twice`);
      } finally {
        stream.stop();
        await client.endAsync(true);
        await daemon.end('SIGKILL');
        rmSync(folder, { recursive: true });
      }
    },
    30_000 + 10_000 * KILLS,
  );
});
