import type { IConnackPacket, IPublishPacket, ISubackPacket, Packet } from 'mqtt-packet';
import { RveError } from '../../errors/index.js';
import { AckQueue } from './acks.js';
import { ConnectionBudget, costOf, TotalBudget } from './budget.js';
import { checkUrl, ClientLink } from './client_link.js';
import { atMost, DRAIN_MS } from './drain.js';
import type { Intake } from './intake.js';
import { type Outcome, reasonCodeOf } from './outcome.js';
import { Outgoing } from './outgoing.js';
import { Queries } from './queries.js';
import type { ClientOptions } from './types.js';

const BACKOFF_FIRST_MS = 500;
const BACKOFF_MAX_MS = 30_000;
/** From connect to SUBACK. */
const HANDSHAKE_MS = 10_000;
const KEEPALIVE_S = 30;
const SESSION_EXPIRY_S = 0xffff_ffff;
const RECEIVE_MAX_DEFAULT = 65_535;

/** What belongs to one connection and dies with it. */
interface Connection {
  link: ClientLink;
  acks: AckQueue;
  budget: ConnectionBudget;
  /** Cost of what is admitted and not parsed yet. */
  unhandled: number;
  alive: boolean;
  cancelTimer: () => void;
  pingPending: boolean;
}

/** Client mode: a session at a broker elsewhere, kept across connections. */
export class ClientSession {
  readonly #intake: Intake;
  readonly #options: ClientOptions;
  readonly #queries: Queries;
  readonly #random: () => number;
  readonly #total: TotalBudget;
  readonly #outgoing: Outgoing;
  /** QoS 2 messages stored whose PUBREL has not come, by message id: session state. */
  readonly #receipts = new Map<number, 'storing' | 'stored'>();
  #connection: Connection | null = null;
  #cancelRetry: () => void = () => {};
  #failures = 0;
  #stopping = false;
  #onReady: (() => void) | null = null;
  #onRefused: ((error: Error) => void) | null = null;

  /** ERR_CONFIG: the URL cannot be used. `random`: uniform in [0, 1), spreads reconnects. */
  constructor(intake: Intake, options: ClientOptions, clientId: string, random: () => number) {
    checkUrl(options.url);
    this.#intake = intake;
    this.#options = { ...options, clientId };
    this.#queries = new Queries(intake);
    this.#random = random;
    this.#total = new TotalBudget(intake.options.limits.totalBytesMax);
    this.#outgoing = new Outgoing(intake.options.limits.outgoingMax);
    intake.publish = (topic, body) => this.#send({ topic, payload: body, qos: 0, retain: false });
  }

  /**
   * Connects; resolves once subscribed. Rejects with ERR_MQTT when the broker refuses us for good
   * (credentials, version, identifier); an unreachable broker is tried again until stop().
   */
  async start(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#onReady = resolve;
      this.#onRefused = reject;
      this.#connect();
    });
  }

  #connect(): void {
    const { limits, stats, timers } = this.#intake.options;
    const link: ClientLink = new ClientLink(this.#options, limits.packetBytesMax, {
      packet: (packet) => this.#onPacket(connection, packet),
      admitted: (bytes) => {
        connection.unhandled += costOf(bytes);
        connection.budget.take(costOf(bytes));
      },
      closed: (error) => this.#onClosed(connection, error),
    });
    const connection: Connection = {
      link,
      acks: new AckQueue(),
      unhandled: 0,
      alive: true,
      pingPending: false,
      budget: new ConnectionBudget(
        this.#total,
        limits.connectionBytesMax,
        () => link.pause(),
        () => link.resume(),
      ),
      cancelTimer: timers.after(HANDSHAKE_MS, () => {
        link.close(new RveError('ERR_TIMEOUT', 'the broker did not answer'));
      }),
    };
    this.#connection = connection;
    stats.connections = 1;
    link.onOpen(() => this.#sendConnect(link));
  }

  #sendConnect(link: ClientLink): void {
    const { clientId, username, password, keepalive, protocolVersion } = this.#options;
    const { limits, topics } = this.#intake.options;
    link.send({
      cmd: 'connect',
      protocolId: 'MQTT',
      protocolVersion: protocolVersion === '5' ? 5 : 4,
      // Not clean: the broker keeps what we have not acknowledged, and sends it again.
      clean: false,
      clientId: clientId!,
      keepalive: keepalive ?? KEEPALIVE_S,
      will: { topic: topics.of('status'), payload: statusBody('offline'), qos: 1, retain: true },
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password: Buffer.from(password) }),
      ...(protocolVersion !== '5'
        ? {}
        : {
            properties: {
              sessionExpiryInterval: SESSION_EXPIRY_S,
              receiveMaximum: limits.receiveMax,
              maximumPacketSize: limits.packetBytesMax,
            },
          }),
    });
  }

  #onPacket(connection: Connection, packet: Packet): void {
    switch (packet.cmd) {
      case 'connack':
        return this.#onConnack(connection, packet);
      case 'suback':
        return this.#onSuback(connection, packet);
      case 'publish':
        return this.#onPublish(connection, packet);
      case 'pubrel':
        this.#receipts.delete(packet.messageId!);
        return connection.link.send({
          cmd: 'pubcomp',
          messageId: packet.messageId!,
          reasonCode: 0,
        });
      case 'puback':
        return this.#outgoing.acknowledged(packet.messageId!);
      case 'pingresp':
        connection.pingPending = false;
        return;
      case 'disconnect':
        return connection.link.close(
          new RveError('ERR_MQTT', `disconnected, reason ${packet.reasonCode}`),
        );
      default:
        return connection.link.close(new RveError('ERR_MQTT', `unexpected ${packet.cmd} packet`));
    }
  }

  #onConnack(connection: Connection, packet: IConnackPacket): void {
    const code = packet.reasonCode ?? packet.returnCode ?? 0;
    if (code !== 0) {
      const error = new RveError('ERR_MQTT', `the broker refused the connection, code ${code}`);
      // 3 and 0x88, 0x89, 0x97: busy or away, may pass. The rest is a matter of configuration.
      const passing = this.#options.protocolVersion === '5' ? [0x88, 0x89, 0x97] : [3];
      if (!passing.includes(code)) this.#refuse(error);
      connection.link.close(error);
      return;
    }
    if (!packet.sessionPresent) this.#receipts.clear();
    const { topics } = this.#intake.options;
    const qos = 2; // The sender's own level holds: a lower one is not raised.
    const rh = 2; // MQTT 5: retained messages are not wanted.
    connection.link.send({
      cmd: 'subscribe',
      messageId: SUBSCRIBE_ID,
      subscriptions: ['ingest/+', 'query', 'feedback'].map((suffix) => ({
        topic: topics.of(suffix),
        qos,
        rh,
      })),
    });
    this.#outgoing.connected(
      (message) => connection.link.send(message),
      packet.properties?.receiveMaximum ?? RECEIVE_MAX_DEFAULT,
      packet.sessionPresent,
    );
  }

  /** Fails start(), and ends the session with it. Later on, only the next attempt can tell. */
  #refuse(error: RveError): void {
    if (this.#onRefused === null) return;
    this.#stopping = true;
    this.#onRefused(error);
  }

  #onSuback(connection: Connection, packet: ISubackPacket): void {
    if (packet.granted.some((code) => Number(code) >= 0x80)) {
      const error = new RveError('ERR_MQTT', 'the broker refused the subscription: check its ACL');
      this.#refuse(error);
      connection.link.close(error);
      return;
    }
    this.#failures = 0;
    connection.cancelTimer();
    this.#keepAlive(connection);
    this.#send({
      topic: this.#intake.options.topics.of('status'),
      payload: statusBody('online'),
      qos: 0,
      retain: true,
    });
    this.#intake.options.log.info({ url: this.#options.url }, 'subscribed at the broker');
    this.#onReady?.();
    this.#onReady = null;
    this.#onRefused = null;
  }

  /**
   * Pings at three quarters of the period; a ping unanswered by the next one ends the connection.
   */
  #keepAlive(connection: Connection): void {
    const ms = (this.#options.keepalive ?? KEEPALIVE_S) * 750;
    connection.cancelTimer = this.#intake.options.timers.after(ms, () => {
      // While we do not read, its answer cannot arrive: that is our doing, not the broker's
      // silence.
      if (connection.pingPending && connection.budget.reading) {
        connection.link.close(new RveError('ERR_TIMEOUT', 'the broker did not answer a ping'));
        return;
      }
      connection.pingPending = true;
      connection.link.send({ cmd: 'pingreq' });
      this.#keepAlive(connection);
    });
  }

  #onPublish(connection: Connection, packet: IPublishPacket): void {
    const cost = costOf(packet.length ?? 0);
    connection.unhandled -= cost;
    const slot = packet.qos === 0 ? null : connection.acks.open();
    void this.#handle(packet).then((outcome) => {
      connection.budget.give(cost);
      if (outcome.kind === 'stored' || outcome.kind === 'refused') {
        const ingest = packet.topic.startsWith(this.#intake.options.topics.of('ingest/'));
        const acked = (): void => {
          if (ingest) this.#intake.options.stats.acked += 1;
          if (packet.qos > 0) this.#acknowledge(connection, packet, outcome);
        };
        if (slot === null) acked();
        else slot.settle(acked);
      } else if (connection.alive) {
        // No acknowledgement: the broker sends it again after we have reconnected, with backoff.
        this.#failures = Math.max(this.#failures, 1);
        connection.link.close(new RveError('ERR_BUSY', outcome.message));
      }
    });
  }

  async #handle(packet: IPublishPacket): Promise<Outcome> {
    const body = packet.payload as Buffer;
    const topic = this.#intake.options.topics.parse(packet.topic);
    if (topic === null) {
      const message = 'not a topic of this node, or a bad source name';
      this.#intake.reject(packet.topic.slice(0, 64), 'ERR_TOPIC', message);
      return { kind: 'refused', code: 'ERR_TOPIC', message };
    }
    if (topic.kind === 'feedback') return this.#intake.feedback();
    if (topic.kind === 'query') {
      const { responseTopic, correlationData } = packet.properties ?? {};
      const envelope = {
        ...(responseTopic === undefined ? {} : { responseTopic }),
        ...(correlationData === undefined ? {} : { correlationData }),
      };
      this.#queries.handle(body, envelope, (reply, answer, data) => {
        const properties = data === undefined ? {} : { properties: { correlationData: data } };
        this.#send({ topic: reply, payload: answer, qos: 0, retain: false, ...properties });
      });
      return { kind: 'stored' };
    }
    if (packet.qos !== 2) return await this.#intake.ingest(topic.source, body, packet.retain);
    return await this.#receive2(packet, topic.source, body);
  }

  /** QoS 2: a message id is stored once until its PUBREL. */
  async #receive2(packet: IPublishPacket, source: string, body: Buffer): Promise<Outcome> {
    const id = packet.messageId!;
    if (this.#receipts.get(id) === 'stored') return { kind: 'stored' };
    this.#receipts.set(id, 'storing');
    const outcome = await this.#intake.ingest(source, body, packet.retain);
    const final = outcome.kind === 'refused' && this.#options.protocolVersion === '5';
    if (outcome.kind === 'stored' || (outcome.kind === 'refused' && !final))
      this.#receipts.set(id, 'stored');
    else this.#receipts.delete(id);
    return outcome;
  }

  #acknowledge(connection: Connection, packet: IPublishPacket, outcome: Outcome): void {
    const reasonCode = outcome.kind === 'refused' ? reasonCodeOf(outcome.code) : 0;
    const cmd = packet.qos === 1 ? 'puback' : 'pubrec';
    connection.link.send({ cmd, messageId: packet.messageId!, reasonCode });
  }

  #onClosed(connection: Connection, error: Error | null): void {
    connection.alive = false;
    connection.cancelTimer();
    connection.acks.abandon();
    connection.budget.close();
    connection.budget.give(connection.unhandled);
    this.#outgoing.disconnected();
    this.#connection = null;
    const { stats, timers, log } = this.#intake.options;
    stats.connections = 0;
    // After a failed write the memory refuses all; asking the broker again would only wear the log.
    if (this.#stopping || stats.failed !== null) return;
    stats.dropped += 1;
    const ceiling = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** Math.min(this.#failures, 6));
    this.#failures += 1;
    const waitMs = Math.round(ceiling * (0.5 + this.#random() / 2));
    log.warn(
      { waitMs, error: error?.message ?? 'closed by the broker' },
      'connection to the broker lost',
    );
    this.#cancelRetry = timers.after(waitMs, () => this.#connect());
  }

  #send(message: Omit<IPublishPacket, 'cmd' | 'dup'>): void {
    this.#connection?.link.send({ cmd: 'publish', dup: false, ...message });
  }

  /** QoS 0: sent if connected, else dropped. QoS 1: resolves at the broker's acknowledgement. */
  async publish(topic: string, payload: Buffer, qos: 0 | 1, retain: boolean): Promise<void> {
    if (qos === 0) this.#send({ topic, payload, qos, retain });
    else await this.#outgoing.publish({ cmd: 'publish', dup: false, topic, payload, qos, retain });
  }

  /** Reads no more, lets what is in flight be stored and acknowledged, then disconnects. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#cancelRetry();
    this.#onRefused?.(new RveError('ERR_CLOSED', 'stopped before the broker answered'));
    const connection = this.#connection;
    if (connection === null) return;
    connection.budget.stop();
    const { timers } = this.#intake.options;
    const idle = Promise.all([this.#queries.idle(), connection.acks.idle()]);
    await atMost(timers, DRAIN_MS, idle);
    if (!connection.alive) return;
    this.#send({
      topic: this.#intake.options.topics.of('status'),
      payload: statusBody('offline'),
      qos: 0,
      retain: true,
    });
    await connection.link.end();
  }
}

/** The only SUBSCRIBE of a connection; Outgoing never takes this identifier. */
const SUBSCRIBE_ID = 65_535;

export function statusBody(state: 'online' | 'offline'): Buffer {
  return Buffer.from(JSON.stringify({ state }));
}
