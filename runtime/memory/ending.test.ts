// The end of a process or a worker while a memory is open: no crash, and nothing that was promised
// is lost.

import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { freshPath, open } from './store.fixture.js';

// The compiled package, as a user loads it; `make test-js` builds it first.
const PACKAGE = new URL('../../build/host/js/runtime/index.js', import.meta.url).href;

const PRELUDE = `
  const { Memory } = await import(${JSON.stringify(PACKAGE)});
  const row = Float32Array.of(1, 2, 3, 4);
`;

/** Runs a program with a store's path as its argument; answers its exit code, signal and output. */
async function run(
  program: string,
  path: string,
): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', PRELUDE + program, path], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { code, out, err };
}

async function live(path: string): Promise<number> {
  const memory = await open(path);
  const { live: count } = memory.stats();
  await memory.close();
  return count;
}

describe('the end of a process', () => {
  it('is built', () =>
    expect(existsSync(fileURLToPath(PACKAGE)), 'run make build first').toBe(true));

  it('by process.exit closes an open memory and drains what was inserted', async () => {
    const path = freshPath();
    const { code, err } = await run(
      `
      const memory = await Memory.open(process.argv[1], { dimensions: 4 });
      await memory.insert(row);
      for (let i = 0; i < 100; i++) void memory.insert(row);
      void memory.query({ vector: row });
      process.exit(7);
    `,
      path,
    );
    expect(err).toBe('');
    expect(code).toBe(7);
    expect(await live(path)).toBe(101);
  });

  it('by process.exit while it opens, reads or closes is as quiet', async () => {
    for (const last of [
      'void Memory.open(process.argv[1] + 2, { dimensions: 4 });',
      'void memory.get([0]); void memory.settle();',
      'void memory.close();',
      'void memory.close(); await new Promise(setImmediate);',
    ]) {
      const path = freshPath();
      const { code, err } = await run(
        `
        const memory = await Memory.open(process.argv[1], { dimensions: 4 });
        await memory.insert(row);
        ${last}
        process.exit(0);
      `,
        path,
      );
      expect(err, last).toBe('');
      expect(code, last).toBe(0);
      expect(await live(path), last).toBe(1);
    }
  });

  it('comes by itself when nothing is under way, and waits for what is', async () => {
    const path = freshPath();
    const { code, out, err } = await run(
      `
      const memory = await Memory.open(process.argv[1], { dimensions: 4 });
      void memory.insert(row).then(({ ids }) => console.log('stored', ids[0]));
    `,
      path,
    );
    expect(err).toBe('');
    expect(out).toBe('stored 0\n');
    expect(code).toBe(0);
    expect(await live(path)).toBe(1);
  });

  it('by an uncaught error keeps what was inserted', async () => {
    const path = freshPath();
    const { code, err } = await run(
      `
      const memory = await Memory.open(process.argv[1], { dimensions: 4 });
      void memory.insert(row);
      throw new Error('a bug of the program');
    `,
      path,
    );
    expect(err).toContain('a bug of the program');
    expect(code).toBe(1);
    expect(await live(path)).toBe(1);
  });
});

describe('a worker thread', () => {
  const program = `
    const { parentPort, workerData } = require('node:worker_threads');
    import(${JSON.stringify(PACKAGE)}).then(async ({ Memory }) => {
      const row = Float32Array.of(1, 2, 3, 4);
      const memory = await Memory.open(workerData, { dimensions: 4 });
      const { ids } = await memory.insert(row);
      parentPort.postMessage(ids.length);
      const go = () => {
        void memory.insert(row);
        void memory.query({ vector: row }).then(go, go);
      };
      go();
    });
  `;

  it('loads the addon beside the main thread, and may be terminated at work', async () => {
    const here = await open(freshPath(), { dimensions: 4 });
    for (let i = 0; i < 3; i++) {
      const path = freshPath();
      const worker = new Worker(program, { eval: true, workerData: path });
      const stored = await new Promise((resolve, reject) => {
        worker.once('message', resolve);
        worker.once('error', reject);
      });
      expect(stored).toBe(1);
      await worker.terminate();
      // The lock is free, and the acknowledged record is there.
      expect(await live(path)).toBeGreaterThanOrEqual(1);
    }
    expect((await here.insert(Float32Array.of(1, 2, 3, 4))).ids).toEqual(Float64Array.of(0));
  });
});
