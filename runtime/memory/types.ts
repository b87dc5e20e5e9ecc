// The types of the public door (DESIGN.md section 5). Other programs call it exactly as written here.

export type Metric = 'cosine' | 'l2' | 'ip';

/** When an insert resolves. `group`, the default: its bytes survive power loss. */
export type Durability = 'sync' | 'group' | 'interval' | 'buffered';

/** Source of wall time; a ManualClock makes decay and heat testable through the door. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
}

export interface OpenOptions {
  /** Floats per vector, 1..4096. Needed to create a file; checked against an existing one. */
  dimensions?: number;
  /** Default for a new file: 'cosine'. Checked against an existing one. */
  metric?: Metric;
  readOnly?: boolean;
  /** Default 'group'. */
  durability?: Durability;
  /** Wait this long for company before a group closes, ms, 0..60000. Default 0; 100 suits SD cards. */
  lingerMs?: number;
  /** Sync period at durability 'interval', ms, 10..60000. Default 200. */
  intervalMs?: number;
  /** Only 'precise' in this version (others: ERR_NOT_AVAILABLE), which is also the default. */
  profile?: 'precise';
  /** Refuse inserts (ERR_NO_SPACE) when the file would grow beyond. */
  bytesMax?: number;
  /** Links per node of the neighbour graph, 4..48. Default 16. */
  hnswM?: number;
  /** Candidate list while building, 16..512. Default 100. */
  hnswEfConstruction?: number;
  /** Candidate list of a query that names none, 1..4096. Default 64. */
  hnswEfSearch?: number;
  clock?: Clock;
}

/** Every call takes it: drops a query, or an insert not yet in a group (ERR_ABORTED). */
export interface CallOptions {
  signal?: AbortSignal;
  timeoutMs?: number;
}

export interface InsertOptions extends CallOptions {
  /** One per row, distinct, 0..2^48-1. An id that exists is replaced. Default: assigned in order. */
  ids?: Float64Array | readonly number[];
  /** Event times, ms since 1970. Default: now. */
  times?: Float64Array | readonly number[];
  /** Who sent it; 1 to 256 bytes of UTF-8. */
  source?: string;
  /** Chosen at random by the sender at its start (u32). With source and sequence: the key of dedupe. */
  boot?: number;
  /** Of the first row; the others follow on. 0..2^53-1. */
  sequence?: number;
  /** One for all rows, or one per row. */
  labels?: string | readonly (string | null)[];
  /** One per row: bytes, or a CBOR-able value; undefined or null is none. At most 64 KiB each. */
  payloads?: readonly unknown[];
}

export interface InsertResult {
  /** One per row; -1: known already by (source, boot, sequence), not stored again. */
  ids: Float64Array;
  /** Log position that waitDurable() takes. */
  lsn: number;
}

/** Conjunction of its keys; times in ms, half-open [from, to). */
export interface Filter {
  source?: string;
  label?: string | readonly string[];
  from?: number;
  to?: number;
}

export interface QueryOptions extends CallOptions {
  vector: Float32Array | readonly number[];
  /** 1..1024. Default 10. */
  k?: number;
  /** Candidate list of the graph search, 1..4096. Default: hnswEfSearch. */
  ef?: number;
  /** Only 'vector' in this version (others: ERR_NOT_AVAILABLE). */
  mode?: 'vector';
  filter?: Filter;
  withEmbeddings?: boolean;
}

export interface QueryResult {
  /** Nearest first; at most k. */
  ids: Float64Array;
  /** Similarities for cosine and ip (larger is nearer), squared distances for l2. */
  scores: Float32Array;
  /** k x dimensions, row-major, when withEmbeddings. */
  embeddings?: Float32Array;
  latencyUs: number;
  /** Part of the memory is damaged and was left out of the answer. */
  degraded: boolean;
}

export interface QueryManyOptions extends CallOptions {
  /** n x dimensions, row-major. */
  vectors: Float32Array;
  k?: number;
  ef?: number;
  mode?: 'vector';
  filter?: Filter;
}

export interface QueryManyResult {
  /** n x k, padded with -1. */
  ids: Float64Array;
  /** n x k, padded with NaN. */
  scores: Float32Array;
  /** Results of each query. */
  counts: Uint32Array;
  latencyUs: number;
  degraded: boolean;
}

export interface MemoryRecord {
  id: number;
  vector: Float32Array;
  time: number;
  source: string | null;
  label: string | null;
  /** As given: bytes come back as Uint8Array, values decoded from CBOR. Null: none. */
  payload: unknown;
  tier: 'hot' | 'warm';
}

export interface ForgetResult {
  /** Live records that are gone now. */
  count: number;
  lsn: number;
}

export interface CheckReport {
  ok: boolean;
  damaged: string[];
  lost: number;
  holes: number;
  notes: string[];
}
