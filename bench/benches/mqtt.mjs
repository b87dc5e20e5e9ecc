// Acknowledged messages a second of one connection with 200 in flight, each one vector of 128
// floats at QoS 1, into a real memory. Load comes from another process. Through mosquitto, which
// acknowledges the publisher itself, our own acknowledgements are counted: they are what durability
// stands behind.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

import { Child } from '../lib/child.mjs';
import { Memory, startMqtt, world } from '../lib/door.mjs';
import { scratchFolder } from '../lib/machine.mjs';

const DIMENSIONS = 128,
  WINDOW = 200,
  MESSAGES = 10_000;
const NODE = 'bench',
  TOPIC = `rve/${NODE}/ingest/load`;

/** Debian's mosquitto on a free port, or null (with a line) where it is not installed. */
async function startMosquitto(folder) {
  if (spawnSync('mosquitto', ['-h']).error !== undefined) {
    console.log('skipped peer mosquitto: not installed');
    return null;
  }
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  await once(probe, 'close');
  const config = [
    `listener ${port} 127.0.0.1`,
    'allow_anonymous true',
    'max_inflight_messages 200',
    'max_queued_messages 0',
    'persistence false',
    'log_type all',
  ];
  if (process.getuid?.() === 0) config.push('user root');
  writeFileSync(join(folder, 'm.conf'), config.join('\n'));
  const broker = spawn('mosquitto', ['-c', join(folder, 'm.conf')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  await new Promise((resolve, reject) => {
    broker.once('exit', () => reject(new Error('mosquitto did not start')));
    broker.stderr.on('data', (text) => {
      if (text.includes('running')) resolve();
    });
  });
  broker.removeAllListeners('exit');
  return { port, stop: () => broker.kill() };
}

async function oneLoad(folder, { client, port, lingerMs, boot }) {
  const path = join(folder, `mqtt-${boot}.rve`);
  const memory = await Memory.open(path, { dimensions: DIMENSIONS, lingerMs });
  const mqtt = await startMqtt({
    memory,
    dimensions: DIMENSIONS,
    node: NODE,
    ...world,
    ...(client === null
      ? { broker: { port: 0 } }
      : { client: { ...client, clientId: `b${boot}` } }),
  });
  const child = new Child('publisher');
  const load = child.ask('load', {
    port: client === null ? mqtt.port : port,
    topic: TOPIC,
    dimensions: DIMENSIONS,
    count: MESSAGES,
    window: WINDOW,
    boot,
  });
  while (mqtt.stats().acked === 0) await Promise.race([pause(1), load]);
  const start = performance.now();
  const already = mqtt.stats().acked;
  while (mqtt.stats().acked < MESSAGES) await pause(1);
  const ours = ((MESSAGES - already) / (performance.now() - start)) * 1000;
  const theirs = await load;
  await child.end();
  const { groups, kernels, live } = memory.stats();
  if (live !== MESSAGES) throw new Error(`${live} of ${MESSAGES} acknowledged messages are stored`);
  await mqtt.stop();
  await memory.close();
  return {
    rate: client === null ? theirs.perSecond : ours,
    p50: theirs.p50Ms,
    p99: theirs.p99Ms,
    bodyBytes: theirs.bodyBytes,
    perGroup: MESSAGES / groups,
    kernels,
  };
}

export async function run(report, { repeats }) {
  const folder = scratchFolder();
  const mosquitto = await startMosquitto(folder);
  const doors = [{ name: 'embedded broker', client: null }];
  if (mosquitto !== null) {
    const url = `mqtt://127.0.0.1:${mosquitto.port}`;
    doors.push({ name: 'mosquitto, MQTT 5', client: { url, protocolVersion: '5' } });
    doors.push({ name: 'mosquitto, MQTT 3.1.1', client: { url, protocolVersion: '3.1.1' } });
  }
  const cases = doors.flatMap((door) => [0, 20].map((lingerMs) => ({ door, lingerMs, runs: [] })));
  let boot = 1;
  for (let i = 0; i < repeats; i++) {
    for (const { door, lingerMs, runs } of cases) {
      runs.push(await oneLoad(folder, { ...door, port: mosquitto?.port, lingerMs, boot: boot++ }));
    }
  }
  mosquitto?.stop();
  report.kernels(cases[0].runs[0].kernels);
  for (const { door, lingerMs, runs } of cases) {
    report.figure(
      `acknowledged, ${door.name}, linger ${lingerMs}`,
      'msg/s',
      runs.map((r) => r.rate),
      ['>=', 5_000],
    );
    report.figure(
      '  messages a group',
      '',
      runs.map((r) => r.perGroup),
    );
    if (door.client !== null) continue;
    report.figure(
      '  publish to PUBACK, p50',
      'ms',
      runs.map((r) => r.p50),
    );
    report.figure(
      '  publish to PUBACK, p99',
      'ms',
      runs.map((r) => r.p99),
    );
  }
  report.note(
    `${MESSAGES} messages of ${cases[0].runs[0].bodyBytes} bytes, QoS 1, ${WINDOW} in flight, ` +
      'one connection; each stored and counted',
  );
}
