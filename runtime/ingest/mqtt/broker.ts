import type { EventEmitter } from 'node:events';
import {
  createServer as createPlainServer,
  type AddressInfo,
  type Server,
  type Socket,
} from 'node:net';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { Aedes, type Client, type PublishPacket } from 'aedes';
import { RveError } from '../../errors/index.js';
import { AckQueue } from './acks.js';
import { costOf, TotalBudget } from './budget.js';
import { checkExposure, Credentials } from './credentials.js';
import { atMost, DRAIN_MS } from './drain.js';
import { GuardedSocket, type PacketSink } from './guarded_socket.js';
import type { Intake } from './intake.js';
import type { Outcome } from './outcome.js';
import { Queries } from './queries.js';
import { Sessions } from './sessions.js';
import type { InTopic } from './topics.js';
import type { BrokerOptions } from './types.js';

/** A peer whose message could not be taken now waits this long before its connection closes. */
const RETRY_MS = 1_000;

type Done = (error?: Error | null) => void;

/**
 * The embedded broker. aedes writes PUBACK (QoS 1) or PUBREC (QoS 2) after authorizePublish calls
 * back, so the hook stores the record first and calls back when it is durable.
 */
export class Broker {
  readonly #intake: Intake;
  readonly #queries: Queries;
  readonly #options: BrokerOptions;
  readonly #credentials: Credentials;
  readonly #total: TotalBudget;
  readonly #sessions: Sessions;
  readonly #connections = new Set<GuardedSocket>();
  #aedes: Aedes | null = null;
  #server: Server | null = null;
  #stopping = false;

  /** ERR_CONFIG: the address is open to the network without protection. */
  constructor(intake: Intake, options: BrokerOptions) {
    checkExposure(options);
    this.#intake = intake;
    this.#options = options;
    this.#queries = new Queries(intake);
    this.#credentials = new Credentials(options);
    this.#total = new TotalBudget(intake.options.limits.totalBytesMax);
    this.#sessions = new Sessions(intake.options.limits.sessionsMax);
    intake.publish = (topic, body) => this.#tell(topic, body);
  }

  /** Listens; resolves to the port. ERR_MQTT: the address cannot be used. */
  async start(): Promise<number> {
    const { limits } = this.#intake.options;
    const aedes = await Aedes.createBroker({
      connectTimeout: limits.preAuthMs,
      maxTopicLevels: limits.topicLevelsMax,
      maxClientsIdLength: 64,
      authenticate: (client, name, password, done) => {
        const ok = this.#credentials.accept(name, password, guardOf(client).identity !== null);
        done(null, ok && !this.#stopping);
      },
      authorizePublish: (client, packet, done) => this.#onPublish(client, packet, done),
      authorizeSubscribe: (client, subscription, done) => {
        // Deliveries go out at QoS 0: nothing queues up in here for a client that is away.
        const granted = this.#maySubscribe(guardOf(client), subscription.topic);
        done(null, granted ? { ...subscription, qos: 0 } : null);
      },
    });
    this.#aedes = aedes;
    aedes.on('clientReady', (client) => guardOf(client).opened(sinkOf(client)));
    aedes.on('client', (client) => this.#sessions.touch(aedes, client));
    aedes.on('unsubscribe', (filters, client) => {
      for (const filter of filters) guardOf(client).filters.delete(filter);
    });
    (aedes as EventEmitter).on('error', (error: Error) => {
      this.#intake.options.log.warn({ error: error.message }, 'the broker reports an error');
    });
    // Errors end their own connection; aedes has destroyed it already.
    aedes.on('clientError', () => this.#countDrop());
    aedes.on('connectionError', () => this.#countDrop());
    try {
      return await this.#listen();
    } catch (error) {
      // Its timers would keep a process alive that cannot serve.
      await this.stop();
      throw error;
    }
  }

  #maySubscribe(guard: GuardedSocket, filter: string): boolean {
    const { topics, limits } = this.#intake.options;
    if (guard.filters.has(filter)) return true;
    if (guard.filters.size >= limits.subscriptionsMax || !topics.maySubscribe(filter)) return false;
    guard.filters.add(filter);
    return true;
  }

  #countDrop(): void {
    if (!this.#stopping) this.#intake.options.stats.dropped += 1;
  }

  async #listen(): Promise<number> {
    const { tls, port } = this.#options;
    const { limits } = this.#intake.options;
    const onSocket = (socket: Socket): void => this.#accept(socket);
    const server: Server =
      tls === undefined
        ? createPlainServer({ noDelay: true }, onSocket)
        : createTlsServer(
            {
              ...tls,
              minVersion: 'TLSv1.2',
              handshakeTimeout: limits.preAuthMs,
              requestCert: tls.ca !== undefined,
              rejectUnauthorized: tls.ca !== undefined,
            },
            onSocket,
          );
    server.maxConnections = limits.connectionsMax;
    server.on('drop', () => this.#countDrop());
    this.#server = server;
    const host = this.#options.host ?? '127.0.0.1';
    await new Promise<void>((resolve, reject) => {
      server.on('error', (error) => {
        const taken = (error as NodeJS.ErrnoException).code === 'EADDRINUSE';
        const message = taken
          ? `cannot listen on ${host}:${port}: another program does. ` +
            'Stop it, or choose another port (0: any free one)'
          : `cannot listen on ${host}:${port}: ${error.message}`;
        reject(new RveError('ERR_MQTT', message, { cause: error }));
      });
      server.listen(port, host, resolve);
    });
    return (server.address() as AddressInfo).port;
  }

  #accept(socket: Socket): void {
    const { stats, limits, log } = this.#intake.options;
    const guard = new GuardedSocket(
      socket,
      this.#total,
      limits,
      new AckQueue(),
      identityOf(socket, this.#options),
      (error) => {
        stats.dropped += 1;
        log.warn({ peer: socket.remoteAddress }, `connection closed: ${error.message}`);
      },
    );
    this.#connections.add(guard);
    stats.connections = this.#connections.size;
    guard.once('close', () => {
      this.#connections.delete(guard);
      stats.connections = this.#connections.size;
    });
    this.#aedes!.handle(guard);
  }

  /** aedes asks before it acknowledges; an error ends the connection without an acknowledgement. */
  #onPublish(client: Client | null, packet: PublishPacket, done: Done): void {
    // A will has no cmd: it would speak for a client that is gone, and none is expected here.
    if (client === null || packet.cmd !== 'publish') {
      done(new RveError('ERR_TOPIC', 'wills are not published'));
      return;
    }
    const guard = guardOf(client);
    const cost = costOf(packet.length ?? 0);
    guard.handled(cost);
    const topic = this.#intake.options.topics.parse(packet.topic);
    if (topic === null || !mayWrite(guard, topic)) {
      const message = 'this client may not publish there';
      this.#intake.reject(packet.topic.slice(0, 64), 'ERR_TOPIC', message);
      guard.budget.give(cost);
      done(new RveError('ERR_TOPIC', message));
      return;
    }
    const retained = packet.retain;
    packet.retain = false;
    const slot = packet.qos === 0 ? null : guard.acks.open();
    void this.#handle(client, packet, topic, retained).then((outcome) => {
      guard.budget.give(cost);
      if (outcome.kind === 'stored' || outcome.kind === 'refused') {
        const acknowledge = (): void => {
          if (topic.kind === 'ingest') this.#intake.options.stats.acked += 1;
          done();
        };
        if (slot === null) acknowledge();
        else slot.settle(acknowledge);
        return;
      }
      // No acknowledgement: the peer keeps the message, and sends it again after it has
      // reconnected.
      guard.stopReading();
      const close = (): void => done(new RveError('ERR_BUSY', outcome.message));
      if (outcome.kind === 'failed') close();
      else this.#intake.options.timers.after(RETRY_MS, close);
    });
  }

  async #handle(
    client: Client,
    packet: PublishPacket,
    topic: InTopic,
    retained: boolean,
  ): Promise<Outcome> {
    const body = packet.payload as Buffer;
    if (topic.kind === 'query') {
      this.#queries.handle(body, {}, (reply, answer) => this.#tell(reply, answer));
      return { kind: 'stored' };
    }
    if (topic.kind === 'feedback') return this.#intake.feedback();
    if (packet.qos === 2 && (await this.#isReceipted(client, packet))) return { kind: 'stored' };
    return await this.#intake.ingest(topic.source, body, retained);
  }

  /** A QoS 2 message sent again whose PUBREC was lost is stored already; aedes remembers it. */
  async #isReceipted(client: Client, packet: PublishPacket): Promise<boolean> {
    const { persistence } = this.#aedes as unknown as { persistence: IncomingStore };
    try {
      await persistence.incomingGetPacket(client, packet);
      return true;
    } catch {
      return false;
    }
  }

  /** A reply or event: whoever listens gets it; a broker that is closing has nobody to tell. */
  #tell(topic: string, body: Buffer): void {
    this.publish(topic, body, 0, false).catch((error: unknown) => {
      this.#intake.options.log.warn({ topic, error: String(error) }, 'message not published');
    });
  }

  /** Resolves when the broker has passed it to its subscribers. */
  async publish(topic: string, body: Buffer, qos: 0 | 1, retain: boolean): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      if (this.#aedes === null || this.#aedes.closed) {
        reject(new RveError('ERR_CLOSED', 'the broker is stopped'));
        return;
      }
      const packet = { cmd: 'publish', topic, payload: body, qos, retain, dup: false } as const;
      this.#aedes.publish(packet, (error) => {
        if (error == null) resolve();
        else reject(new RveError('ERR_MQTT', error.message));
      });
    });
  }

  /** Takes no more, lets what is in flight be stored and acknowledged, then closes. */
  async stop(): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    const closed = new Promise<void>((resolve) => {
      if (this.#server === null) resolve();
      else this.#server.close(() => resolve());
    });
    for (const guard of this.#connections) guard.stopReading();
    const { timers } = this.#intake.options;
    const drained = [...this.#connections].map(async (guard) => await guard.drain());
    await atMost(timers, DRAIN_MS, Promise.all([this.#queries.idle(), ...drained]));
    await new Promise<void>((resolve) => {
      if (this.#aedes === null) resolve();
      else this.#aedes.close(() => resolve());
    });
    for (const guard of this.#connections) guard.destroy();
    await closed;
  }
}

interface IncomingStore {
  incomingGetPacket(client: Client, packet: PublishPacket): Promise<unknown>;
}

function guardOf(client: Client): GuardedSocket {
  return client.conn as GuardedSocket;
}

/** The parser is not in aedes' types; were it gone, null: slower, and as safe. */
function sinkOf(client: Client): PacketSink | null {
  const { _parser: parser } = client as unknown as { _parser?: Partial<PacketSink> };
  return typeof parser?.parse === 'function' ? (parser as PacketSink) : null;
}

function mayWrite(guard: GuardedSocket, topic: InTopic): boolean {
  return topic.kind !== 'ingest' || guard.identity === null || guard.identity === topic.source;
}

/** Common name of a certificate that TLS has verified against our CA. */
function identityOf(socket: Socket, options: BrokerOptions): string | null {
  if (options.tls?.ca === undefined) return null;
  const name = (socket as TLSSocket).getPeerCertificate().subject?.CN;
  return typeof name === 'string' ? name : '';
}
