// Publishes to an MQTT broker from a process of its own, so that making load costs the measured
// process nothing but what it receives.
import { connectAsync } from 'mqtt';

import { serve } from '../lib/child.mjs';
import { encodeIngestCbor, runLoad } from '../lib/door.mjs';
import { quantile } from '../lib/numbers.mjs';
import { gaussian, uniform } from '../lib/sensor_set.mjs';

let flowing = false;
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Bodies of `rows` unit-scale vectors each; a few are made ahead and sent in turn. */
function bodiesOf({ dimensions, rows, boot }) {
  const normal = gaussian(uniform(boot));
  const made = Array.from({ length: 16 }, () =>
    Float32Array.from({ length: rows * dimensions }, normal),
  );
  return (message) => {
    const matrix = made[message % made.length];
    matrix[message % matrix.length] = (message % 1000) / 1000 + 0.001;
    const vectors = rows === 1 ? { v: matrix } : { vectors: matrix, dims: dimensions };
    return encodeIngestCbor({ ...vectors, seq: message * rows, boot, label: 'flow' });
  };
}

/** Publishes at QoS 1 until `stop`: `perSecond` messages (0: as fast as acknowledgements come). */
async function flow({ port, topic, window, perSecond, ...shape }) {
  const client = await connectAsync(`mqtt://127.0.0.1:${port}`, { reconnectPeriod: 0 });
  const body = bodiesOf(shape);
  const latencies = [];
  const start = performance.now();
  let sent = 0,
    open = 0;
  flowing = true;
  while (flowing) {
    const due = perSecond === 0 ? Infinity : ((performance.now() - start) / 1000) * perSecond;
    while (flowing && sent < due && open < window) {
      const at = performance.now();
      open += 1;
      client.publishAsync(topic, body(sent), { qos: 1 }).then(
        () => {
          open -= 1;
          latencies.push(performance.now() - at);
        },
        () => {
          flowing = false;
        },
      );
      sent += 1;
    }
    await pause(1);
  }
  while (open > 0 && client.connected) await pause(1);
  const ms = performance.now() - start;
  await client.endAsync(true);
  return {
    acked: latencies.length,
    ms,
    perSecond: (latencies.length / ms) * 1000,
    p50Ms: quantile(latencies, 0.5),
    p99Ms: quantile(latencies, 0.99),
  };
}

serve({
  load: async (options) => runLoad({ ...options, now: () => performance.now() }),
  flow,
  now: {
    stop: () => {
      flowing = false;
    },
  },
});
