import { isUtf8 } from 'node:buffer';
import { RveError } from '../../errors/index.js';
import { type Fields, ItemBudget, VECTOR_KEYS } from './fields.js';
import { SLICE_BYTES, STRING_BYTES_MAX } from './limits.js';
import { ValueBuilder } from './value_builder.js';
import type { VectorSink } from './vector_sink.js';

// JSON (RFC 8259) under the limits of the CBOR reader. JSON.parse takes 3 to 7 ms for 256 KiB of
// numbers and cannot be interrupted, so the reader is a generator that hands control back every
// SLICE_BYTES; it also finds duplicate keys, which JSON.parse hides, and never recurses.

/** Longer number texts than any that a double needs are refused. */
const NUMBER_BYTES_MAX = 64;

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const BACKSLASH = 0x5c;
const OPEN_MAP = 0x7b;
const CLOSE_MAP = 0x7d;
const NUMBER_FORM = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/;
const POWERS_OF_TEN = Float64Array.from({ length: 23 }, (_, i) => Number(`1e${i}`));

export class JsonReader {
  readonly #bytes: Buffer;
  readonly #items = new ItemBudget();
  #at = 0;
  #yieldAt = SLICE_BYTES;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** Reads the whole body into `fields`; yields between slices. Throws ERR_BODY, ERR_BODY_LIMIT. */
  *readBody(fields: Fields): Generator<void, void> {
    this.#expect(OPEN_MAP);
    if (this.#peek() === CLOSE_MAP) this.#at += 1;
    else {
      do {
        this.#items.take(2);
        const key = this.#text();
        fields.checkKey(key);
        this.#expect(COLON);
        if (VECTOR_KEYS.has(key)) yield* this.#vectors(fields.sink);
        else fields.values.set(key, yield* this.#value());
      } while (this.#more(CLOSE_MAP));
    }
    this.#end();
  }

  /** Reads one value, which must be all there is. */
  *readOnly(): Generator<void, unknown> {
    const value = yield* this.#value();
    this.#end();
    return value;
  }

  #end(): void {
    if (!Number.isNaN(this.#peek())) throw bad(`something follows the body at byte ${this.#at}`);
  }

  /** The next byte that is not white space, not consumed; NaN at the end. */
  #peek(): number {
    const bytes = this.#bytes;
    for (;;) {
      const byte = bytes[this.#at];
      if (byte === undefined) return Number.NaN;
      if (byte > 0x20 || (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09))
        return byte;
      this.#at += 1;
    }
  }

  #expect(wanted: number): void {
    if (this.#peek() !== wanted) {
      throw bad(`expected ${String.fromCharCode(wanted)} at byte ${this.#at}`);
    }
    this.#at += 1;
  }

  /** After an item: true for a comma, false for the closing byte; both are consumed. */
  #more(close: number): boolean {
    const byte = this.#peek();
    if (byte !== COMMA && byte !== close)
      throw bad(`expected a comma or an end at byte ${this.#at}`);
    this.#at += 1;
    return byte === COMMA;
  }

  *#pause(): Generator<void, void> {
    this.#yieldAt = this.#at + SLICE_BYTES;
    yield;
  }

  *#vectors(sink: VectorSink): Generator<void, void> {
    this.#expect(OPEN_LIST);
    if (this.#peek() !== OPEN_LIST) return yield* this.#numbers(sink);
    do {
      this.#items.take(1);
      this.#expect(OPEN_LIST);
      yield* this.#numbers(sink);
      sink.endRow();
    } while (this.#more(CLOSE_LIST));
  }

  /** The rest of an array of numbers whose bracket is consumed. */
  *#numbers(sink: VectorSink): Generator<void, void> {
    if (this.#peek() === CLOSE_LIST) {
      this.#at += 1;
      return;
    }
    while (this.#someNumbers(sink)) yield* this.#pause();
  }

  /** Reads numbers until the slice (true) or the array (false) ends. */
  #someNumbers(sink: VectorSink): boolean {
    do {
      if (this.#at >= this.#yieldAt) return true;
      this.#peek();
      sink.push(this.#number());
    } while (this.#more(CLOSE_LIST));
    return false;
  }

  /** One value of any kind. */
  *#value(): Generator<void, unknown> {
    const builder = new ValueBuilder();
    do {
      if (this.#at >= this.#yieldAt) yield* this.#pause();
      const byte = this.#peek();
      if (byte === OPEN_MAP || byte === OPEN_LIST) {
        this.#at += 1;
        builder.open(byte === OPEN_MAP);
        if (this.#peek() !== (byte === OPEN_MAP ? CLOSE_MAP : CLOSE_LIST)) {
          this.#begin(builder);
          continue;
        }
        this.#at += 1;
        builder.close();
      } else {
        builder.add(this.#leaf(byte));
      }
      while (builder.depth > 0) {
        if (this.#more(builder.insideMap ? CLOSE_MAP : CLOSE_LIST)) {
          this.#begin(builder);
          break;
        }
        builder.close();
      }
    } while (builder.depth > 0);
    return builder.root;
  }

  /** Counts the next item of the innermost container, and reads its key in a map. */
  #begin(builder: ValueBuilder): void {
    this.#items.take(builder.insideMap ? 2 : 1);
    if (!builder.insideMap) return;
    builder.key(this.#text());
    this.#expect(COLON);
  }

  #leaf(byte: number): unknown {
    switch (byte) {
      case QUOTE:
        return this.#text();
      case 0x74:
        return this.#word('true', true);
      case 0x66:
        return this.#word('false', false);
      case 0x6e:
        return this.#word('null', null);
      default:
        return this.#number();
    }
  }

  #word<T>(word: string, value: T): T {
    if (this.#bytes.toString('latin1', this.#at, this.#at + word.length) !== word)
      throw this.#unexpected();
    this.#at += word.length;
    return value;
  }

  #text(): string {
    this.#expect(QUOTE);
    const bytes = this.#bytes;
    const start = this.#at;
    let escaped = false;
    let high = 0;
    let at = start;
    for (; ; at += 1) {
      const byte = bytes[at];
      if (byte === undefined || byte < 0x20) throw bad(`a text does not end, from byte ${start}`);
      if (byte === QUOTE) break;
      high |= byte;
      if (byte === BACKSLASH) {
        escaped = true;
        at += 1;
      }
    }
    if (at - start > STRING_BYTES_MAX) {
      throw new RveError('ERR_BODY_LIMIT', `a text exceeds ${STRING_BYTES_MAX} bytes`);
    }
    this.#at = at + 1;
    const span = bytes.subarray(start, at);
    if (high < 0x80 && !escaped) return span.toString('latin1');
    if (!isUtf8(span)) throw bad('a text is not UTF-8');
    return escaped ? unescape(span) : span.toString('utf8');
  }

  /**
   * A number at the cursor. Up to 15 digits with up to 22 of them behind the point are exact as a
   * quotient of two exact doubles (Clinger 1990); the rest goes through Number().
   */
  #number(): number {
    const bytes = this.#bytes;
    const start = this.#at;
    let at = start;
    const negative = bytes[at] === 0x2d;
    if (negative) at += 1;
    let mantissa = 0;
    let digits = 0;
    const whole = at;
    for (let d = bytes[at]! - 48; d >= 0 && d <= 9; d = bytes[++at]! - 48) {
      mantissa = mantissa * 10 + d;
      digits += 1;
    }
    if (digits === 0 || (digits > 1 && bytes[whole] === 48)) throw this.#unexpected();
    let fraction = 0;
    if (bytes[at] === 0x2e) {
      at += 1;
      for (let d = bytes[at]! - 48; d >= 0 && d <= 9; d = bytes[++at]! - 48) {
        mantissa = mantissa * 10 + d;
        fraction += 1;
      }
      if (fraction === 0) throw this.#unexpected();
    }
    const next = bytes[at];
    if (digits + fraction > 15 || next === 0x65 || next === 0x45)
      return this.#slowNumber(start, at);
    this.#at = at;
    const value = mantissa / POWERS_OF_TEN[fraction]!;
    return negative ? -value : value;
  }

  #slowNumber(start: number, from: number): number {
    const bytes = this.#bytes;
    let at = from;
    while (at < bytes.length && at - start <= NUMBER_BYTES_MAX && isNumberByte(bytes[at]!)) at += 1;
    const text = bytes.toString('latin1', start, at);
    if (text.length > NUMBER_BYTES_MAX || !NUMBER_FORM.test(text)) throw this.#unexpected();
    this.#at = at;
    const value = Number(text);
    if (!Number.isFinite(value)) throw bad(`a number is out of range at byte ${start}`);
    return value;
  }

  #unexpected(): RveError {
    return bad(`expected a value at byte ${this.#at}`);
  }
}

function isNumberByte(byte: number): boolean {
  return (
    (byte >= 0x30 && byte <= 0x39) ||
    byte === 0x2b ||
    byte === 0x2d ||
    byte === 0x2e ||
    byte === 0x65 ||
    byte === 0x45
  );
}

/** One text with escapes; bounded, flat and already known to end, so JSON.parse is safe on it. */
function unescape(span: Buffer): string {
  try {
    return JSON.parse(`"${span.toString('utf8')}"`) as string;
  } catch {
    throw bad('a text holds an unknown escape');
  }
}

function bad(message: string): RveError {
  return new RveError('ERR_BODY', message);
}
