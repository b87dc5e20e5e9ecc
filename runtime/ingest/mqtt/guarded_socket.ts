import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { RveError } from '../../errors/index.js';
import type { AckQueue } from './acks.js';
import { ConnectionBudget, costOf, type TotalBudget } from './budget.js';
import { FixedHeaderScanner, PACKET_CONNECT, PACKET_PUBLISH } from './fixed_header.js';
import type { MqttLimits } from './limits.js';

// Why a socket is not read; several may hold at once.
const STOP_BUDGET = 1;
const STOP_AUTH = 2;
const STOP_FULL = 4;
const STOP_CLOSING = 8;
const STOP_SLOW = 16;

/** Packets other than CONNECT and PUBLISH need no more; SUBSCRIBE is the largest of them. */
const CONTROL_BYTES_MAX = 4_096;

/** Answers that the peer does not fetch; beyond, we do not read what it asks further. */
const UNSENT_BYTES_MAX = 65_536;

/** What takes the bytes of an accepted client: aedes' parser. */
export interface PacketSink {
  parse(chunk: Buffer): unknown;
}

/**
 * Stands between a socket and aedes. Passes on no byte of a packet whose fixed header breaks a
 * limit; before the client is accepted, nothing but one small CONNECT; and counts each PUBLISH at
 * admission.
 *
 * aedes reads a stream in batches: what one read gave must be settled before it reads again, which
 * with a lingering group means one socket chunk (64 KiB, 117 messages of 560 bytes) a group. So
 * once a client is accepted, chunks go straight to aedes' parser, and the byte budget alone bounds
 * what is in flight. Without a sink, the stream is used, with a buffer as large as the budget.
 */
export class GuardedSocket extends Duplex {
  readonly budget: ConnectionBudget;
  readonly acks: AckQueue;
  /** Topic filters granted to the client. */
  readonly filters = new Set<string>();
  /** Common name of the client's certificate: the only source that it may write. */
  readonly identity: string | null;
  readonly #socket: Socket;
  readonly #scanner: FixedHeaderScanner;
  readonly #limits: MqttLimits;
  readonly #onBreach: (error: Error) => void;
  #state: 'new' | 'waiting' | 'open' = 'new';
  #held: Buffer | null = null;
  #sink: PacketSink | null = null;
  #ended = false;
  /** Cost of PUBLISH packets that aedes has not handed over yet. */
  #unhandled = 0;
  /** Why the socket is not read: any bit stops it. */
  #stops = 0;

  constructor(
    socket: Socket,
    total: TotalBudget,
    limits: MqttLimits,
    acks: AckQueue,
    identity: string | null,
    onBreach: (error: Error) => void,
  ) {
    super({ readableHighWaterMark: 1_048_576, allowHalfOpen: false });
    this.#socket = socket;
    this.#limits = limits;
    this.acks = acks;
    this.identity = identity;
    this.#onBreach = onBreach;
    this.budget = new ConnectionBudget(
      total,
      limits.connectionBytesMax,
      () => this.#stop(STOP_BUDGET),
      () => this.#go(STOP_BUDGET),
    );
    this.#scanner = new FixedHeaderScanner((type, remaining) => this.#admit(type, remaining));
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('end', () => this.#end());
    socket.on('error', (error) => this.destroy(error));
    socket.on('close', () => this.destroy());
  }

  /** The client is accepted: its further packets may pass, into `sink` if there is one. */
  opened(sink: PacketSink | null): void {
    if (this.#state === 'open' || this.destroyed) return;
    this.#state = 'open';
    this.#sink = sink;
    const held = this.#held;
    this.#held = null;
    this.#go(STOP_AUTH);
    if (held !== null) this.#receive(held);
    if (this.#ended) this.#end();
  }

  /** Reads no more from the peer; what is in flight still settles. */
  stopReading(): void {
    this.#stop(STOP_CLOSING);
  }

  /** Resolves when all that came in is acknowledged and written, or the connection is gone. */
  async drain(): Promise<void> {
    await this.acks.idle();
    if (this.destroyed) return;
    // aedes writes an acknowledgement a few turns after its hook returns; the empty write goes
    // behind.
    for (let turn = 0; turn < 4; turn += 1) {
      await new Promise<void>((resolve) => {
        setImmediate(resolve);
      });
    }
    await new Promise<void>((resolve) => {
      if (this.destroyed) resolve();
      else this.write(Buffer.alloc(0), () => resolve());
    });
  }

  #end(): void {
    this.#ended = true;
    if (this.#held === null) this.push(null);
  }

  #stop(reason: number): void {
    if (this.#stops === 0) this.#socket.pause();
    this.#stops |= reason;
  }

  #go(reason: number): void {
    if (this.#stops === 0) return;
    this.#stops &= ~reason;
    if (this.#stops === 0) this.#socket.resume();
  }

  #receive(chunk: Buffer): void {
    if (this.destroyed) return;
    if (this.#state === 'waiting') {
      // Only what was read beside CONNECT: the socket is paused.
      this.#held = this.#held === null ? chunk : Buffer.concat([this.#held, chunk]);
      return;
    }
    try {
      if (this.#state === 'open') {
        this.#scanner.scan(chunk);
        this.#pass(chunk);
      } else {
        this.#receiveFirst(chunk);
      }
    } catch (error) {
      this.#onBreach(error as Error);
      this.destroy();
    }
  }

  #receiveFirst(chunk: Buffer): void {
    let complete = false;
    const end = this.#scanner.scan(chunk, () => {
      complete = true;
      return true;
    });
    if (complete) {
      this.#state = 'waiting';
      this.#stop(STOP_AUTH);
      if (end < chunk.length) this.#held = chunk.subarray(end);
    }
    this.#pass(chunk.subarray(0, end));
  }

  #pass(chunk: Buffer): void {
    if (this.#sink === null) {
      if (!this.push(chunk)) this.#stop(STOP_FULL);
      return;
    }
    this.#sink.parse(chunk);
    if (this.writableLength > UNSENT_BYTES_MAX) this.#stop(STOP_SLOW);
  }

  #written(): void {
    if ((this.#stops & STOP_SLOW) !== 0 && this.writableLength <= UNSENT_BYTES_MAX)
      this.#go(STOP_SLOW);
  }

  #admit(type: number, remaining: number): void {
    const limits = this.#limits;
    if (this.#state === 'new') {
      if (type !== PACKET_CONNECT)
        throw new RveError('ERR_MQTT', 'the first packet is not CONNECT');
      checkLength(remaining, limits.preAuthBytesMax);
    } else if (type === PACKET_PUBLISH) {
      checkLength(remaining, limits.packetBytesMax);
      const cost = costOf(remaining);
      this.#unhandled += cost;
      this.budget.take(cost);
    } else {
      checkLength(remaining, CONTROL_BYTES_MAX);
    }
  }

  /**
   * aedes has handed over a PUBLISH; the caller gives its bytes back to the budget when it settles.
   */
  handled(cost: number): void {
    this.#unhandled -= cost;
  }

  override _read(): void {
    this.#go(STOP_FULL);
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.#socket.write(chunk, (error) => {
      done(error);
      this.#written();
    });
  }

  override _writev(
    chunks: { chunk: Buffer; encoding: string }[],
    done: (error?: Error | null) => void,
  ): void {
    this._write(Buffer.concat(chunks.map(({ chunk }) => chunk)), '', done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#socket.end(done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#socket.destroy();
    this.#held = null;
    this.budget.close();
    this.budget.give(this.#unhandled);
    this.#unhandled = 0;
    this.acks.abandon();
    done(error);
  }
}

function checkLength(remaining: number, max: number): void {
  if (remaining > max) {
    throw new RveError('ERR_MQTT', `a packet of ${remaining} bytes exceeds ${max}`);
  }
}
