import { isUtf8 } from 'node:buffer';
import { RveError } from '../../errors/index.js';
import { type Fields, ItemBudget, VECTOR_KEYS } from './fields.js';
import { halfToFloat } from './half.js';
import { SLICE_BYTES, STRING_BYTES_MAX } from './limits.js';
import { ValueBuilder } from './value_builder.js';
import { TAG_F16, TAG_F32, TAG_INT8, VectorSink } from './vector_sink.js';

// One pass that validates and decodes (RFC 8949, definite lengths only). A validator that already
// stands on each value can as well build it: cbor-x, which compiles readers with `new Function` and
// recurses, then never sees input (tests use it as an independent encoder). Nesting lives on a
// stack of its own, so no input exhausts the machine's; every length is checked against the bytes
// left before anything is allocated for it.

const MAJOR_UINT = 0;
const MAJOR_NEGATIVE = 1;
const MAJOR_BYTES = 2;
const MAJOR_TEXT = 3;
const MAJOR_ARRAY = 4;
const MAJOR_MAP = 5;
const MAJOR_TAG = 6;

export class CborReader {
  readonly #bytes: Buffer;
  readonly #items = new ItemBudget();
  #at = 0;
  #yieldAt = SLICE_BYTES;
  #major = 0;
  /** Argument of the last head; for floats the number itself. */
  #argument = 0;
  #info = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /**
   * Reads the whole body, a map with text keys, into `fields`; yields between slices of plain
   * numbers. Throws ERR_BODY, ERR_BODY_LIMIT.
   */
  *readBody(fields: Fields): Generator<void, void> {
    if (this.#head() !== MAJOR_MAP) throw bad('a body is a map');
    const pairs = this.#count(2);
    this.#items.take(2 * pairs);
    for (let i = 0; i < pairs; i += 1) {
      const key = this.#key();
      fields.checkKey(key);
      if (VECTOR_KEYS.has(key)) yield* this.#vectors(fields.sink);
      else fields.values.set(key, this.#value());
    }
    if (this.#at !== this.#bytes.length)
      throw bad(`${this.#bytes.length - this.#at} bytes follow the body`);
  }

  /** Reads one value, which must be all there is; for replies and tests. */
  readOnly(): unknown {
    this.#items.take(1);
    const value = this.#value();
    if (this.#at !== this.#bytes.length) throw bad('bytes follow the value');
    return value;
  }

  /**
   * Reads an item's head: major type and argument. Refuses indefinite lengths and reserved forms.
   */
  #head(): number {
    const bytes = this.#bytes;
    const first = bytes[this.#at];
    if (first === undefined) throw bad('the body ends early');
    this.#at += 1;
    this.#major = first >> 5;
    const info = first & 31;
    this.#info = info;
    if (info < 24) {
      this.#argument = info;
      return this.#major;
    }
    if (info > 27) throw bad(info === 31 ? 'lengths must be definite' : 'a reserved length form');
    const size = 1 << (info - 24);
    const at = this.#at;
    if (size > bytes.length - at) throw bad('the body ends early');
    this.#at = at + size;
    if (this.#major === 7) this.#argument = this.#float(info, at);
    else if (size === 1) this.#argument = bytes[at]!;
    else if (size === 2) this.#argument = bytes.readUInt16BE(at);
    else if (size === 4) this.#argument = bytes.readUInt32BE(at);
    else this.#argument = bytes.readUInt32BE(at) * 0x1_0000_0000 + bytes.readUInt32BE(at + 4);
    return this.#major;
  }

  #float(info: number, at: number): number {
    if (info === 25) return halfToFloat(this.#bytes.readUInt16BE(at));
    if (info === 26) return this.#bytes.readFloatBE(at);
    if (info === 27) return this.#bytes.readDoubleBE(at);
    throw bad('an unknown simple value');
  }

  /**
   * The argument as a count of items of at least `size` bytes each, which must fit in what is left.
   */
  #count(size: number): number {
    if (this.#argument * size > this.#bytes.length - this.#at)
      throw bad('a length exceeds the body');
    return this.#argument;
  }

  /** The argument as a string's length; the string's bytes, not copied. */
  #span(bytesMax: number): Buffer {
    const length = this.#count(1);
    if (length > bytesMax)
      throw new RveError('ERR_BODY_LIMIT', `a string exceeds ${bytesMax} bytes`);
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  #key(): string {
    this.#head();
    if (this.#major !== MAJOR_TEXT) throw bad('keys are text');
    const length = this.#argument;
    // Short keys, the usual ones, are built without a call into C++.
    if (length <= 16 && length <= this.#bytes.length - this.#at) {
      let key = '';
      let high = 0;
      for (let i = 0; i < length; i += 1) {
        const byte = this.#bytes[this.#at + i]!;
        high |= byte;
        key += String.fromCharCode(byte);
      }
      if (high < 0x80) {
        this.#at += length;
        return key;
      }
    }
    return this.#text();
  }

  #text(): string {
    const span = this.#span(STRING_BYTES_MAX);
    if (!isUtf8(span)) throw bad('a text is not UTF-8');
    return span.toString('utf8');
  }

  *#vectors(sink: VectorSink): Generator<void, void> {
    const major = this.#head();
    if (major === MAJOR_TAG) return this.#typedArray(sink);
    if (major !== MAJOR_ARRAY) throw bad('a vector is a typed array or an array of numbers');
    const count = this.#count(1);
    const next = count > 0 ? this.#bytes[this.#at]! >> 5 : MAJOR_UINT;
    if (next !== MAJOR_TAG && next !== MAJOR_ARRAY) return yield* this.#numbers(sink, count);
    this.#items.take(count);
    for (let row = 0; row < count; row += 1) {
      const form = this.#head();
      if (form === MAJOR_TAG) this.#typedArray(sink);
      else if (form === MAJOR_ARRAY) yield* this.#numbers(sink, this.#count(1));
      else throw bad('vectors are typed arrays or arrays of numbers');
      sink.endRow();
    }
  }

  #typedArray(sink: VectorSink): void {
    const tag = this.#tag();
    if (this.#head() !== MAJOR_BYTES) throw bad('a typed array is a byte string');
    const length = this.#count(1);
    sink.pushTyped(tag, this.#bytes, this.#at, length);
    this.#at += length;
  }

  #tag(): number {
    const tag = this.#argument;
    if (tag !== TAG_F32 && tag !== TAG_F16 && tag !== TAG_INT8) {
      throw bad(`tag ${tag}: only 85 (f32), 84 (f16) and 72 (int8) are known`);
    }
    return tag;
  }

  *#numbers(sink: VectorSink, count: number): Generator<void, void> {
    sink.reserve(count);
    for (let left = count; left > 0;) {
      if (this.#at >= this.#yieldAt) {
        this.#yieldAt = this.#at + SLICE_BYTES;
        yield;
      }
      left -= this.#someNumbers(sink, left);
    }
  }

  /**
   * Reads numbers until the slice or the array ends; how many. Apart, so that the loop compiles
   * well.
   */
  #someNumbers(sink: VectorSink, count: number): number {
    let done = 0;
    while (done < count && this.#at < this.#yieldAt) {
      const major = this.#head();
      if (major === MAJOR_UINT) sink.push(this.#argument);
      else if (major === MAJOR_NEGATIVE) sink.push(-1 - this.#argument);
      else if (major === 7 && this.#info >= 25) sink.push(this.#argument);
      else throw bad('a vector holds numbers only');
      done += 1;
    }
    return done;
  }

  /** One value of any kind. The caller has counted it; its children are counted here. */
  #value(): unknown {
    const builder = new ValueBuilder();
    const left: number[] = [];
    do {
      if (builder.insideMap) builder.key(this.#key());
      this.#head();
      if (this.#major === MAJOR_ARRAY || this.#major === MAJOR_MAP) {
        const isMap = this.#major === MAJOR_MAP;
        const count = this.#count(isMap ? 2 : 1);
        this.#items.take(isMap ? 2 * count : count);
        builder.open(isMap);
        left.push(count);
      } else {
        builder.add(this.#leaf());
        if (left.length > 0) left[left.length - 1]! -= 1;
      }
      while (left.at(-1) === 0) {
        builder.close();
        left.pop();
        if (left.length > 0) left[left.length - 1]! -= 1;
      }
    } while (left.length > 0);
    return builder.root;
  }

  #leaf(): unknown {
    switch (this.#major) {
      case MAJOR_UINT:
        return safe(this.#argument);
      case MAJOR_NEGATIVE:
        return -1 - safe(this.#argument);
      case MAJOR_BYTES:
        return new Uint8Array(this.#span(STRING_BYTES_MAX));
      case MAJOR_TEXT:
        return this.#text();
      case MAJOR_TAG:
        return this.#typedValue();
      default:
        return this.#simple();
    }
  }

  /** A typed array inside a payload, as numbers; int8 stay unscaled. */
  #typedValue(): Float32Array | Int8Array {
    const tag = this.#tag();
    if (this.#head() !== MAJOR_BYTES) throw bad('a typed array is a byte string');
    const span = this.#span(STRING_BYTES_MAX);
    if (tag === TAG_INT8) return new Int8Array(span);
    const sink = new VectorSink();
    sink.pushTyped(tag, span, 0, span.length);
    return sink.take();
  }

  #simple(): unknown {
    if (this.#info >= 25) return this.#argument;
    switch (this.#argument) {
      case 20:
        return false;
      case 21:
        return true;
      case 22:
        return null;
      case 23:
        return undefined;
      default:
        throw bad('an unknown simple value');
    }
  }
}

function safe(value: number): number {
  if (value >= Number.MAX_SAFE_INTEGER) throw bad('an integer is beyond 2^53 - 2');
  return value;
}

function bad(message: string): RveError {
  return new RveError('ERR_BODY', message);
}
