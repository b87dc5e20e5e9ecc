import { RveError } from '../../errors/index.js';

// Who may say what where. Below rve/<node>/ only ingest/<source>, query and feedback take messages
// from outside; status and event/... go out; replies go to rve/<node>/reply/... or, since a client
// names its own, to any topic outside rve/ and $, where nothing but replies is ever published.

const SOURCE_FORM = /^[A-Za-z0-9_-]{1,64}$/;
export const NODE_FORM = SOURCE_FORM;

export type InTopic = { kind: 'ingest'; source: string } | { kind: 'query' } | { kind: 'feedback' };

export interface TopicLimits {
  topicBytesMax: number;
  topicLevelsMax: number;
}

export class Topics {
  readonly prefix: string;
  readonly #ingestPrefix: string;
  readonly #limits: TopicLimits;
  /** Sources repeat: a checked topic is looked up, not parsed. Cleared when full. */
  readonly #known = new Map<string, InTopic>();

  constructor(node: string, limits: TopicLimits) {
    if (!NODE_FORM.test(node)) {
      throw new RveError('ERR_CONFIG', `node "${node}" must match ${NODE_FORM.source}`);
    }
    this.prefix = `rve/${node}/`;
    this.#ingestPrefix = `${this.prefix}ingest/`;
    this.#limits = limits;
  }

  /** A topic of this node, by what follows rve/<node>/. */
  of(suffix: string): string {
    return this.prefix + suffix;
  }

  /** What a client may publish to; null: refused. */
  parse(topic: string): InTopic | null {
    const known = this.#known.get(topic);
    if (known !== undefined) return known;
    const parsed = this.#parse(topic);
    if (parsed !== null) {
      if (this.#known.size >= 4_096) this.#known.clear();
      this.#known.set(topic, parsed);
    }
    return parsed;
  }

  #parse(topic: string): InTopic | null {
    if (!topic.startsWith(this.prefix)) return null;
    const suffix = topic.slice(this.prefix.length);
    if (suffix === 'query') return { kind: 'query' };
    if (suffix === 'feedback') return { kind: 'feedback' };
    if (!topic.startsWith(this.#ingestPrefix)) return null;
    const source = topic.slice(this.#ingestPrefix.length);
    return SOURCE_FORM.test(source) ? { kind: 'ingest', source } : null;
  }

  /** Length, levels, and no byte that MQTT forbids; wildcards are not looked at. */
  #wellFormed(topic: string): boolean {
    return (
      topic.length > 0 &&
      Buffer.byteLength(topic) <= this.#limits.topicBytesMax &&
      topic.split('/').length <= this.#limits.topicLevelsMax &&
      !topic.includes('\0')
    );
  }

  /** Where a reply may be sent: a loop into our own inputs is impossible. */
  mayReply(topic: string): boolean {
    if (!this.#wellFormed(topic) || topic.includes('+') || topic.includes('#')) return false;
    if (topic.startsWith('rve/')) return topic.startsWith(`${this.prefix}reply/`);
    return topic !== 'rve' && !topic.startsWith('$');
  }

  /** What a client of the embedded broker may listen to. */
  maySubscribe(filter: string): boolean {
    if (!this.#wellFormed(filter) || filter.startsWith('$')) return false;
    if (filter.startsWith('rve/')) {
      const suffix = filter.startsWith(this.prefix) ? filter.slice(this.prefix.length) : '';
      return (
        suffix === 'status' ||
        suffix === 'event/#' ||
        suffix === 'event/+' ||
        suffix.startsWith('event/') ||
        suffix.startsWith('reply/')
      );
    }
    // A wildcard in the first level would also match rve/...
    const first = filter.split('/', 1)[0]!;
    return first !== 'rve' && first !== '+' && first !== '#';
  }
}
