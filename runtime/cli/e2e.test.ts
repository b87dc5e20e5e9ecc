// The built command, real stores, a real daemon, a stock MQTT client.

import { connectAsync, type MqttClient } from 'mqtt';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { rve, rveJson, Running } from './rve.fixture.js';

let folder: string;
let store: string;
const running: Running[] = [];
const clients: MqttClient[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'rve-e2e-'));
  store = join(folder, 'a.rve');
});

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.endAsync(true)));
  await Promise.all(running.splice(0).map((one) => one.end('SIGKILL')));
  chmodSync(folder, 0o700);
  rmSync(folder, { recursive: true, force: true });
});

const lines = (...objects: object[]): string =>
  objects.map((one) => `${JSON.stringify(one)}\n`).join('');

async function filled(dims = 4, metric = 'l2'): Promise<void> {
  const input = lines(
    { v: [1, 0, 0, 0], source: 'p', label: 'x', t: 1000 },
    { v: [0, 1, 0, 0], source: 'q', t: 2000, payload: { a: [1, 'ü'] } },
    { v: [0, 0, 1, 0.1], source: 'q', t: 3000, payload64: 'AAEC' },
  );
  const made = await rve(['insert', store, '--dims', `${dims}`, '--metric', metric], input);
  expect(made).toEqual({ code: 0, stdout: '3 stored\n', stderr: '' });
}

/** A daemon on `store`, with the simulation off unless asked for; resolves with its URL. */
async function serve(argv: string[] = [], dims = 4): Promise<{ daemon: Running; url: string }> {
  const config = join(folder, 'rve.toml');
  writeFileSync(
    config,
    `[memory]\nembedding_dim = ${dims}\nmetric = "l2"\n[log]\nlevel = "warn"\n`,
  );
  const daemon = new Running([
    'serve',
    '--config',
    config,
    '--store',
    store,
    '--port',
    '0',
    '--node',
    'e2e',
    ...argv,
  ]);
  running.push(daemon);
  const url = (await daemon.said(/MQTT (mqtt:\S+):/))[1]!;
  await daemon.said(/Ready\./);
  return { daemon, url };
}

async function client(url: string): Promise<MqttClient> {
  const connected = await connectAsync(url);
  clients.push(connected);
  return connected;
}

describe('a store from the command line', () => {
  it('gives back what was put in, bit for bit, by id, by nearness and as an export', async () => {
    await filled();
    const got = await rveJson<{ records: object[] }>(['get', store, '0', '1', '2']);
    expect(got.records).toEqual([
      {
        id: 0,
        vector: [1, 0, 0, 0],
        time: 1000,
        source: 'p',
        label: 'x',
        tier: 'hot',
        payload: null,
      },
      {
        id: 1,
        vector: [0, 1, 0, 0],
        time: 2000,
        source: 'q',
        label: null,
        tier: 'hot',
        payload: { a: [1, 'ü'] },
      },
      {
        id: 2,
        vector: [0, 0, 1, Math.fround(0.1)],
        time: 3000,
        source: 'q',
        label: null,
        tier: 'hot',
        payload64: 'AAEC',
      },
    ]);
    const found = await rveJson<{ ids: number[]; scores: number[] }>([
      'query',
      store,
      '--vector',
      '0,1,0,0',
      '-k',
      '2',
    ]);
    expect(found.ids[0]).toBe(1);
    expect(found.scores[0]).toBeCloseTo(0, 5);
    expect(
      (
        await rveJson<{ ids: number[] }>([
          'query',
          store,
          '--like',
          '0',
          '--source',
          'q',
          '--from',
          '2500',
        ])
      ).ids,
    ).toEqual([2]);
    const text = (await rve(['export', store])).stdout;
    const copy = join(folder, 'copy.rve');
    expect((await rve(['import', copy], text)).stdout).toBe('3 stored\n');
    expect((await rve(['export', copy])).stdout).toBe(text);
    expect((await rve(['export', store, '--label', 'x'])).stdout.trim().split('\n')).toHaveLength(
      2,
    );
  });

  it('counts, checks, forgets and replaces', async () => {
    await filled();
    expect(await rveJson(['stats', store])).toMatchObject({
      live: 3,
      dimensions: 4,
      metric: 'l2',
      nextId: 3,
    });
    expect(await rveJson(['check', store, '--deep'])).toMatchObject({
      ok: true,
      damaged: [],
      lost: 0,
      holes: 0,
    });
    await rve(['insert', store], lines({ v: [9, 9, 9, 9], id: 0 }));
    expect(await rveJson(['get', store, '0'])).toMatchObject({
      records: [{ vector: [9, 9, 9, 9] }],
    });
    expect(await rveJson(['forget', store, '--source', 'q'])).toEqual({ count: 2 });
    expect(await rveJson(['stats', store])).toMatchObject({ live: 1 });
    expect((await rve(['get', store, '1'])).code).toBe(1);
  });

  it('stores a record once that is sent twice with the same boot and seq', async () => {
    await filled();
    const again = lines(
      { v: [5, 5, 5, 5], source: 'p', boot: 7, seq: 1 },
      { v: [5, 5, 5, 6], source: 'p', boot: 7, seq: 1 },
    );
    expect(await rveJson(['insert', store], again)).toMatchObject({ stored: 1, duplicates: 1 });
    expect(await rveJson(['insert', store], again)).toMatchObject({ stored: 0, duplicates: 2 });
  });

  it('refuses mistakes with a clear error, and leaves the store as it was', async () => {
    await filled();
    const before = (await rve(['export', store])).stdout;
    const text = join(folder, 'notes.txt');
    writeFileSync(text, 'these are notes\n'.repeat(1000));
    const empty = join(folder, 'empty.rve');
    writeFileSync(empty, '');
    const cases: [string[], string, number, RegExp][] = [
      [['query', store, '--vector', '1,2'], 'ERR_DIMENSIONS', 1, /dimensions|length/],
      [['query', store, '--vector', '1,2,3,nan'], 'ERR_USAGE', 2, /number 3 of the vector/],
      [['insert', store, '--dims', '5'], 'ERR_CONTRADICTION', 1, /./],
      [['insert', store, '--metric', 'ip'], 'ERR_CONTRADICTION', 1, /./],
      [['stats', join(folder, 'none.rve')], 'ERR_NOT_FOUND', 1, /none\.rve/],
      [['forget', join(folder, 'none.rve'), '1'], 'ERR_NOT_FOUND', 1, /none\.rve/],
      [['stats', text], 'ERR_NOT_A_STORE', 1, /notes\.txt/],
      [['check', text], 'ERR_NOT_A_STORE', 1, /notes\.txt/],
      [['query', empty, '--vector', '1'], 'ERR_NOT_A_STORE', 1, /empty\.rve/],
      [['stats', folder], 'ERR_NOT_REGULAR', 1, /./],
      [['stats', store, '--jsn'], 'ERR_USAGE', 2, /unknown option --jsn\. Did you mean --json\?/],
      [['forget', store, 'x'], 'ERR_USAGE', 2, /"x" is no id/],
      [['query', store, '--vector', '1,2,3,4', '--source', ''], 'ERR_FILTER', 1, /./],
    ];
    for (const [argv, code, exit, message] of cases) {
      const result = await rve([...argv, '--json']);
      expect(result.code, argv.join(' ')).toBe(exit);
      expect(JSON.parse(result.stdout), argv.join(' ')).toMatchObject({ error: { code } });
      expect(result.stderr, argv.join(' ')).toMatch(message);
      expect(result.stderr).toMatch(/^rve: /);
      expect(result.stderr).not.toMatch(/\n {4}at /);
    }
    expect(readFileSync(text, 'utf8')).toBe('these are notes\n'.repeat(1000));
    expect((await rve(['export', store])).stdout).toBe(before);
  }, 60_000);

  it('says that a folder may not be written, also to root', async () => {
    const result = await rve(
      ['insert', '/sys/a.rve', '--dims', '2', '--json'],
      lines({ v: [1, 2] }),
    );
    expect(result.code).toBe(1);
    expect(JSON.parse(result.stdout)).toMatchObject({ error: { code: 'ERR_PERMISSION' } });
    const daemon = new Running([
      'serve',
      '--sim',
      'bearing',
      '--store',
      '/sys/a.rve',
      '--port',
      '0',
    ]);
    expect(await daemon.done).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^rve: .*ermission/) as string,
    });
  });

  it('says so with exit 3 when a store is cut short, and --repair keeps the old file', async () => {
    await filled();
    truncateSync(store, Math.floor(statSync(store).size / 4096 / 4) * 4096);
    const checked = await rve(['check', store, '--json']);
    expect(checked.code).toBe(3);
    expect(JSON.parse(checked.stdout)).toMatchObject({ ok: false });
    const repaired = await rve(['check', store, '--repair', '--json']);
    expect(existsSync(`${store}.damaged`)).toBe(true);
    expect(JSON.parse(repaired.stdout)).toMatchObject({ repaired: true });
    expect((await rve(['check', store])).code).toBe(0);
  });

  it('ends quietly when its reader has gone', async () => {
    const many = lines(...Array.from({ length: 5000 }, (_, i) => ({ v: [i + 1, 1, 1, 1] })));
    await rve(['insert', store, '--dims', '4'], many);
    const exporting = new Running(['export', store]);
    exporting.child.stdout?.destroy();
    const { stderr } = await exporting.done;
    expect(stderr).toBe('');
  });
});

describe('a daemon', () => {
  it('stores before it acknowledges, and answers over MQTT and its socket', async () => {
    const { daemon, url } = await serve();
    const sensor = await client(url);
    for (let seq = 0; seq < 5; seq++) {
      await sensor.publishAsync(
        'rve/e2e/ingest/pump-1',
        JSON.stringify({ v: [seq + 1, 0, 0, 1], boot: 1, seq, label: 'ok' }),
        { qos: 1 },
      );
    }
    expect(await rveJson(['stats', store])).toMatchObject({ live: 5 });
    expect(await rveJson(['get', store, '4'])).toMatchObject({
      records: [{ vector: [5, 0, 0, 1], source: 'pump-1', label: 'ok' }],
    });
    expect(
      (await rveJson<{ ids: number[] }>(['query', store, '--vector', '3,0,0,1', '-k', '1'])).ids,
    ).toEqual([2]);
    expect(await rveJson(['check', store])).toMatchObject({ ok: true });
    const reply = new Promise<Record<string, unknown>>((resolve) => {
      sensor.on('message', (_topic, body) =>
        resolve(JSON.parse(body.toString()) as Record<string, unknown>),
      );
    });
    await sensor.subscribeAsync('e2e/replies', { qos: 1 });
    await sensor.publishAsync(
      'rve/e2e/query',
      JSON.stringify({ v: [4, 0, 0, 1], k: 2, replyTo: 'e2e/replies', correlation: 'c1' }),
      { qos: 1 },
    );
    expect(await reply).toMatchObject({
      correlation: 'c1',
      degraded: false,
      ids: [3, expect.any(Number)],
    });
    for (const argv of [
      ['export', store],
      ['insert', store],
      ['check', store, '--repair'],
      ['serve', '--sim', 'bearing', '--store', store, '--port', '0'],
    ]) {
      const { code, stderr } = await rve(argv);
      expect(code, argv.join(' ')).toBe(1);
      expect(stderr, argv.join(' ')).toMatch(
        argv[0] === 'check' ? /in use by a daemon/ : new RegExp(`${daemon.child.pid}`),
      );
    }
    expect(await rveJson(['forget', store, '0'])).toEqual({ count: 1 });
    const { code, stdout } = await daemon.end('SIGINT');
    expect(code).toBe(0);
    expect(stdout).toMatch(/Stopped: 4 records/);
    expect(existsSync(`${store}.sock`)).toBe(false);
    expect(await rveJson(['stats', store])).toMatchObject({ live: 4 });
  }, 60_000);

  it('keeps what it acknowledged through SIGKILL, and names the holder of a store', async () => {
    const first = await serve();
    const sensor = await client(first.url);
    await Promise.all(
      Array.from({ length: 200 }, (_, seq) =>
        sensor.publishAsync(
          'rve/e2e/ingest/p',
          JSON.stringify({ v: [seq + 1, 1, 1, 1], boot: 3, seq }),
          { qos: 1 },
        ),
      ),
    );
    await first.daemon.end('SIGKILL');
    expect(existsSync(`${store}.sock`)).toBe(true);
    expect(await rveJson(['stats', store])).toMatchObject({ live: 200 });
    const second = await serve();
    await second.daemon.said(/opened 200 records/);
    rmSync(`${store}.sock`);
    const busy = await rve(['stats', store, '--json']);
    expect(JSON.parse(busy.stdout)).toMatchObject({ error: { code: 'ERR_BUSY' } });
    expect(busy.stderr).toContain(`${second.daemon.child.pid}`);
    expect((await second.daemon.end('SIGTERM')).code).toBe(0);
  }, 60_000);

  it('runs the simulated bearing, shows its status, and goes on with its memory', async () => {
    const config = join(folder, 'sim.toml');
    writeFileSync(config, '[serve]\nstatus_interval_ms = 100\n[sim]\nwindows_per_s = 200\n');
    const start = (): Running => {
      const daemon = new Running(
        ['serve', '--config', config, '--sim', 'bearing', '--port', '0'],
        folder,
      );
      running.push(daemon);
      return daemon;
    };
    const first = start();
    await first.said(/Memory data\/bearing\.rve: opened 0 records \(128 dimensions, cosine\)/);
    const status = [
      '[1-9][\\d.]*k?/s lsn [1-9][\\d.]*k?',
      '\\d+ vectors, tail \\d+',
      '(tiers \\d+(/\\d+){4}% · )?p50 \\d+\\.\\d+ p99 \\d+\\.\\d+ms',
      'RSS [\\d.]+M file [\\d.]+[kM]',
      'wear \\d+%',
    ];
    await first.said(new RegExp(status.join(' · ')));
    const ended = await first.end('SIGINT');
    expect(ended.code).toBe(0);
    const stopped = Number(/Stopped: ([\d,]+) records/.exec(ended.stdout)![1]!.replaceAll(',', ''));
    const second = start();
    const opened = (await second.said(/opened ([\d,]+) records/))[1]!;
    expect(Number(opened.replaceAll(',', ''))).toBe(stopped);
    expect(stopped).toBeGreaterThan(0);
    await second.said(/Simulated bearing "bearing-1": 200 windows\/s, wear \d+ %/);
    expect((await second.end('SIGINT')).code).toBe(0);
  }, 60_000);

  it('ends with exit 1 when the port it was told to use is taken', async () => {
    const holder = createServer();
    await new Promise<void>((resolve) => {
      holder.listen(0, '127.0.0.1', resolve);
    });
    const { port } = holder.address() as AddressInfo;
    const daemon = new Running(['serve', '--sim', 'bearing', '--port', `${port}`], folder);
    running.push(daemon);
    const { code, stderr } = await daemon.done;
    holder.close();
    expect(code).toBe(1);
    expect(stderr).toContain(`cannot listen on 127.0.0.1:${port}: another program does`);
  });

  it('leaves a file alone that is no store', async () => {
    const path = join(folder, 'data', 'bearing.rve');
    const notes = 'notes'.repeat(10_000);
    mkdirSync(join(folder, 'data'));
    writeFileSync(path, notes);
    const daemon = new Running(['serve', '--sim', 'bearing', '--port', '0'], folder);
    expect(await daemon.done).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^rve: .*bearing\.rve/) as string,
    });
    expect(readFileSync(path, 'utf8')).toBe(notes);
  });

  it('takes messages of mosquitto_pub', async (context) => {
    if (spawnSync('mosquitto_pub', ['--help']).error !== undefined) {
      return context.skip('mosquitto_pub is not installed');
    }
    const { url } = await serve();
    const sent = spawnSync('mosquitto_pub', [
      '-p',
      new URL(url).port,
      '-q',
      '1',
      '-t',
      'rve/e2e/ingest/mosquitto',
      '-m',
      '{"v":[1,2,3,4]}',
    ]);
    expect(sent.status).toBe(0);
    expect(await rveJson(['get', store, '0'])).toMatchObject({
      records: [{ source: 'mosquitto', vector: [1, 2, 3, 4] }],
    });
  });
});
