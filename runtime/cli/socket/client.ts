// The other end of the side door: what `rve stats` uses when the store is busy.

import { connect, type Socket } from 'node:net';

import { RveError } from '../../errors/index.js';
import {
  ANSWER_BYTES_MAX,
  ANSWER_MS_MAX,
  LineSplitter,
  parseLine,
  withShortPath,
} from './protocol.js';

export interface SocketClient {
  /**
   * One request at a time. @throws RveError as the daemon sent it; ERR_TIMEOUT, ERR_CLOSED,
   * ERR_BODY.
   */
  call(op: string, params: Record<string, unknown>): Promise<unknown>;
  close(): void;
}

/** Null when nobody listens there: no file, a stale one, or one of another user. */
export async function connectSocket(
  path: string,
  answerMsMax = ANSWER_MS_MAX,
): Promise<SocketClient | null> {
  const socket = await dial(path);
  return socket === null ? null : new Client(socket, answerMsMax);
}

async function dial(path: string): Promise<Socket | null> {
  try {
    return await withShortPath(
      path,
      (short) =>
        new Promise<Socket>((resolve, reject) => {
          const socket = connect(short);
          socket.once('connect', () => {
            socket.removeAllListeners('error');
            resolve(socket);
          });
          socket.once('error', reject);
        }),
    );
  } catch {
    return null;
  }
}

class Client implements SocketClient {
  readonly #socket: Socket;
  readonly #splitter = new LineSplitter(ANSWER_BYTES_MAX);
  #lastId = 0;
  #waiting: { resolve: (answer: unknown) => void; reject: (error: RveError) => void } | null = null;
  /** Why no further call can be answered. */
  #over: RveError | null = null;

  constructor(socket: Socket, answerMsMax: number) {
    this.#socket = socket;
    socket.on('data', (piece: Buffer) => this.#take(piece));
    socket.on('error', () => socket.destroy());
    socket.on('close', () =>
      this.#end(new RveError('ERR_CLOSED', 'the daemon hung up before it answered.')),
    );
    socket.setTimeout(answerMsMax, () => {
      this.#end(new RveError('ERR_TIMEOUT', `the daemon did not answer within ${answerMsMax} ms.`));
    });
  }

  call(op: string, params: Record<string, unknown>): Promise<unknown> {
    if (this.#over !== null) return Promise.reject(this.#over);
    if (this.#waiting !== null) {
      return Promise.reject(new RveError('ERR_BUSY', 'the last request is not answered yet.'));
    }
    this.#lastId++;
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#socket.write(`${JSON.stringify({ id: this.#lastId, op, params })}\n`);
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(piece: Buffer): void {
    try {
      for (const line of this.#splitter.push(piece)) this.#settle(parseLine(line));
    } catch (error) {
      this.#end(error instanceof RveError ? error : new RveError('ERR_INTERNAL', String(error)));
    }
  }

  #settle(answer: Record<string, unknown>): void {
    const waiting = this.#waiting;
    const { id, error, result } = answer;
    if (id === null && error !== undefined) {
      this.#end(errorOf(error));
      return;
    }
    if (waiting === null || id !== this.#lastId) {
      this.#end(new RveError('ERR_BODY', 'the daemon sent an answer that was not asked for.'));
      return;
    }
    this.#waiting = null;
    if (error === undefined) waiting.resolve(result);
    else waiting.reject(errorOf(error));
  }

  #end(error: RveError): void {
    this.#over ??= error;
    this.#waiting?.reject(this.#over);
    this.#waiting = null;
    this.#socket.destroy();
  }
}

function errorOf(value: unknown): RveError {
  const { code, message } = (typeof value === 'object' && value !== null ? value : {}) as {
    code?: unknown;
    message?: unknown;
  };
  // A newer daemon may know codes that this client does not: they are passed on as they are.
  const known = typeof code === 'string' && /^ERR_[A-Z_]{1,40}$/.test(code);
  return new RveError(
    known ? (code as RveError['code']) : 'ERR_INTERNAL',
    typeof message === 'string' ? message : 'the daemon gave no reason.',
  );
}
