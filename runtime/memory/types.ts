// The types of the public door (DESIGN.md section 5). Other programs call it exactly as written
// here.

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
  /** Wait this long for company before a group closes, ms, 0..60000. Default 0; 100 suits SD
   * cards. */
  lingerMs?: number;
  /** Sync period at durability 'interval', ms, 10..60000. Default 200. */
  intervalMs?: number;
  /** Only 'precise' in this version (others: ERR_NOT_AVAILABLE), which is also the default. */
  profile?: 'precise';
  /** Refuse inserts (ERR_NO_SPACE) when the file would grow beyond. */
  fileBytesMax?: number;
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

/** 0..2^48-1 each. */
export type Ids = Float64Array | readonly number[];

export interface InsertOptions extends CallOptions {
  /** One per row, distinct, 0..2^48-1. An id that exists is replaced. Default: assigned in order.
   * */
  ids?: Ids;
  /** Event times, ms since 1970; fractions are dropped. Default: now. */
  times?: Float64Array | readonly number[];
  /** Who sent it; 1 to 256 bytes of UTF-8. */
  source?: string;
  /** Chosen at random by the sender at its start (u32). With source and sequence: the key of
   * dedupe. */
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
  /**
   * As given: bytes come back as Uint8Array, values decoded from CBOR. Null: none. CBOR that
   * another program stored beyond the limits of this one comes back as its bytes.
   */
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

export interface ScanOptions extends CallOptions {
  filter?: Filter;
}

export interface CheckOptions extends CallOptions {
  /** Audits the graphs too. */
  deep?: boolean;
}

export interface SegmentStats {
  id: number;
  rows: number;
  dead: number;
  bytes: number;
  /** Has its graph; else it is scanned flat. */
  linked: boolean;
}

/** stats(): safe to print as JSON. Counters run since open. */
export interface MemoryStats {
  path: string;
  uuid: string;
  dimensions: number;
  metric: Metric;
  /** Instruction set of the distances: 'avx512', 'avx2', 'neon' or 'scalar'. */
  kernels: string;
  /** Vectors that a query can return. */
  live: number;
  tailRows: number;
  tailDead: number;
  /** In sealed segments without a graph. */
  frozenRows: number;
  linkedRows: number;
  /** Dead rows still in segments. */
  deadRows: number;
  segments: SegmentStats[];
  durableLsn: number;
  writtenLsn: number;
  nextId: number;
  epoch: number;
  /** Names known, of at most 4,096 and 65,536. */
  sources: number;
  labels: number;
  /** (source, boot) pairs whose sequences are remembered for dedupe. */
  sourceMarks: number;
  /** file = fixed + live + reclaimable; holes do not count. */
  fileBytes: number;
  fixedBytes: number;
  liveBytes: number;
  reclaimableBytes: number;
  vectorBytesInserted: number;
  bytesWritten: number;
  /** Of these: log, seal and checkpoint, without compaction. */
  bytesWrittenIngest: number;
  syncs: number;
  groups: number;
  checkpoints: number;
  freezes: number;
  links: number;
  compactions: number;
  inserts: number;
  duplicates: number;
  deletes: number;
  queries: number;
  queueBytes: number;
  /** A write or sync failed: the memory refuses writes until it is opened again. */
  latched: boolean;
  /** Part of the memory is damaged and left out. */
  degraded: boolean;
  readOnly: boolean;
  noSpace: boolean;
  /** Ranges of acknowledged log found damaged at open, and records known lost with them. */
  holes: number;
  lostRecords: number;
  viewFaults: number;
  /** Resident memory of this process, bytes; rssAnon leaves mapped files out. */
  rss: number;
  rssAnon: number;
}
