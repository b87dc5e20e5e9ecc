// The broker on this host that the machine under test connects to: MQTT 3.1.1, for one machine.
//
// A stock broker would do, and does not tell which message an acknowledgement is for, nor leave its
// redelivery to the test. Here the session is a list of what is not acknowledged yet; it outlives
// the machine's power, and is sent again, in order, when the machine is back.

import { createServer, type Server, type Socket } from 'node:net';

import mqttPacket, { type IConnectPacket, type Packet } from 'mqtt-packet';

import { RveError } from '../errors/index.js';
import { decodeReply, encodeIngestCbor, encodeQueryCbor } from '../ingest/body/index.js';
import type { Scenario } from './scenario.js';

/** Message ids are u16 and never 0. */
const MESSAGE_ID_MAX = 65_535;

export interface Answer {
  readonly ids: readonly number[];
  readonly scores: readonly number[];
  readonly latencyUs: number;
}

interface Question {
  readonly body: Buffer;
  readonly resolve: (reply: Record<string, unknown>) => void;
}

interface Message {
  readonly sequence: number;
  readonly payload: Buffer;
}

export interface HostBrokerOptions {
  readonly section: NonNullable<Scenario['broker']>;
  /** Called at once when the machine acknowledges a record. */
  readonly onAcknowledged: (sequence: number) => void;
}

export class HostBroker {
  readonly #options: HostBrokerOptions;
  readonly #sockets = new Set<Socket>();
  /** Not acknowledged, by message id, in the order in which they were first sent. */
  readonly #session = new Map<number, Message>();
  /** Unanswered, by correlation: asked again when the machine comes back. */
  readonly #questions = new Map<string, Question>();
  #waiting: (() => void)[] = [];
  #server: Server | null = null;
  /** The machine's connection; a new one may come before the loss of the old is noticed. */
  #member: Socket | null = null;
  #asked = 0;
  #messageId = 0;
  port = 0;

  constructor(options: HostBrokerOptions) {
    this.#options = options;
  }

  /** @throws RveError ERR_MQTT when the port is taken. */
  async start(): Promise<void> {
    const { host, port } = this.#options.section;
    const server = createServer((socket) => this.#accept(socket));
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error) => {
        const what = `the broker cannot listen on ${host}:${port} (${error.message}).`;
        reject(new RveError('ERR_MQTT', `${what} Set port = 0 in [broker] for a free one.`));
      });
      server.listen(port, host, resolve);
    });
    const address = server.address();
    this.port = typeof address === 'object' && address !== null ? address.port : port;
  }

  /** Resolves once the machine listens for records and queries. */
  async joined(): Promise<void> {
    if (this.#member !== null) return;
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** The machine has no power: its connection counts no more, closed or not. */
  left(): void {
    this.#member?.destroy();
    this.#member = null;
  }

  /** Hands one record to the machine's session, and to the machine if it is there. */
  publish(sequence: number, boot: number, vector: Float32Array, timeMs: number): void {
    const payload = encodeIngestCbor({
      v: vector,
      boot,
      seq: sequence,
      t: timeMs,
      payload: { seq: sequence },
    });
    do this.#messageId = (this.#messageId % MESSAGE_ID_MAX) + 1;
    while (this.#session.has(this.#messageId));
    const message = { sequence, payload };
    this.#session.set(this.#messageId, message);
    this.#deliver(this.#messageId, message, false);
  }

  /** Asks the machine for the nearest of `vector`. Resolves with its answer, however late. */
  async ask(vector: Float32Array, k: number): Promise<Answer> {
    const correlation = `${(this.#asked += 1)}`;
    const replyTo = this.#topic('reply/hil');
    const body = encodeQueryCbor({ v: vector, k, replyTo, correlation });
    const answer = await new Promise<Record<string, unknown>>((resolve) => {
      this.#questions.set(correlation, { body, resolve });
      this.#send({ cmd: 'publish', topic: this.#topic('query'), payload: body, qos: 0 });
    });
    const error = answer['error'] as { code?: string; message?: string } | undefined;
    if (error !== undefined) {
      throw new RveError('ERR_MQTT', `the machine answers ${error.code}: ${error.message}`);
    }
    return {
      ids: Array.from(answer['ids'] as ArrayLike<number>),
      scores: Array.from(answer['scores'] as ArrayLike<number>),
      latencyUs: Number(answer['latencyUs']),
    };
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    const server = this.#server;
    this.#server = null;
    if (server !== null) await new Promise<void>((resolve) => server.close(() => resolve()));
  }

  #topic(suffix: string): string {
    return `rve/${this.#options.section.node}/${suffix}`;
  }

  #deliver(messageId: number, { payload }: Message, dup: boolean): void {
    const topic = this.#topic(`ingest/${this.#options.section.source}`);
    this.#send({ cmd: 'publish', topic, payload, qos: 1, messageId, dup });
  }

  #send(packet: Partial<Packet> & { cmd: 'publish' }, to = this.#member): void {
    if (to === null) return;
    to.write(mqttPacket.generate({ retain: false, dup: false, ...packet } as Packet));
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    socket.setNoDelay(true);
    const parser = mqttPacket.parser({ protocolVersion: 4 });
    parser.on('packet', (packet) => this.#onPacket(socket, packet));
    // A machine that loses power in mid-packet is the point of the exercise.
    parser.on('error', () => socket.destroy());
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => parser.parse(bytes));
    socket.on('close', () => {
      this.#sockets.delete(socket);
      if (this.#member === socket) this.#member = null;
    });
  }

  #onPacket(socket: Socket, packet: Packet): void {
    const reply = (answer: Packet): void => void socket.write(mqttPacket.generate(answer));
    switch (packet.cmd) {
      case 'connect':
        // A kept session of ours: what it had subscribed to it will subscribe to again.
        return reply({ cmd: 'connack', returnCode: 0, sessionPresent: isKept(packet) });
      case 'subscribe': {
        const granted = packet.subscriptions.map(({ qos }) => Math.min(qos, 1));
        reply({ cmd: 'suback', messageId: packet.messageId ?? 0, granted });
        if (packet.subscriptions.some(({ topic }) => topic === this.#topic('query'))) {
          this.#join(socket);
        }
        return;
      }
      case 'puback':
        return socket === this.#member ? this.#onAck(packet.messageId ?? 0) : undefined;
      case 'publish':
        if (packet.qos === 1) reply({ cmd: 'puback', messageId: packet.messageId ?? 0 });
        if (packet.topic === this.#topic('reply/hil')) this.#onReply(packet.payload as Buffer);
        return;
      case 'pingreq':
        return reply({ cmd: 'pingresp' });
      default:
        socket.destroy();
    }
  }

  #join(socket: Socket): void {
    this.#member = socket;
    for (const [messageId, message] of this.#session) this.#deliver(messageId, message, true);
    for (const { body } of this.#questions.values()) {
      this.#send({ cmd: 'publish', topic: this.#topic('query'), payload: body, qos: 0 });
    }
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  #onAck(messageId: number): void {
    const message = this.#session.get(messageId);
    if (message === undefined) return;
    this.#session.delete(messageId);
    this.#options.onAcknowledged(message.sequence);
  }

  #onReply(body: Buffer): void {
    const reply = decodeReply(body);
    const key = String(reply['correlation']);
    const question = this.#questions.get(key);
    this.#questions.delete(key);
    question?.resolve(reply);
  }
}

function isKept({ clean }: IConnectPacket): boolean {
  return clean === false;
}
