import { RveError } from '../../errors/index.js';
import { decodeIngest, type IngestRequest } from '../body/index.js';
import type { MqttLimits } from './limits.js';
import { type Outcome, outcomeOf, STORED } from './outcome.js';
import { TokenBuckets } from './token_bucket.js';
import type { Topics } from './topics.js';
import type { InsertFields, Log, MemoryDoor, MqttStats, StoredEvent, Timers } from './types.js';

export interface IntakeOptions {
  memory: MemoryDoor;
  dimensions: number;
  limits: MqttLimits;
  topics: Topics;
  stats: MqttStats;
  now: () => number;
  timers: Timers;
  log: Log;
  onStored: ((event: StoredEvent) => void) | undefined;
  onFailed: ((code: string) => void) | undefined;
}

/** Rejections tell the sender; a stream of bad messages must not become a stream of events. */
const REJECTION_EVENTS_PER_SECOND = 20;

/** Turns ingest messages into records. Shared by broker and client mode; knows no connection. */
export class Intake {
  readonly options: IntakeOptions;
  readonly #buckets: TokenBuckets;
  readonly #rejections: TokenBuckets;
  /** Publishes an event; set by the mode that runs. */
  publish: (topic: string, body: Buffer) => void = () => {};

  constructor(options: IntakeOptions) {
    this.options = options;
    this.#buckets = new TokenBuckets(options.limits.sourceRowsPerSecond, options.now);
    this.#rejections = new TokenBuckets(REJECTION_EVENTS_PER_SECOND, options.now);
  }

  /** Stores one message. Never rejects; resolves when the record's group is durable. */
  async ingest(source: string, body: Buffer, retained: boolean): Promise<Outcome> {
    const { stats } = this.options;
    stats.received += 1;
    stats.inFlight += 1;
    stats.bytesInFlight += body.length;
    let outcome: Outcome;
    try {
      outcome = stats.failed === null ? await this.#store(source, body, retained) : this.#failed();
    } catch (error) {
      outcome = outcomeOf(error);
    }
    stats.inFlight -= 1;
    stats.bytesInFlight -= body.length;
    if (outcome.kind === 'refused') this.reject(`ingest/${source}`, outcome.code, outcome.message);
    if (outcome.kind === 'failed' && stats.failed === null) {
      stats.failed = outcome.code;
      this.options.log.warn({ code: outcome.code }, `memory takes no more: ${outcome.message}`);
      this.options.onFailed?.(outcome.code);
    }
    return outcome;
  }

  /** Answers for a topic that takes no messages in this version. */
  feedback(): Outcome {
    const message = 'feedback trains the memory, which this version does not do yet';
    this.reject('feedback', 'ERR_NOT_AVAILABLE', message);
    return { kind: 'refused', code: 'ERR_NOT_AVAILABLE', message };
  }

  /** Counts a refusal and tells of it on event/rejected, JSON { topic, code, message }. */
  reject(what: string, code: string, message: string): void {
    const { stats, topics, log } = this.options;
    stats.refused += 1;
    if (this.#rejections.take('', 1) > 0) return;
    log.warn({ code, topic: what }, `message refused: ${message}`);
    const body = Buffer.from(JSON.stringify({ topic: what, code, message }));
    this.publish(topics.of('event/rejected'), body);
  }

  #failed(): Outcome {
    const code = this.options.stats.failed!;
    return { kind: 'failed', code, message: 'the memory takes no more messages' };
  }

  async #store(source: string, body: Buffer, retained: boolean): Promise<Outcome> {
    // A retained message would come again with each subscription, years after it was true.
    if (retained) throw new RveError('ERR_TOPIC', 'an ingest message must not be retained');
    const { dimensions, limits } = this.options;
    const decoded = decodeIngest(body, { dimensions, bytesMax: limits.packetBytesMax });
    const request = decoded instanceof Promise ? await decoded : decoded;
    const waitMs = this.#buckets.take(source, request.rows);
    if (waitMs > 0) {
      await new Promise<void>((resolve) => {
        this.options.timers.after(waitMs, resolve);
      });
    }
    const { ids } = await this.options.memory.insert(request.vectors, fieldsOf(source, request));
    this.#count(source, request, ids);
    return STORED;
  }

  #count(source: string, request: IngestRequest, ids: Float64Array): void {
    const { stats, onStored, now } = this.options;
    let known = 0;
    for (const id of ids) known += id < 0 ? 1 : 0;
    stats.duplicates += known;
    stats.stored += ids.length - known;
    if (onStored === undefined) return;
    const times = request.times ?? new Array<number>(request.rows).fill(now());
    try {
      onStored({ source, ids, vectors: request.vectors, times });
    } catch (error) {
      // The record is durable: a listener's fault must not withhold its acknowledgement.
      this.options.log.warn({ error: String(error) }, 'a listener of stored records failed');
    }
  }
}

function fieldsOf(source: string, request: IngestRequest): InsertFields {
  const fields: InsertFields = { source };
  if (request.ids !== undefined) fields.ids = request.ids;
  if (request.times !== undefined) fields.times = request.times;
  if (request.labels !== undefined) fields.labels = request.labels;
  if (request.payloads !== undefined) fields.payloads = request.payloads;
  // Dedupe needs both (STORAGE.md 2.5). A sender without a boot number counts as one that never
  // restarts.
  if (request.sequence !== undefined) {
    fields.sequence = request.sequence;
    fields.boot = request.boot ?? 0;
  }
  return fields;
}
