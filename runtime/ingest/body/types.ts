// What a body means once it is checked; the wire keys are in DESIGN.md section 5.

export type BodyFormat = 'cbor' | 'json';

export interface DecodeOptions {
  /** Floats per vector of the memory, 1..4096. Any other length is ERR_DIMENSIONS. */
  dimensions: number;
  /**
   * Bodies beyond are ERR_BODY_LIMIT. Default 262,144; at most 1,048,576 (JSON: never more than the
   * default).
   */
  bytesMax?: number;
}

/** One observation, or a batch of one source. Arrays that are present hold one value per row. */
export interface IngestRequest {
  format: BodyFormat;
  /** rows x dimensions, row-major, all finite. Owned by the receiver. */
  vectors: Float32Array;
  rows: number;
  ids?: number[];
  times?: number[];
  /** Of the first row; 0..2^53-1. */
  sequence?: number;
  /** Chosen at random by the sender at its start; u32. */
  boot?: number;
  labels?: string | (string | null)[];
  payloads?: unknown[];
}

export type Correlation = string | number | Uint8Array;

export interface WireFilter {
  source?: string;
  label?: string | string[];
  from?: number;
  to?: number;
}

export interface QueryRequest {
  format: BodyFormat;
  vector: Float32Array;
  /** 1..1024. */
  k: number;
  ef?: number;
  /** 0.5..0.999; never beside ef. */
  recall?: number;
  filter?: WireFilter;
  /** A name the client gave to the request; comes back in the reply. */
  id?: string | number;
  replyTo?: string;
  correlation?: Correlation;
}

export interface QueryAnswer {
  ids: ArrayLike<number>;
  scores: ArrayLike<number>;
  latencyUs: number;
  degraded: boolean;
}

export type QueryReply = { id?: string | number; correlation?: Correlation } & (
  QueryAnswer | { error: { code: string; message: string } }
);
