import { RveError } from '../../errors/index.js';
import { ITEMS_MAX } from './limits.js';
import { VectorSink } from './vector_sink.js';

/** Keys whose numbers go to the sink and are not counted as items. */
export const VECTOR_KEYS: ReadonlySet<string> = new Set(['v', 'vectors']);

/** A body's top-level map, read but not yet judged: what both formats produce. */
export class Fields {
  readonly values = new Map<string, unknown>();
  readonly sink = new VectorSink();
  vectorKey: 'v' | 'vectors' | null = null;
  readonly #allowed: ReadonlySet<string>;

  constructor(allowed: ReadonlySet<string>) {
    this.#allowed = allowed;
  }

  /** Admits the next key of the map. ERR_BODY: unknown, twice, or v beside vectors. */
  checkKey(key: string): void {
    if (!this.#allowed.has(key)) {
      throw new RveError('ERR_BODY', `unknown key "${key.slice(0, 32)}"`);
    }
    if (VECTOR_KEYS.has(key)) {
      if (this.vectorKey !== null)
        throw new RveError('ERR_BODY', 'v and vectors: give one of them, once');
      this.vectorKey = key as 'v' | 'vectors';
    } else if (this.values.has(key)) {
      throw new RveError('ERR_BODY', `key "${key}" occurs twice`);
    }
  }
}

/** Counts data items, so that small bodies cannot ask for many objects. */
export class ItemBudget {
  #left = ITEMS_MAX;

  take(count: number): void {
    this.#left -= count;
    if (this.#left < 0) {
      throw new RveError(
        'ERR_BODY_LIMIT',
        `a body holds at most ${ITEMS_MAX} items beside its vectors`,
      );
    }
  }
}
