// Bounds of a message body (RELIABILITY.md section 4, payload decode). Both formats share them.

/** Bytes of a body by default, and the most a caller may raise it to. */
export const BODY_BYTES_MAX = 262_144;
export const BODY_BYTES_CEILING = 1_048_576;
/** JSON text beyond it is refused at any setting: parsing costs about 10 ns a byte. */
export const JSON_BYTES_MAX = 262_144;
/** Open maps and arrays at once, the body itself included. */
export const DEPTH_MAX = 8;
/** Data items of a body, keys included, numbers inside a vector not: bounds the objects built. */
export const ITEMS_MAX = 4_096;
/** One text or byte string that is not a vector. */
export const STRING_BYTES_MAX = 65_536;
/** A reply topic, as any topic here. */
export const TOPIC_BYTES_MAX = 256;
/** What a client may have echoed to tell its answers apart. */
export const CORRELATION_BYTES_MAX = 256;
/** Neighbours a query may ask for, and its candidate list (runtime/memory/types.ts). */
export const K_MAX = 1_024;
export const EF_MAX = 4_096;
export const RECALL_MIN = 0.5;
export const RECALL_MAX = 0.999;
/**
 * Plain numbers and JSON are read in slices of this many bytes, each in its own turn of the loop:
 * 0.4 ms here when hot, under 2 ms when the code is still interpreted.
 */
export const SLICE_BYTES = 16_384;
