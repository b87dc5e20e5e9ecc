import { existsSync, lstatSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { RveError } from '../../errors/index.js';
import { connectSocket, socketPathOf, startSocketServer, type SocketServer } from './index.js';
import { CONNECTIONS_MAX, LineSplitter, REQUEST_BYTES_MAX } from './protocol.js';

let folder: string;
let store: string;
let server: SocketServer | null = null;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'rve-socket-'));
  store = join(folder, 'a.rve');
});

afterEach(async () => {
  await server?.stop();
  server = null;
  rmSync(folder, { recursive: true });
});

type Answer = (op: string, params: Record<string, unknown>) => Promise<unknown>;

async function start(
  answer: Answer = async (op, params) => ({ op, params }),
  rest: object = {},
): Promise<string> {
  server = await startSocketServer({ storePath: store, pid: process.pid, answer, ...rest });
  return server.path;
}

/** A connection of its own that speaks what it likes. */
async function raw(path: string): Promise<{ socket: Socket; closed: Promise<string> }> {
  const socket = connect(path);
  let text = '';
  socket.on('data', (piece: Buffer) => {
    text += piece.toString();
  });
  socket.on('error', () => undefined);
  const closed = new Promise<string>((resolve) => socket.once('close', () => resolve(text)));
  await new Promise<void>((resolve) => socket.once('connect', () => resolve()));
  return { socket, closed };
}

describe('the socket beside a store', () => {
  it('answers requests in order, with results and with the errors of the store', async () => {
    const path = await start(async (op, params) => {
      if (op === 'fail') throw new RveError('ERR_DIMENSIONS', 'got 3');
      return { op, params };
    });
    expect(path).toBe(socketPathOf(store));
    const client = (await connectSocket(path))!;
    expect(await client.call('get', { ids: [1] })).toEqual({ op: 'get', params: { ids: [1] } });
    await expect(client.call('fail', {})).rejects.toMatchObject({
      code: 'ERR_DIMENSIONS',
      message: 'got 3',
    });
    expect(await client.call('stats', {})).toEqual({ op: 'stats', params: {} });
    client.close();
  });

  it('may be used by its owner alone, and is gone after stop', async () => {
    const path = await start();
    expect(lstatSync(path).mode & 0o777).toBe(0o600);
    await server!.stop();
    expect(existsSync(path)).toBe(false);
    expect(await connectSocket(path)).toBeNull();
  });

  it('replaces a socket that a killed daemon left, and no other file', async () => {
    const path = await start();
    const dead = server!;
    const left = join(folder, 'left');
    // Hold the inode of the first daemon aside, and put it back as a stale socket would lie there.
    const { linkSync } = await import('node:fs');
    linkSync(path, left);
    await dead.stop();
    const { renameSync } = await import('node:fs');
    renameSync(left, path);
    expect(await connectSocket(path)).toBeNull();
    await start();
    const client = (await connectSocket(path))!;
    expect(await client.call('stats', {})).toMatchObject({ op: 'stats' });
    client.close();
    await server!.stop();
    writeFileSync(path, 'notes');
    await expect(start()).rejects.toMatchObject({ code: 'ERR_NOT_REGULAR' });
    expect(existsSync(path)).toBe(true);
  });

  it('leaves the socket of its successor alone when it stops', async () => {
    const path = await start();
    const first = server!;
    await start();
    await first.stop();
    const client = (await connectSocket(path))!;
    expect(await client.call('stats', {})).toMatchObject({ op: 'stats' });
    client.close();
  });

  it('works where the path is longer than the kernel takes', async () => {
    const deep = join(folder, 'x'.repeat(90), 'y'.repeat(90));
    mkdirSync(deep, { recursive: true });
    store = join(deep, 'a.rve');
    const client = (await connectSocket(await start()))!;
    expect(await client.call('stats', {})).toMatchObject({ op: 'stats' });
    client.close();
  });

  it('answers garbage with an error, and the next request on the same line of talk', async () => {
    const { socket, closed } = await raw(await start());
    socket.end(
      '\u0000\u0001\n\n[]\n{"id":"x","op":"a"}\n{"id":1}\n{"id":2,"op":"a","params":3}\n' +
        '{"id":3,"op":"a","zzz":1}\n{"id":4,"op":"ok"}\n',
    );
    const answers = (await closed)
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(answers.slice(0, -1).map(({ error }) => (error as { code: string }).code)).toEqual(
      Array(7).fill('ERR_BODY'),
    );
    expect(answers.at(-1)).toEqual({ id: 4, result: { op: 'ok', params: {} } });
  });

  it('hangs up on a line beyond the limit before it is whole', async () => {
    const { socket, closed } = await raw(await start());
    socket.write('x'.repeat(REQUEST_BYTES_MAX + 1));
    const answer = JSON.parse(await closed) as { error: { code: string } };
    expect(answer.error.code).toBe('ERR_BODY_LIMIT');
  });

  it('says busy to a connection too many, and serves again once one has left', async () => {
    const path = await start();
    const held = await Promise.all(Array.from({ length: CONNECTIONS_MAX }, () => raw(path)));
    // A connection counts from the server's accept on: an answer on each proves that.
    await Promise.all(
      held.map(
        ({ socket }) =>
          new Promise<void>((resolve) => {
            socket.once('data', () => resolve());
            socket.write('{"id":1,"op":"a"}\n');
          }),
      ),
    );
    const surplus = (await connectSocket(path))!;
    await expect(surplus.call('stats', {})).rejects.toMatchObject({ code: 'ERR_BUSY' });
    for (const { socket } of held) socket.destroy();
    await Promise.all(held.map(({ closed }) => closed));
    let answered: unknown = null;
    while (answered === null) {
      const client = (await connectSocket(path))!;
      answered = await client.call('stats', {}).catch(() => null);
      client.close();
    }
    expect(answered).toMatchObject({ op: 'stats' });
  });

  it('survives clients that leave in the middle of a request or of an answer', async () => {
    const path = await start(async () => 'y'.repeat(4 * 1024 * 1024));
    for (let i = 0; i < 20; i++) {
      const { socket, closed } = await raw(path);
      socket.write(i % 2 === 0 ? '{"id":1,"op":"a"}\n' : '{"id":1,"op"');
      socket.destroy();
      await closed;
    }
    const client = (await connectSocket(path))!;
    expect(await client.call('a', {})).toHaveLength(4 * 1024 * 1024);
    client.close();
  });

  it('hangs up on who asks nothing, and waits for the answer in hand when it stops', async () => {
    let finish: (value: string) => void = () => undefined;
    let asked: () => void = () => undefined;
    const inHand = new Promise<void>((resolve) => {
      asked = resolve;
    });
    const path = await start(
      () => {
        asked();
        return new Promise((resolve) => {
          finish = resolve;
        });
      },
      { idleMsMax: 50 },
    );
    const idle = await raw(path);
    expect(await idle.closed).toBe('');
    const client = (await connectSocket(path))!;
    const answer = client.call('a', {});
    await inHand;
    const stopped = server!.stop();
    finish('late');
    expect(await answer).toBe('late');
    await stopped;
    await expect(client.call('b', {})).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  });

  it('tells the client when the daemon dies, lies or says nothing', async () => {
    const { createServer } = await import('node:net');
    const path = join(folder, 'fake.sock');
    let reply = '';
    const fake = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.on('data', () => (reply === 'die' ? socket.destroy() : socket.write(reply)));
    });
    await new Promise<void>((resolve) => fake.listen(path, () => resolve()));
    for (const [text, code] of [
      ['die', 'ERR_CLOSED'],
      ['no json\n', 'ERR_BODY'],
      ['{"id":77,"result":1}\n', 'ERR_BODY'],
      ['', 'ERR_TIMEOUT'],
    ] as const) {
      reply = text;
      const client = (await connectSocket(path, 50))!;
      await expect(client.call('stats', {}), text).rejects.toMatchObject({ code });
    }
    await new Promise<void>((resolve) => fake.close(() => resolve()));
  });
});

describe('LineSplitter', () => {
  it('cuts at every newline wherever the pieces end', () => {
    const text = 'a\n\nlonger line\nü\n';
    for (let size = 1; size < 8; size++) {
      const splitter = new LineSplitter(100);
      const bytes = Buffer.from(text);
      const lines: string[] = [];
      for (let at = 0; at < bytes.length; at += size)
        lines.push(...splitter.push(bytes.subarray(at, at + size)));
      expect(lines).toEqual(['a', '', 'longer line', 'ü']);
    }
  });

  it('refuses one byte too many, in one piece or in many', () => {
    expect(() => new LineSplitter(3).push(Buffer.from('abcd\n'))).toThrow(/longer than 3/);
    const splitter = new LineSplitter(3);
    splitter.push(Buffer.from('abc'));
    expect(() => splitter.push(Buffer.from('d'))).toThrow(/longer than 3/);
  });
});
