import pino from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { defaultConfig } from '../config/index.js';
import { FakeStores } from './fake_store.fixture.js';
import { Progress } from './progress.js';
import { Publisher, topicLevel } from './publisher.js';
import { startBroker, type Broker } from './serve/mqtt.js';

describe('Publisher', () => {
  let broker: Broker;
  let stores: FakeStores;

  beforeEach(async () => {
    stores = new FakeStores();
    stores.make('a.rve', 3);
    const config = defaultConfig();
    config.mqtt.port = 0;
    broker = await startBroker({
      memory: await stores.open('a.rve', {}),
      config,
      log: pino({ level: 'silent' }),
      context: { clock: { now: () => 0 }, after: () => () => undefined, random32: () => 1 },
      onStored: () => undefined,
      onFailed: () => undefined,
    });
  });

  afterEach(() => broker.mqtt.stop());

  it('has no more in flight than allowed, and knows what was acknowledged', async () => {
    const publisher = await Publisher.connect({ url: broker.url, node: 'edge', inFlightMax: 8 });
    let inFlightMax = 0;
    for (let sequence = 0; sequence < 300; sequence++) {
      const vector = Float32Array.of(sequence, 1, 2);
      await publisher.publish({ source: 'p@1', vector, boot: 5, sequence, timeMs: sequence });
      inFlightMax = Math.max(inFlightMax, publisher.sent - publisher.acknowledged);
    }
    await publisher.drain();
    expect(publisher.acknowledged).toBe(300);
    expect(inFlightMax).toBeLessThanOrEqual(8);
    await publisher.close();
    const { records } = stores.files.get('a.rve')!;
    expect(records.size).toBe(300);
    expect(records.get(299)).toMatchObject({ source: 'p-1', time: 299 });
    expect(records.get(299)!.vector).toEqual(Float32Array.of(299, 1, 2));
  });

  it('says which broker it cannot reach', async () => {
    const { url } = broker;
    await broker.mqtt.stop();
    await expect(Publisher.connect({ url, node: 'edge' })).rejects.toMatchObject({
      code: 'ERR_MQTT',
      message: expect.stringContaining(url) as string,
    });
  });

  it('makes one topic level of any source', () => {
    expect(topicLevel('cwru-load0-OR@6_7')).toBe('cwru-load0-OR-6_7');
    expect(topicLevel(`a/+#${'x'.repeat(100)}`)).toBe(`a---${'x'.repeat(60)}`);
  });
});

describe('Progress', () => {
  function progress(isTTY: boolean, bytesTotal?: number) {
    let text = '';
    const world = { now: 0 };
    const bar = new Progress({
      output: {
        isTTY,
        write: (piece) => {
          text += piece;
          return true;
        },
        once: () => undefined,
        removeListener: () => undefined,
      },
      monotonic: () => world.now,
      unit: 'records',
      ...(bytesTotal === undefined ? {} : { bytesTotal }),
    });
    return { bar, world, text: () => text };
  }

  it('writes nothing where there is no terminal', () => {
    const { bar, text } = progress(false);
    bar.update(5);
    bar.finish();
    expect(text()).toBe('');
  });

  it('redraws at most ten times a second, and leaves no line behind', () => {
    const { bar, world, text } = progress(true, 1000);
    for (world.now = 0; world.now <= 1000; world.now += 10) bar.update(world.now, world.now / 2);
    bar.finish();
    const drawn = text().split('\r\x1b[K');
    expect(drawn).toHaveLength(13);
    expect(drawn.at(-2)).toBe('[############------------] 50 % of 1000 B, 1,000 records, 1,000/s');
    expect(drawn.at(-1)).toBe('');
  });
});
