// Exact nearest rows by inner product, on a thread of its own.
import { parentPort, workerData } from 'node:worker_threads';

import { exactTop } from './exact.mjs';

const { base, query, rows, from, to, dimensions, k } = workerData;
const out = new Int32Array((to - from) * k);
for (let q = from; q < to; q++) {
  const one = query.subarray(q * dimensions, (q + 1) * dimensions);
  out.set(exactTop(base, rows, one, dimensions, k), (q - from) * k);
}
parentPort.postMessage(out);
