// A world for one command line: bytes in, text out, time by hand.

import { PassThrough } from 'node:stream';

import type { CliContext } from './context.js';
import { FakeStores } from './fake_store.fixture.js';
import { run } from './index.js';

export interface FakeWorld {
  readonly stores: FakeStores;
  /** Runs `rve ARGV...` and gives all that it wrote. */
  rve(
    argv: readonly string[],
    stdin?: string | Uint8Array,
    overrides?: Partial<CliContext>,
  ): Promise<Outcome>;
}

export interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

export function fakeWorld(): FakeWorld {
  const stores = new FakeStores();
  return {
    stores,
    async rve(argv, stdin = '', overrides = {}) {
      const outcome = { stdout: '', stderr: '' };
      const output = (name: 'stdout' | 'stderr') => {
        const stream = new PassThrough();
        stream.on('data', (piece: Buffer) => {
          outcome[name] += piece.toString();
        });
        return stream;
      };
      let now = 0;
      const code = await run({
        argv,
        stdin: pieces(Buffer.from(stdin)),
        stdinIsTTY: false,
        stdinBytes: stdin.length,
        stdout: output('stdout'),
        stderr: output('stderr'),
        clock: { now: () => 1_700_000_000_000 },
        monotonic: () => now++,
        random32: () => 42,
        every: () => () => undefined,
        after: () => () => undefined,
        sleep: async () => undefined,
        onStop: () => () => undefined,
        exitNow: () => undefined,
        residentBytes: () => 1,
        pid: 4711,
        version: '9.9.9',
        stores,
        ...overrides,
      });
      return { code, ...outcome };
    },
  };
}

/** In pieces of 7 bytes: lines are cut everywhere. */
async function* pieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  const size = bytes.length > 4096 ? 4096 : 7;
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
