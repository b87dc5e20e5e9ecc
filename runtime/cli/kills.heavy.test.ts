// Method: a stock client publishes numbered records at QoS 1 while the daemon is killed with
// SIGKILL in mid-stream, again and again, and started anew on the same store and port. The client
// reconnects and sends what was not acknowledged again, by itself. After each kill the store is
// read by another process: it must hold each acknowledged record. At the end each record must be
// there exactly once.

import mqtt, { type MqttClient } from 'mqtt';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { Rng } from '../../sim/index.js';
import { rve, Running } from './rve.fixture.js';

const KILLS = Number(process.env['RVE_E2E_KILLS'] ?? (process.env['RVE_VERIFY'] === '1' ? 20 : 5));
const SEED = Number(process.env['RVE_SEED'] ?? 20_241);
/** Messages in flight: as many as a group may hold, so that a kill meets groups half written. */
const IN_FLIGHT_MAX = 200;
const DIMS = 32;

/** Publishes 0, 1, 2, ... until it is stopped, and keeps count of what was acknowledged. */
class Stream {
  readonly acknowledged = new Set<number>();
  sent = 0;
  /** Publish packets that left the client; each above `sent` is a second delivery. */
  packets = 0;
  readonly #client: MqttClient;
  readonly #boot: number;
  readonly #pending = new Set<Promise<void>>();
  readonly #done: Promise<void>;
  #stopped = false;
  #wake: () => void = () => undefined;

  constructor(client: MqttClient, boot: number) {
    this.#client = client;
    this.#boot = boot;
    client.on('packetsend', (packet) => {
      if (packet.cmd === 'publish') this.packets++;
    });
    this.#done = this.#run();
  }

  /** Resolves once all that was sent is acknowledged. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#done;
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

  async #run(): Promise<void> {
    while (!this.#stopped) {
      if (this.#pending.size >= IN_FLIGHT_MAX) await Promise.race(this.#pending);
      else this.#send(this.sent++);
    }
    await Promise.all(this.#pending);
  }

  #send(seq: number): void {
    const work: Promise<void> = this.#publish(seq).finally(() => {
      this.#pending.delete(work);
      this.#wake();
    });
    this.#pending.add(work);
  }

  async #publish(seq: number): Promise<void> {
    const v = Array.from({ length: DIMS }, (_, i) => ((seq * 31 + i * 17) % 97) + 1);
    const body = JSON.stringify({ v, boot: this.#boot, seq, t: seq, payload: { seq } });
    while (!this.#client.disconnecting) {
      try {
        await this.#client.publishAsync('rve/e2e/ingest/pump', body, { qos: 1 });
        this.acknowledged.add(seq);
        return;
      } catch {
        // The client had not sent it yet when the connection broke, and gave it back: again.
        continue;
      }
    }
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

/** A daemon on one store and, from its second start on, on the same port. */
class Victim {
  readonly #argv: readonly string[];
  port = 0;
  daemon: Running | null = null;

  constructor(folder: string, store: string) {
    const config = join(folder, 'rve.toml');
    const text = `[memory]\nembedding_dim = ${DIMS}\n[serve]\nstatus_interval_ms = 60000\n`;
    writeFileSync(config, text);
    this.#argv = ['serve', '--config', config, '--store', store, '--node', 'e2e'];
  }

  async start(): Promise<void> {
    this.daemon = new Running([...this.#argv, '--port', `${this.port}`]);
    const said = await this.daemon.said(/MQTT mqtt:\/\/127\.0\.0\.1:(\d+):/);
    this.port = Number(said[1]);
  }

  async end(signal: NodeJS.Signals): Promise<number | null> {
    return (await this.daemon?.end(signal))?.code ?? null;
  }
}

describe('kill -9 of the daemon in mid-stream', () => {
  let folder: string;
  let store: string;
  let victim: Victim;
  let client: MqttClient | null = null;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'rve-kills-'));
    store = join(folder, 'a.rve');
    victim = new Victim(folder, store);
    await victim.start();
    client = mqtt.connect(`mqtt://127.0.0.1:${victim.port}`, {
      clientId: 'pump',
      clean: false,
      reconnectPeriod: 20,
    });
    client.on('error', () => undefined);
  });

  afterEach(async () => {
    await client?.endAsync(true);
    await victim.end('SIGKILL');
    rmSync(folder, { recursive: true });
  });

  const name = `loses nothing acknowledged and stores nothing twice, ${KILLS} times`;
  it(name, { timeout: 30_000 + 10_000 * KILLS }, async () => {
    console.log(`seed ${SEED}, ${KILLS} kills`);
    const rng = new Rng(SEED);
    if (client === null) throw new Error('no client');
    const stream = new Stream(client, Math.floor(rng.uniform() * 2 ** 32));
    let unacknowledged = 0;
    for (let kill = 1; kill <= KILLS; kill++) {
      await stream.more(100 + Math.floor(rng.uniform() * 1500));
      await victim.end('SIGKILL');
      const acknowledged = [...stream.acknowledged];
      const found = await stored(store);
      const lost = acknowledged.filter((seq) => !found.has(seq));
      expect(lost, `lost after kill ${kill}`).toEqual([]);
      const twice = [...found].filter(([, count]) => count > 1);
      expect(twice, `twice after kill ${kill}`).toEqual([]);
      unacknowledged += found.size - acknowledged.length;
      await victim.start();
    }
    await stream.more(100);
    await stream.stop();
    expect(await victim.end('SIGINT')).toBe(0);
    const found = await stored(store);
    expect(stream.acknowledged.size).toBe(stream.sent);
    expect([...found.keys()].sort((a, b) => a - b)).toEqual(
      Array.from({ length: stream.sent }, (_, seq) => seq),
    );
    expect([...found.values()].every((count) => count === 1)).toBe(true);
    // Else no kill came in mid-stream, and nothing was tested.
    const redelivered = stream.packets - stream.sent;
    expect(redelivered).toBeGreaterThan(0);
    console.log(
      `${stream.sent} records, ${KILLS} kills: 0 lost, 0 twice; ` +
        `${redelivered} redelivered, ${unacknowledged} stored and not yet acknowledged`,
    );
  });
});
