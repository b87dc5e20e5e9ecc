import { RveError } from '../../errors/index.js';
import { DEPTH_MAX } from './limits.js';
import { TAG_F32 } from './vector_sink.js';

/** Writes CBOR (RFC 8949) with definite lengths and shortest heads into a buffer that doubles. */
export class CborWriter {
  #buffer: Buffer;
  #at = 0;

  constructor(bytesExpected = 256) {
    this.#buffer = Buffer.allocUnsafe(bytesExpected);
  }

  /** What was written; valid until the writer is dropped. */
  finish(): Buffer {
    return this.#buffer.subarray(0, this.#at);
  }

  #room(bytes: number): void {
    if (this.#at + bytes <= this.#buffer.length) return;
    const grown = Buffer.allocUnsafe(Math.max(this.#at + bytes, this.#buffer.length * 2));
    this.#buffer.copy(grown, 0, 0, this.#at);
    this.#buffer = grown;
  }

  head(major: number, argument: number): void {
    this.#room(9);
    const top = major << 5;
    if (argument < 24) this.#buffer[this.#at++] = top | argument;
    else if (argument < 0x100) {
      this.#buffer[this.#at++] = top | 24;
      this.#buffer[this.#at++] = argument;
    } else if (argument < 0x1_0000) {
      this.#buffer[this.#at++] = top | 25;
      this.#at = this.#buffer.writeUInt16BE(argument, this.#at);
    } else if (argument <= 0xffff_ffff) {
      this.#buffer[this.#at++] = top | 26;
      this.#at = this.#buffer.writeUInt32BE(argument, this.#at);
    } else {
      this.#buffer[this.#at++] = top | 27;
      this.#at = this.#buffer.writeBigUInt64BE(BigInt(argument), this.#at);
    }
  }

  map(pairs: number): void {
    this.head(5, pairs);
  }

  array(items: number): void {
    this.head(4, items);
  }

  text(value: string): void {
    const bytes = Buffer.byteLength(value);
    this.head(3, bytes);
    this.#room(bytes);
    this.#at += this.#buffer.write(value, this.#at, 'utf8');
  }

  bytes(value: Uint8Array): void {
    this.head(2, value.length);
    this.#room(value.length);
    this.#buffer.set(value, this.#at);
    this.#at += value.length;
  }

  number(value: number): void {
    if (Number.isSafeInteger(value) && !Object.is(value, -0)) {
      if (value >= 0) this.head(0, value);
      else this.head(1, -1 - value);
    } else if (Object.is(Math.fround(value), value)) {
      this.float32(value);
    } else {
      this.#room(9);
      this.#buffer[this.#at++] = 0xfb;
      this.#at = this.#buffer.writeDoubleBE(value, this.#at);
    }
  }

  float32(value: number): void {
    this.#room(5);
    this.#buffer[this.#at++] = 0xfa;
    this.#at = this.#buffer.writeFloatBE(value, this.#at);
  }

  typedArray(tag: number, elements: Uint8Array): void {
    this.head(6, tag);
    this.bytes(elements);
  }

  /**
   * Any value of a payload: null, booleans, numbers, texts, bytes, Float32Array, arrays, plain
   * objects. ERR_PAYLOAD for the rest, and beyond the depth that a reader accepts.
   */
  value(value: unknown, depth = 1): void {
    if (depth > DEPTH_MAX)
      throw new RveError('ERR_PAYLOAD', `a payload is nested deeper than ${DEPTH_MAX}`);
    if (typeof value === 'number') this.number(value);
    else if (typeof value === 'string') this.text(value);
    else if (typeof value === 'boolean') this.head(7, value ? 21 : 20);
    else if (value === null) this.head(7, 22);
    else if (value === undefined) this.head(7, 23);
    else if (value instanceof Uint8Array) this.bytes(value);
    else if (value instanceof Float32Array) this.typedArray(TAG_F32, asBytes(value));
    else if (Array.isArray(value)) {
      this.array(value.length);
      for (const item of value) this.value(item, depth + 1);
    } else if (typeof value === 'object') {
      const entries = Object.entries(value).filter(([, item]) => item !== undefined);
      this.map(entries.length);
      for (const [key, item] of entries) {
        this.text(key);
        this.value(item, depth + 1);
      }
    } else {
      throw new RveError('ERR_PAYLOAD', `a ${typeof value} has no CBOR form here`);
    }
  }
}

export function asBytes(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}
