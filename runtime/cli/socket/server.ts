// The daemon's end of the side door. Whoever calls startSocketServer holds the store's writer lock,
// so a socket file that stands there already is left over from a crash, and may be replaced.

import { lstatSync, renameSync, rmSync, type Stats } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';

import { RveError } from '../../errors/index.js';
import { describe } from '../report.js';
import {
  CONNECTIONS_MAX,
  IDLE_MS_MAX,
  LineSplitter,
  parseRequest,
  REQUEST_BYTES_MAX,
  socketPathOf,
  withShortPath,
} from './protocol.js';

export interface SocketServerOptions {
  readonly storePath: string;
  /** Answers one request with something JSON can hold, or throws an RveError. */
  readonly answer: (op: string, params: Record<string, unknown>) => Promise<unknown>;
  readonly pid: number;
  readonly connectionsMax?: number;
  readonly idleMsMax?: number;
}

export interface SocketServer {
  readonly path: string;
  /**
   * Stops listening, removes the file, and waits until the requests in hand are answered.
   * Idempotent.
   */
  stop(): Promise<void>;
}

/**
 * Listens on `<store>.sock` with mode 0600. The socket is made under another name and renamed into
 * place, so a client sees the old one or the new one, and never one with a wider mode.
 * @throws RveError ERR_NOT_REGULAR when something that is no socket stands in the way.
 */
export async function startSocketServer(options: SocketServerOptions): Promise<SocketServer> {
  const path = socketPathOf(options.storePath);
  const old = statOf(path);
  if (old !== null && !old.isSocket()) {
    throw new RveError(
      'ERR_NOT_REGULAR',
      `${path} stands where the daemon's socket goes, and is no socket. ` +
        'Move it away, or set [serve] socket = false.',
    );
  }
  const connections = new Set<Connection>();
  const server = createServer((socket) => {
    if (connections.size >= (options.connectionsMax ?? CONNECTIONS_MAX)) {
      refuse(socket);
      return;
    }
    const connection = new Connection(socket, options, () => connections.delete(connection));
    connections.add(connection);
  });
  const temporary = `${path}.${options.pid}`;
  rmSync(temporary, { force: true });
  await withShortPath(temporary, (short) => listen(server, short));
  renameSync(temporary, path);
  const mine = statOf(path);
  let stopping: Promise<void> | null = null;
  const stop = async (): Promise<void> => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    const now = statOf(path);
    if (now !== null && mine !== null && now.ino === mine.ino && now.dev === mine.dev) rmSync(path);
    await Promise.all([...connections].map((connection) => connection.finish()));
    await closed;
  };
  return { path, stop: () => (stopping ??= stop()) };
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    // bind() happens within listen(): the file is born with mode 0600, and there is no moment
    // before chmod.
    const umask = process.umask(0o177);
    try {
      server.listen(path, () => {
        server.removeListener('error', reject);
        resolve();
      });
    } finally {
      process.umask(umask);
    }
  });
}

function refuse(socket: Socket): void {
  socket.on('error', () => socket.destroy());
  const error = {
    code: 'ERR_BUSY',
    message: 'the daemon has too many connections. Try again later.',
  };
  hangUp(socket, error);
}

/** Says why, and closes both directions: a client that never hangs up must not hold stop() back. */
function hangUp(socket: Socket, error: { code: string; message: string }): void {
  socket.resume();
  socket.end(`${JSON.stringify({ id: null, error })}\n`, () => socket.destroy());
}

function statOf(path: string): Stats | null {
  return lstatSync(path, { throwIfNoEntry: false }) ?? null;
}

/** One client: its lines are answered one after the other, and it is not read meanwhile. */
class Connection {
  readonly #socket: Socket;
  readonly #options: SocketServerOptions;
  readonly #splitter = new LineSplitter(REQUEST_BYTES_MAX);
  #work: Promise<void> = Promise.resolve();
  #open = true;

  constructor(socket: Socket, options: SocketServerOptions, onClose: () => void) {
    this.#socket = socket;
    this.#options = options;
    socket.on('data', (piece: Buffer) => this.#take(piece));
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      this.#open = false;
      onClose();
    });
    socket.setTimeout(options.idleMsMax ?? IDLE_MS_MAX, () => socket.destroy());
  }

  /** Answers what was asked, then hangs up. */
  async finish(): Promise<void> {
    this.#socket.pause();
    await this.#work;
    if (!this.#open) return;
    await new Promise<void>((resolve) => {
      this.#socket.once('close', () => resolve());
      this.#socket.destroySoon();
    });
  }

  #take(piece: Buffer): void {
    let lines: string[];
    try {
      lines = this.#splitter.push(piece);
    } catch (error) {
      this.#socket.removeAllListeners('data');
      hangUp(this.#socket, describe(error));
      return;
    }
    if (lines.length === 0) return;
    this.#socket.pause();
    this.#work = this.#work.then(() => this.#answerAll(lines));
  }

  async #answerAll(lines: readonly string[]): Promise<void> {
    for (const line of lines) {
      if (!this.#open) return;
      const text = await this.#answer(line);
      if (this.#open && !this.#socket.write(text)) await this.#drained();
    }
    if (this.#open) this.#socket.resume();
  }

  async #answer(line: string): Promise<string> {
    let id: number | null = null;
    try {
      const request = parseRequest(line);
      id = request.id;
      const result = await this.#options.answer(request.op, request.params);
      return `${JSON.stringify({ id, result })}\n`;
    } catch (error) {
      return `${JSON.stringify({ id, error: describe(error) })}\n`;
    }
  }

  #drained(): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#socket.removeListener('drain', done);
        this.#socket.removeListener('close', done);
        resolve();
      };
      this.#socket.once('drain', done);
      this.#socket.once('close', done);
    });
  }
}
