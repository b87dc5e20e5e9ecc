// Whether CBOR bytes may be handed to the decoder. A stored payload may come from another program
// or a damaged or hostile file, and nested or huge heads make a decoder exhaust stack or heap
// before any exception can be caught (RELIABILITY.md section 4). One pass, no recursion, no
// allocation by claim.

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
  [64, 1],
  [68, 1],
  [69, 2],
  [70, 4],
  [71, 8],
  [72, 1],
  [77, 2],
  [78, 4],
  [79, 8],
  [85, 4],
  [86, 8],
]);

const enum Major {
  Unsigned,
  Negative,
  Bytes,
  Text,
  Array,
  Map,
  Tag,
  Simple,
}

/** Argument of a head that is cut, reserved or of indefinite length. */
const BAD = -1;

/**
 * True if `bytes` are exactly one CBOR item that the decoder can take.
 * Cost: about 5 ns a byte at worst (one-byte items).
 */
export function isSafeCbor(bytes: Uint8Array): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  // Items still to come in each open container; the outermost holds the one item.
  const left = new Float64Array(CBOR_DEPTH_MAX + 1);
  left[0] = 1;
  let depth = 0;
  let at = 0;
  let tag = BAD;
  while (depth >= 0) {
    const open = left[depth] as number;
    if (open === 0) {
      depth--;
      continue;
    }
    if (at >= bytes.length) return false;
    const first = bytes[at++] as number;
    const major = first >> 5;
    const info = first & 31;
    const size = info < 24 ? 0 : info <= 27 ? 1 << (info - 24) : BAD;
    const argument = info < 24 ? info : argumentAt(view, at, size);
    if (argument === BAD) return false;
    at += size;
    if (major === Major.Tag) {
      if (tag !== BAD || !isKnownTag(argument)) return false;
      tag = argument;
      continue;
    }
    if (tag !== BAD && !tagFits(tag, major, argument)) return false;
    tag = BAD;
    left[depth] = open - 1;
    if (major === Major.Bytes || major === Major.Text) {
      at += argument;
    } else if (major === Major.Array || major === Major.Map) {
      const items = major === Major.Map ? argument * 2 : argument;
      // Each item takes a byte at least: a count beyond what is left is a lie.
      if (items > bytes.length - at || depth === CBOR_DEPTH_MAX) return false;
      left[++depth] = items;
    } else if (major === Major.Simple && (info < 20 || info === 24)) {
      return false; // Neither false, true, null, undefined nor a float: it has no meaning here.
    }
  }
  return at === bytes.length;
}

function argumentAt(view: DataView, at: number, size: number): number {
  if (size === BAD || at + size > view.byteLength) return BAD;
  switch (size) {
    case 1:
      return view.getUint8(at);
    case 2:
      return view.getUint16(at);
    case 4:
      return view.getUint32(at);
    default:
      return Number(view.getBigUint64(at));
  }
}

function isKnownTag(tag: number): boolean {
  return (
    tag === TAG_DATE ||
    tag === TAG_BIGNUM_POSITIVE ||
    tag === TAG_BIGNUM_NEGATIVE ||
    tag === TAG_SET ||
    tag === TAG_MAP ||
    TYPED_ARRAYS.has(tag)
  );
}

function tagFits(tag: number, major: number, argument: number): boolean {
  if (tag === TAG_SET) return major === Major.Array;
  if (tag === TAG_MAP) return major === Major.Map;
  if (tag === TAG_DATE)
    return major === Major.Unsigned || major === Major.Negative || major === Major.Simple;
  if (major !== Major.Bytes) return false;
  const size = TYPED_ARRAYS.get(tag);
  return size === undefined ? argument <= BIGNUM_BYTES_MAX : argument % size === 0;
}
