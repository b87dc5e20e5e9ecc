// Whether CBOR bytes may be handed to the decoder. A stored payload may come from another program or a
// damaged or hostile file, and nested or huge heads make a decoder exhaust stack or heap before any
// exception can be caught (RELIABILITY.md section 4). One pass, no recursion, no allocation by claim.

/** Containers within containers; deeper values belong in a file of their own. */
export const CBOR_DEPTH_MAX = 32;
/** Bytes of one big integer: longer ones take time in the square of their length. */
const BIGNUM_BYTES_MAX = 1024;

const TAG_DATE = 1;
const TAG_BIGNUM_POSITIVE = 2;
const TAG_BIGNUM_NEGATIVE = 3;
const TAG_SET = 258;
const TAG_MAP = 259;
/** RFC 8746 little-endian and byte-wide typed arrays: bytes per element by tag. */
const TYPED_ARRAYS: ReadonlyMap<number, number> = new Map([
  [64, 1], [68, 1], [69, 2], [70, 4], [71, 8], [72, 1], [77, 2], [78, 4], [79, 8], [85, 4], [86, 8],
]);

const enum Major { Unsigned, Negative, Bytes, Text, Array, Map, Tag, Simple }

/** True if `bytes` are exactly one CBOR item that the decoder can take. */
export function isSafeCbor(bytes: Uint8Array): boolean {
  return new Scan(bytes).run();
}

class Scan {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  /** Items still to come in each open container. */
  readonly #left: number[] = [1];
  #at = 0;
  /** The tag that the next item carries. */
  #tag = -1;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  run(): boolean {
    while (this.#left.length > 0) {
      if (this.#left.at(-1) === 0) {
        this.#left.pop();
        continue;
      }
      if (!this.#item()) return false;
    }
    return this.#at === this.#bytes.length;
  }

  #item(): boolean {
    const first = this.#bytes[this.#at++];
    if (first === undefined) return false;
    const major = first >> 5;
    const argument = this.#argument(first & 31);
    if (argument < 0) return false;
    if (major === Major.Tag) return this.#takeTag(argument);
    const tag = this.#tag;
    this.#tag = -1;
    this.#left.push((this.#left.pop() ?? 0) - 1);
    if (!tagFits(tag, major, argument)) return false;
    switch (major) {
      case Major.Bytes:
      case Major.Text:
        this.#at += argument;
        return this.#at <= this.#bytes.length;
      case Major.Array:
        return this.#open(argument);
      case Major.Map:
        return this.#open(argument * 2);
      case Major.Simple:
        // false, true, null, undefined and floats; no other simple value has a meaning here.
        return (first & 31) >= 20 && (first & 31) !== 24;
      default:
        return true;
    }
  }

  /** The head's number, or -1 for a cut, reserved or indefinite head. */
  #argument(info: number): number {
    if (info < 24) return info;
    const size = info <= 27 ? 1 << (info - 24) : 0;
    if (size === 0 || this.#at + size > this.#bytes.length) return -1;
    const at = this.#at;
    this.#at += size;
    switch (size) {
      case 1: return this.#view.getUint8(at);
      case 2: return this.#view.getUint16(at);
      case 4: return this.#view.getUint32(at);
      default: return Number(this.#view.getBigUint64(at));
    }
  }

  #takeTag(tag: number): boolean {
    if (this.#tag !== -1) return false;
    this.#tag = tag;
    return tag === TAG_DATE || tag === TAG_BIGNUM_POSITIVE || tag === TAG_BIGNUM_NEGATIVE ||
      tag === TAG_SET || tag === TAG_MAP || TYPED_ARRAYS.has(tag);
  }

  #open(items: number): boolean {
    // Each item takes a byte at least: a count beyond what is left is a lie.
    if (items > this.#bytes.length - this.#at || this.#left.length > CBOR_DEPTH_MAX) return false;
    this.#left.push(items);
    return true;
  }
}

function tagFits(tag: number, major: number, argument: number): boolean {
  if (tag === -1) return true;
  if (tag === TAG_SET) return major === Major.Array;
  if (tag === TAG_MAP) return major === Major.Map;
  if (tag === TAG_DATE) return major === Major.Unsigned || major === Major.Negative || major === Major.Simple;
  if (major !== Major.Bytes) return false;
  const size = TYPED_ARRAYS.get(tag);
  return size === undefined ? argument <= BIGNUM_BYTES_MAX : argument % size === 0;
}
