// Real input (DESIGN.md section 1): the CWRU recordings come in over MQTT like any sensor's
// windows, and what the memory answers is judged by the machine's true state.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { openReplay, type ReplayRecord } from '../ingest/replay/index.js';
import type { QueryAnswer, RecordAnswer } from './ops.js';
import { topicLevel } from './publisher.js';
import { dataFolder, rveJson, Running } from './rve.fixture.js';
import { connectSocket, socketPathOf, type SocketClient } from './socket/index.js';

/** 1-NN from load 0 to load 1 over 12 classes, plain FFT bands, exact search (data README). */
const PLAIN_ACCURACY = 0.966;

const data = dataFolder('cwru');

describe.skipIf(data === null)('CWRU windows over MQTT', () => {
  let folder: string;
  let daemon: Running;
  let side: SocketClient;
  let acknowledged: { sent: number; acknowledged: number };
  let url: string;

  const replayOnce = (): Promise<{ sent: number; acknowledged: number }> =>
    rveJson(['replay', 'cwru', data ?? '', '--to', url, '--node', 'e2e']);

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'rve-cwru-'));
    const config = join(folder, 'rve.toml');
    writeFileSync(
      config,
      '[memory]\nembedding_dim = 128\n[serve]\nself_query_per_s = 0\nnovelty = false\n',
    );
    const store = join(folder, 'a.rve');
    daemon = new Running([
      'serve',
      '--config',
      config,
      '--store',
      store,
      '--port',
      '0',
      '--node',
      'e2e',
    ]);
    url = (await daemon.said(/MQTT (mqtt:\S+):/))[1] ?? '';
    await daemon.said(/Ready\./);
    acknowledged = await replayOnce();
    const client = await connectSocket(socketPathOf(store));
    if (client === null) throw new Error('the daemon does not listen on its socket');
    side = client;
  }, 60_000);

  afterAll(async () => {
    side.close();
    await daemon.end('SIGKILL');
    rmSync(folder, { recursive: true });
  });

  async function windows(load: number): Promise<ReplayRecord[]> {
    const records: ReplayRecord[] = [];
    for await (const record of await openReplay('cwru', data ?? '', { load })) records.push(record);
    return records;
  }

  it('finds each acknowledged load-0 window by get and as its own nearest neighbour', async () => {
    const sent = await windows(0);
    expect(acknowledged).toEqual({ sent: sent.length, acknowledged: sent.length });
    expect(sent.length).toBe(12 * 117);
    const wanted = new Map(
      sent.map((record) => [`${topicLevel(record.source)}/${record.timeMs}`, record]),
    );
    for (let from = 0; from < sent.length; from += 64) {
      const ids = Array.from({ length: Math.min(64, sent.length - from) }, (_, i) => from + i);
      const { records } = (await side.call('get', { ids })) as { records: RecordAnswer[] };
      for (const record of records) {
        const original = wanted.get(`${record.source}/${record.time}`);
        expect(original?.label).toBe(record.label);
        record.vector.forEach((value, i) =>
          expect(Math.abs(value - (original?.vector[i] ?? NaN))).toBeLessThan(1e-6),
        );
        wanted.delete(`${record.source}/${record.time}`);
        const near = (await side.call('query', { vector: record.vector, k: 1 })) as QueryAnswer;
        expect(near.ids[0]).toBe(record.id);
      }
    }
    expect(wanted.size).toBe(0);
  });

  it('names the fault of load-1 windows by 10-NN at least as well as plain 1-NN', async () => {
    const asked = await windows(1);
    let right = 0;
    for (const { vector, label } of asked) {
      const near = (await side.call('query', {
        vector: Array.from(vector),
        k: 10,
        about: true,
      })) as QueryAnswer;
      const votes = new Map<string, number>();
      // Each of the ten votes with its similarity, so that a tie goes to the nearer class.
      near.about?.forEach((about, i) => {
        const name = about?.label ?? '';
        votes.set(name, (votes.get(name) ?? 0) + (near.scores[i] ?? 0));
      });
      const named = [...votes].sort((a, b) => b[1] - a[1])[0]?.[0];
      if (named === label) right++;
    }
    console.log(
      `CWRU load 0 to 1 by 10-NN: ${(right / asked.length).toFixed(4)} of ${asked.length}`,
    );
    expect(right / asked.length).toBeGreaterThanOrEqual(PLAIN_ACCURACY);
  });

  it('stores nothing twice when the whole set is sent again', async () => {
    expect(await replayOnce()).toEqual(acknowledged);
    expect(await side.call('stats', {})).toMatchObject({ live: 12 * 117, duplicates: 12 * 117 });
  });
});
