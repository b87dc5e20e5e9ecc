import { RveError } from '../../errors/index.js';
import { DEPTH_MAX } from './limits.js';

interface Container {
  list: unknown[] | null;
  object: Record<string, unknown> | null;
  keys: Set<string> | null;
  key: string;
}

/**
 * Puts a nested value together from the events of either reader, on a stack of its own: no
 * recursion. The body's own map counts as one level, hence DEPTH_MAX - 1 of its own.
 */
export class ValueBuilder {
  readonly #stack: Container[] = [];
  root: unknown = undefined;

  get depth(): number {
    return this.#stack.length;
  }

  get insideMap(): boolean {
    return this.#stack.at(-1)?.object != null;
  }

  open(isMap: boolean): void {
    if (this.#stack.length + 1 >= DEPTH_MAX) {
      throw new RveError('ERR_BODY_LIMIT', `the body is nested deeper than ${DEPTH_MAX}`);
    }
    this.#stack.push(
      isMap
        ? { list: null, object: {}, keys: new Set(), key: '' }
        : { list: [], object: null, keys: null, key: '' },
    );
  }

  /** Names the next value of the innermost map. A plain object is safe: `__proto__` is refused. */
  key(name: string): void {
    const top = this.#stack.at(-1)!;
    if (name === '__proto__') throw new RveError('ERR_BODY', '"__proto__" cannot be a key');
    if (top.keys!.has(name))
      throw new RveError('ERR_BODY', `key "${name.slice(0, 32)}" occurs twice`);
    top.keys!.add(name);
    top.key = name;
  }

  add(value: unknown): void {
    const top = this.#stack.at(-1);
    if (top === undefined) this.root = value;
    else if (top.list !== null) top.list.push(value);
    else top.object![top.key] = value;
  }

  close(): void {
    const top = this.#stack.pop()!;
    this.add(top.list ?? top.object);
  }
}
