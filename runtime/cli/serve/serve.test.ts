import { connectAsync } from 'mqtt';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import pino from 'pino';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { Rng } from '../../../sim/index.js';
import { defaultConfig } from '../../config/index.js';
import { RveError } from '../../errors/index.js';
import { fakeWorld, type Outcome } from '../context.fixture.js';
import type { CliContext, Store } from '../context.js';
import { FakeStores } from '../fake_store.fixture.js';
import type { Reading } from '../publisher.js';
import { Latencies } from './latencies.js';
import { startBroker } from './mqtt.js';
import { NoveltyWatch } from './novelty_watch.js';
import { openOptionsOf } from './open_options.js';
import { SelfQuery } from './self_query.js';
import { Simulation } from './simulation.js';
import { statusLine, statusOf } from './status.js';

/** Ticks that a test strikes by hand. */
class HandTimers {
  readonly ticks = new Set<() => void>();
  readonly every = (_ms: number, tick: () => void): (() => void) => {
    this.ticks.add(tick);
    return () => this.ticks.delete(tick);
  };
  strike(): void {
    for (const tick of this.ticks) tick();
  }
}

const answer = {
  ids: Float64Array.of(1),
  scores: Float32Array.of(0.9),
  latencyUs: 1,
  degraded: false,
};

describe('Latencies', () => {
  it('gives the nearest rank of what was kept, and nothing before the first', () => {
    const latencies = new Latencies();
    expect(latencies.percentile(0.5)).toBeNull();
    for (let ms = 100; ms >= 1; ms--) latencies.add(ms);
    expect([0, 0.5, 0.99, 1].map((share) => latencies.percentile(share))).toEqual([1, 50, 99, 100]);
    for (let i = 0; i < 1024; i++) latencies.add(7);
    expect([0, 1].map((share) => latencies.percentile(share))).toEqual([7, 7]);
  });
});

describe('SelfQuery', () => {
  it('asks one query at a time, with a stored vector, and times it', async () => {
    const timers = new HandTimers();
    const latencies = new Latencies();
    const asked: unknown[] = [];
    let finish: () => void = () => undefined;
    let now = 0;
    const load = new SelfQuery({
      perS: 20,
      every: timers.every,
      monotonic: () => (now += 5),
      random32: () => 7,
      latencies,
      onError: (error) => asked.push(error),
      store: {
        query: (options) =>
          new Promise((resolve) => {
            asked.push(options.vector);
            finish = () => resolve(answer);
          }),
      },
    });
    timers.strike();
    expect(asked).toEqual([]);
    const vector = Float32Array.of(1, 2);
    load.remember(vector);
    timers.strike();
    timers.strike();
    expect(asked).toEqual([vector]);
    finish();
    await load.stop();
    expect(latencies.percentile(1)).toBe(5);
    expect(timers.ticks.size).toBe(0);
  });

  it('reports a failed query, and goes on', async () => {
    const timers = new HandTimers();
    const errors: unknown[] = [];
    const load = new SelfQuery({
      perS: 1,
      every: timers.every,
      monotonic: () => 0,
      random32: () => 0,
      latencies: new Latencies(),
      onError: (error) => errors.push(error),
      store: { query: () => Promise.reject(new RveError('ERR_CLOSED', 'closed')) },
    });
    load.remember(Float32Array.of(1));
    timers.strike();
    await load.stop();
    expect(errors).toHaveLength(1);
  });
});

describe('NoveltyWatch', () => {
  /** A store that answers with the distances it is told. */
  function watch(distanceOf: (id: number) => number) {
    const events: number[] = [];
    const filters: unknown[] = [];
    let id = 0;
    const store: Pick<Store, 'query'> = {
      query: async ({ vector, filter }) => {
        filters.push(filter);
        const own = vector[0] ?? 0;
        const similarity = 1 - distanceOf(own) ** 2 / 2;
        const ids = Float64Array.of(own, 900, 901, 902, 903, 904);
        return { ...answer, ids, scores: Float32Array.of(1, ...Array<number>(5).fill(similarity)) };
      },
    };
    const novelty = new NoveltyWatch({
      store,
      metric: 'cosine',
      monotonic: () => 0,
      latencies: new Latencies(),
      onEvent: ({ timeMs, nearestId }) => {
        expect(nearestId).toBe(900);
        events.push(timeMs);
      },
      onError: (error) => {
        throw error;
      },
    });
    const feed = async (count: number): Promise<void> => {
      for (let i = 0; i < count; i++, id++) {
        novelty.observe({ source: 'p', id, vector: Float32Array.of(id), timeMs: id * 100 });
        await novelty.idle();
      }
    };
    return { novelty, feed, events, filters };
  }

  it('reports a source that leaves what it sent before, and not its usual scatter', async () => {
    const rng = new Rng(5);
    const usual = (): number => 0.2 + 0.01 * rng.normal();
    const { feed, events, filters, novelty } = watch((id) => (id < 300 ? usual() : 0.8));
    await feed(300);
    expect(events).toEqual([]);
    await feed(10);
    expect(events).toEqual([30_200]);
    expect(novelty.events).toBe(1);
    expect(filters.every((filter) => (filter as { source: string }).source === 'p')).toBe(true);
  });

  it('passes vectors over, and counts them, when queries cannot keep up', async () => {
    const { novelty } = watch(() => 0.2);
    for (let id = 0; id < 1000; id++) {
      novelty.observe({ source: 'p', id, vector: Float32Array.of(id), timeMs: id });
    }
    expect(novelty.skipped).toBe(1000 - 256 - 1);
    await novelty.stop();
    novelty.observe({ source: 'p', id: 1, vector: Float32Array.of(1), timeMs: 1 });
    expect(novelty.skipped).toBe(1000 - 256 - 1);
  });
});

describe('Simulation', () => {
  function simulation(windowsPerS: number, rest: object = {}) {
    const timers = new HandTimers();
    const readings: Reading[] = [];
    const world = { now: 0, replaced: 0 };
    const config = { ...defaultConfig().sim, kind: 'bearing' as const, windowsPerS, lifeS: 2 };
    const machine = new Simulation({
      config,
      dimensions: 64,
      boot: 77,
      initialWear: 0,
      every: timers.every,
      monotonic: () => world.now,
      now: () => 5_000 + world.now,
      publish: async (reading) => {
        readings.push(reading);
      },
      onError: (error) => {
        throw error;
      },
      onReplaced: () => world.replaced++,
      ...rest,
    });
    const run = async (ms: number): Promise<void> => {
      world.now += ms;
      timers.strike();
      await machine.idle();
    };
    return { machine, readings, run, world, timers };
  }

  it('makes the windows that are due, without gaps, and catches up by a second', async () => {
    const { readings, run, machine, timers } = simulation(10);
    await run(500);
    expect(readings).toHaveLength(5);
    await run(10_000);
    expect(readings).toHaveLength(15);
    expect(readings.map(({ sequence }) => sequence)).toEqual(readings.map((_, index) => index));
    expect(readings[0]).toMatchObject({
      source: 'bearing-1',
      boot: 77,
      timeMs: 5500,
      label: 'healthy',
    });
    expect(readings[0]!.vector).toHaveLength(64);
    await machine.stop();
    expect(timers.ticks.size).toBe(0);
  });

  it('wears out, is replaced, and starts where it is told', async () => {
    const worn = simulation(100, { initialWear: 0.97 });
    await worn.run(10);
    expect(worn.readings[0]!.label).toBe('severe');
    await worn.run(20);
    expect(worn.world.replaced).toBe(1);
    expect(worn.readings.at(-1)!.label).toBe('healthy');
  });
});

describe('the status line', () => {
  async function stats(vectors: readonly number[]) {
    const stores = new FakeStores();
    stores.make('a.rve', 2);
    const fresh = (await stores.open('a.rve', {})).stats();
    const tiers = fresh.tiers.map((one, index) => ({ ...one, vectors: vectors[index] ?? 0 }));
    return { ...fresh, live: 12_345, tailRows: 45, frozenRows: 300, linkedRows: 12_000, tiers };
  }

  it('shows rate, lsn, vectors, tiers, percentiles and bytes', async () => {
    const status = statusOf({
      stats: await stats([345, 0, 0, 12_000, 0]),
      stored: 30,
      elapsedMs: 1500,
      p50Ms: 0.123,
      p99Ms: null,
      residentBytes: 90 * 2 ** 20,
      sim: { wear: 0.421, stage: 'growing' },
    });
    expect(statusLine(status)).toBe(
      '20.0/s lsn 7 · 12k vectors, tail 45 · tiers 3/0/0/97/0% · p50 0.12 p99 -ms' +
        ' · RSS 90M file 4.0k · wear 42%',
    );
    expect(status.vectors).toEqual({ live: 12_345, tail: 45, frozen: 300, linked: 12_000 });
    expect(status.tiers).toEqual({ hot: 345, warm: 0, cool: 0, cold: 12_000, archive: 0 });
  });

  it('fits 120 columns whatever the figures are, and has no tiers when empty', async () => {
    for (const most of [99.9, 999, 999.9, 9_949, 99_999, 999_499, 999_500, 9.99e7, 9.999e11]) {
      const full = await stats([1, 1, 1, 1, 1]);
      const status = statusOf({
        stats: { ...full, live: most, tailRows: most, durableLsn: most, fileBytes: most * 1024 },
        stored: most,
        elapsedMs: 1000,
        p50Ms: most,
        p99Ms: most,
        residentBytes: most * 1024,
        sim: { wear: 1, stage: 'severe' },
      });
      expect(statusLine(status).length, statusLine(status)).toBeLessThanOrEqual(120);
      expect(statusLine(status)).toContain('tiers 20/20/20/20/20%');
    }
    const empty = await stats([]);
    const line = statusLine(
      statusOf({
        stats: empty,
        stored: 0,
        elapsedMs: 1,
        p50Ms: null,
        p99Ms: null,
        residentBytes: 0,
        sim: null,
      }),
    );
    expect(line).not.toContain('tiers');
  });
});

describe('what serve tells Memory.open', () => {
  it('passes every key of [memory] on, and leaves out a 0 that means none', () => {
    const config = defaultConfig();
    expect(openOptionsOf(config)).toEqual({
      profile: 'edge',
      originals: 'drop',
      hotThreshold: 0.8,
      warmThreshold: 0.4,
      coolThreshold: 0.1,
      coldThreshold: 0.01,
      promotionThreshold: 1.5,
      demotionThreshold: 0.5,
      accessDecayHalflifeS: 3600,
      recompressIntervalS: 300,
      codebookSampleSize: 8192,
      codebookUpdateFreq: 10_000,
      durability: 'group',
      lingerMs: 0,
      intervalMs: 200,
      hnswM: 16,
      hnswEfConstruction: 80,
      hnswEfSearch: 64,
    });
    Object.assign(config.memory, { bytesMax: 5, bytesRatioMax: 0.3, coolBits: 6, coldBits: 3 });
    config.memory.coldThreshold = 0;
    config.sim.kind = 'bearing';
    expect(openOptionsOf(config)).toMatchObject({
      dimensions: 128,
      bytesMax: 5,
      bytesRatioMax: 0.3,
      coolBits: 6,
      coldBits: 3,
      coldThreshold: 0,
    });
  });
});

describe('rve serve', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'rve-serve-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  /** Runs `rve serve` in this process on a store in RAM; `stop` is Ctrl-C. */
  function serve(argv: string[]) {
    const timers = new HandTimers();
    const world = fakeWorld();
    const stops = new Set<(cause: string) => void>();
    let exit: number | null = null;
    let now = 0;
    let waiting: { pattern: RegExp; resolve: (match: RegExpExecArray) => void } | null = null;
    let text = '';
    const stdout = new PassThrough();
    stdout.on('data', (piece: Buffer) => {
      text += piece.toString();
      const match = waiting?.pattern.exec(text);
      if (match !== null && match !== undefined) waiting?.resolve(match);
    });
    const overrides: Partial<CliContext> = {
      stdout,
      every: timers.every,
      // A window is due at each strike: 50 ms at 20 windows a second.
      monotonic: () => (now += 10),
      after: (ms, run) => {
        const timer = setTimeout(run, ms);
        return () => clearTimeout(timer);
      },
      sleep: () => new Promise(() => undefined),
      onStop: (handler) => {
        stops.add(handler);
        return () => stops.delete(handler);
      },
      exitNow: (code) => {
        exit = code;
      },
    };
    const done: Promise<Outcome> = world.rve(['serve', ...argv], '', overrides);
    return {
      timers,
      world,
      done,
      stop: (cause = 'SIGINT') => stops.forEach((handler) => handler(cause)),
      exit: () => exit,
      text: () => text,
      said: (pattern: RegExp) =>
        new Promise<RegExpExecArray>((resolve, reject) => {
          const match = pattern.exec(text);
          if (match !== null) resolve(match);
          waiting = { pattern, resolve };
          void done.then(({ stderr }) =>
            reject(new Error(`ended before ${String(pattern)}: ${text}${stderr}`)),
          );
        }),
    };
  }

  it('publishes a simulated bearing over real MQTT, and stops in order', async () => {
    const path = join(folder, 'deep', 'a.rve');
    const daemon = serve(['--sim', 'bearing', '--store', path, '--port', '0', '--node', 'test-1']);
    await daemon.said(/Ready\. Ctrl-C stops\./);
    const { records } = daemon.world.stores.files.get(path)!;
    while (records.size < 20) {
      daemon.timers.strike();
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(records.get(0)).toMatchObject({ source: 'bearing-1', label: 'healthy' });
    expect(records.get(0)!.vector).toHaveLength(128);
    expect(daemon.text()).toMatch(/\/s lsn 7 · \d+ vectors, tail \d+ · tiers 100(\/0){4}% · p50 /);
    daemon.stop();
    const { code, stderr } = await daemon.done;
    expect({ code, stderr: stderr.includes('"level":50') }).toEqual({ code: 0, stderr: false });
    expect(daemon.text()).toMatch(/SIGINT: stopping\.[^]*Stopped: \d+ records in /);
    expect(daemon.timers.ticks.size).toBe(0);
  });

  it('takes another port when the default one is taken, and none for one asked for', async () => {
    const blocker = createServer();
    await new Promise<void>((resolve) => blocker.listen(0, '127.0.0.1', () => resolve()));
    const { port } = blocker.address() as AddressInfo;
    const stores = new FakeStores();
    stores.make('a.rve', 2);
    const config = defaultConfig();
    config.mqtt.port = port;
    const options = {
      memory: await stores.open('a.rve', {}),
      config,
      log: pino({ level: 'silent' }),
      context: { clock: { now: () => 0 }, after: () => () => undefined, random32: () => 1 },
      onStored: () => undefined,
      onFailed: () => undefined,
    };
    const broker = await startBroker(options);
    expect(broker.instead).toBe(broker.mqtt.port);
    expect(broker.url).toBe(`mqtt://127.0.0.1:${broker.mqtt.port}`);
    expect(broker.mqtt.port).not.toBe(port);
    await broker.mqtt.stop();
    config.given.add('mqtt.port');
    await expect(startBroker(options)).rejects.toMatchObject({ code: 'ERR_MQTT' });
    const asked = await serve([
      '--sim',
      'bearing',
      '--store',
      join(folder, 'b.rve'),
      '--port',
      `${port}`,
    ]).done;
    expect(asked.code).toBe(1);
    expect(asked.stderr).toMatch(new RegExp(`^rve: .*${port}`, 'm'));
    await new Promise<void>((resolve) => blocker.close(() => resolve()));
  });

  it('leaves at once at the second Ctrl-C', async () => {
    const daemon = serve(['--sim', 'bearing', '--store', join(folder, 'a.rve'), '--port', '0']);
    await daemon.said(/Ready/);
    daemon.stop();
    daemon.stop();
    expect(daemon.exit()).toBe(130);
    await daemon.done;
  });

  it('goes by its configuration, and keeps the password out of its log', async () => {
    writeFileSync(join(folder, 'users'), 'pump:correct horse\n', { mode: 0o600 });
    writeFileSync(
      join(folder, 'rve.toml'),
      `node = "gate"
[memory]
path = ${JSON.stringify(join(folder, 'a.rve'))}
embedding_dim = 2
metric = "l2"
[mqtt]
port = 0
users_file = ${JSON.stringify(join(folder, 'users'))}
[log]
level = "debug"`,
    );
    const daemon = serve(['--config', join(folder, 'rve.toml')]);
    const url = (await daemon.said(/MQTT (mqtt:\S+): publish to rve\/gate\/ingest\/<source>/))[1]!;
    await daemon.said(/Ready/);
    await expect(connectAsync(url, { reconnectPeriod: 0 }, false)).rejects.toThrow();
    const client = await connectAsync(url, { username: 'pump', password: 'correct horse' });
    await client.publishAsync('rve/gate/ingest/pump', '{"v":[1,2],"seq":0,"boot":1}', { qos: 1 });
    expect(daemon.world.stores.files.get(join(folder, 'a.rve'))!.records.get(0)!.source).toBe(
      'pump',
    );
    await client.endAsync();
    daemon.stop();
    const { stderr, code } = await daemon.done;
    expect(code).toBe(0);
    expect(stderr + daemon.text()).not.toContain('correct horse');
  });

  it('refuses a file of secrets that others may read, and a broken one', async () => {
    const config = join(folder, 'rve.toml');
    const users = join(folder, 'users');
    const text = `[memory]\npath = ${JSON.stringify(join(folder, 'a.rve'))}\nembedding_dim = 2\n`;
    writeFileSync(config, `${text}[mqtt]\nport = 0\nusers_file = ${JSON.stringify(users)}`);
    writeFileSync(users, 'a:b\n', { mode: 0o644 });
    expect((await serve(['--config', config]).done).stderr).toContain(`chmod 600 ${users}`);
    rmSync(users);
    writeFileSync(users, 'nonsense\n', { mode: 0o600 });
    const { code, stderr } = await serve(['--config', config]).done;
    expect(stderr).toContain('line 1: not name:password');
    expect(code).toBe(2);
    expect(readFileSync(users, 'utf8')).toBe('nonsense\n');
  });

  it('refuses what it does not know, before it opens anything', async () => {
    const config = join(folder, 'rve.toml');
    writeFileSync(config, '[memory]\npat = "x"');
    const cases: [string[], RegExp, number][] = [
      [['--sim', 'robot'], /--sim robot is not in this version/, 1],
      [['--sim', 'baering'], /no simulation "baering"/, 2],
      [['--config', config], /unknown key "pat"\. Did you mean "path"\?/, 2],
      [['--config', join(folder, 'none.toml')], /none\.toml/, 1],
      [['--sim', 'bearing', '--node', 'a/b'], /--node must be/, 2],
      [['--sim', 'bearing', '--port', '70000'], /--port must be/, 2],
    ];
    for (const [argv, expected, exitCode] of cases) {
      const { code, stderr } = await serve(argv).done;
      expect(stderr, argv.join(' ')).toMatch(expected);
      expect(code, argv.join(' ')).toBe(exitCode);
    }
  });
});
