// Generated from native/base/limits.hpp by tools/gen_limits.mjs (make generate). Do not edit.

/** Every bound that the engine keeps, by its name there less the leading k. */
export const limits = {
  /** One row must fit a group with room to spare. */
  dimensionsMax: 4_096,
  /** Safe in a JS number, packs with 16 spare bits. */
  idMax: 281_474_976_710_655,
  /**
   * Larger objects belong in a file of their own. One byte above 64 KiB: the JavaScript door puts a
   * kind in front.
   */
  payloadBytesMax: 65_537,
  /** A source or label name, UTF-8. */
  nameBytesMax: 256,
  sourcesMax: 4_096,
  labelsMax: 65_536,
  /** One sync window; bounds what a crash may tear. */
  groupBytesMax: 1_048_576,
  /**
   * One call's rows (per row: vector, payload, names, and 28 bytes) that a crash leaves whole or
   * not at all.
   */
  atomicBytes: 1_044_480,
  /** Results of one query. */
  kMax: 1_024,
  /** Candidate list of one graph search. */
  efMax: 4_096,
  /** Inserts accepted and not yet in a group. */
  queueBytesMax: 33_554_432,
  /** Read and coded again at a cold start. */
  tailRowsMax: 65_536,
  /** Entries of the tail directory. */
  tailGroupsMax: 4_096,
  /** Beyond it inserts run at the linker's speed. */
  unlinkedRowsMax: 786_432,
  /** Threads that may query at one time. */
  readerSlotsMax: 64,
} as const;
