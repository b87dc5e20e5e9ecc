/** One record of a data set, as it would come from a sensor. */
export interface ReplayRecord {
  /** Who sent it: one name per machine or engine, of one topic level (no `/`, `+`, `#`). */
  readonly source: string;
  /** The embedding. */
  readonly vector: Float32Array;
  /** When it was observed, whole ms since 1970. Records come in order of time. */
  readonly timeMs: number;
  /** Counts from 0 per source, without gaps. */
  readonly sequence: number;
  /**
   * 1..2^32 - 1: a checksum of the data set's bytes and of the options that shape vectors. The
   * same replay has the same (source, boot, sequence), so a second run stores nothing twice, and
   * a replay with other options is another boot, so its vectors are not taken for known ones.
   */
  readonly boot: number;
  /** The class, where the data set names one. */
  readonly label?: string;
  /** What else is known of it; CBOR-able. */
  readonly payload?: Readonly<Record<string, string | number | null>>;
}

/** A data set made ready: its size is known, its records are made as they are asked for. */
export interface Replay extends AsyncIterable<ReplayRecord> {
  /** How many records the iteration gives. */
  readonly count: number;
  /** Numbers in each vector. */
  readonly dimensions: number;
  /** Names of the sources, in the order in which they first send. */
  readonly sources: readonly string[];
}

/** 2000-01-01T00:00:00Z: a fixed start, since the sets carry no time and a replay no clock. */
export const REPLAY_START_MS = 946_684_800_000;
