import { RveError } from '../../errors/index.js';
import {
  bodyFormat,
  type Correlation,
  decodeQuery,
  encodeReply,
  type QueryReply,
} from '../body/index.js';
import type { Intake } from './intake.js';

/**
 * How a query came: MQTT 5 may name the answer's topic and carry correlation data outside the body.
 */
export interface QueryEnvelope {
  responseTopic?: string;
  correlationData?: Buffer;
}

export type SendReply = (topic: string, body: Buffer, correlationData?: Buffer) => void;

/** Answers queries that come by MQTT. Bounded; answers leave as they are found, in any order. */
export class Queries {
  readonly #intake: Intake;
  #pending = 0;
  #idle: (() => void)[] = [];

  constructor(intake: Intake) {
    this.#intake = intake;
  }

  /**
   * Starts answering; never throws. Without a topic to answer to, the query is an event/rejected.
   */
  handle(body: Buffer, envelope: QueryEnvelope, send: SendReply): void {
    this.#intake.options.stats.queries += 1;
    this.#pending += 1;
    void this.#answer(body, envelope, send)
      .catch((error: unknown) => {
        this.#intake.options.log.warn({ error: String(error) }, 'a query failed');
      })
      .finally(() => {
        this.#pending -= 1;
        if (this.#pending > 0) return;
        for (const resolve of this.#idle.splice(0)) resolve();
      });
  }

  async idle(): Promise<void> {
    if (this.#pending === 0) return;
    await new Promise<void>((resolve) => {
      this.#idle.push(resolve);
    });
  }

  async #answer(body: Buffer, envelope: QueryEnvelope, send: SendReply): Promise<void> {
    const { dimensions, limits, memory, topics } = this.#intake.options;
    let topic = envelope.responseTopic;
    const back: { id?: string | number; correlation?: Correlation } = {};
    let reply: QueryReply;
    try {
      if (this.#pending > limits.queriesMax) {
        throw new RveError('ERR_BUSY', `${limits.queriesMax} queries are being answered`);
      }
      const request = await decodeQuery(body, { dimensions, bytesMax: limits.packetBytesMax });
      topic ??= request.replyTo;
      if (request.id !== undefined) back.id = request.id;
      if (request.correlation !== undefined) back.correlation = request.correlation;
      const { vector, k, ef, recall, filter } = request;
      const hit = await memory.query({
        vector,
        k,
        ...(ef === undefined ? {} : { ef }),
        ...(recall === undefined ? {} : { recall }),
        ...(filter === undefined ? {} : { filter }),
      });
      const { ids, scores, latencyUs, degraded } = hit;
      reply = { ...back, ids, scores, latencyUs, degraded };
    } catch (error) {
      const code = error instanceof RveError ? error.code : 'ERR_INTERNAL';
      const message = error instanceof RveError ? error.message : 'the query failed';
      reply = { ...back, error: { code, message } };
    }
    if (topic === undefined || !topics.mayReply(topic)) {
      const [code, message] =
        'error' in reply
          ? ([reply.error.code, reply.error.message] as const)
          : (['ERR_TOPIC', 'a query names no topic that a reply may go to'] as const);
      this.#intake.reject('query', code, message);
      return;
    }
    send(topic, encodeReply(reply, bodyFormat(body)), envelope.correlationData);
  }
}
