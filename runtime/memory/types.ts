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

/** Precision class of a stored vector, finest first: f32, f16, 8 bits, 4 bits, 1 bit. */
export type Tier = 'hot' | 'warm' | 'cool' | 'cold' | 'archive';

/**
 * Which record stands in which tier. None of it is stored: a file may be opened with other values,
 * and what is there is recoded in the background. Heat is how often a record is returned by a query
 * or get(), decayed, in 0..1; a new record has 1.
 */
export interface TierOpenOptions {
  /**
   * How far down records may go to save bytes. 'edge', the default: to one bit, within a budget of
   * 0.30 of raw f32. 'balanced': to the 8-bit family. 'precise': f32 and f16.
   */
  profile?: 'edge' | 'balanced' | 'precise';
  /**
   * 'drop', the default: below warm a record is what its code says, for good. 'keep': its f16 bytes
   * stay in the file; queries rank by them and a promotion restores them.
   */
  originals?: 'drop' | 'keep';
  /**
   * Budget of the whole file, bytes: where it is exceeded, colder records move down a tier. Inserts
   * are never refused for it (fileBytesMax does that). Default: none.
   */
  bytesMax?: number;
  /** The same as a share of the live vectors as raw f32, 0.05..4. Default: the profile's own. */
  bytesRatioMax?: number;
  /** Heat from which a record is hot, 0..1. Default 0.8. The four must fall. */
  hotThreshold?: number;
  /** Default 0.4. */
  warmThreshold?: number;
  /** Default 0.1. */
  coolThreshold?: number;
  /** Default 0.01; below it: archive. */
  coldThreshold?: number;
  /** A record moves up above this times its tier's upper bound (at most 0.99), 1..10. Default
   * 1.5. */
  promotionThreshold?: number;
  /** It moves down below this times its tier's lower bound, 0..1. Default 0.5. */
  demotionThreshold?: number;
  /** After so long without access, heat has halved; s, 1..31536000. Default 3600. */
  accessDecayHalflifeS?: number;
  /** How often heat is looked at again, s, 1..86400. Default 300. */
  recompressIntervalS?: number;
  /** Bits a dimension of the cool tier, 4.5..8. Default: what the budget allows. */
  coolBits?: number;
  /** Of the cold tier, 2..4.5. Default: what the budget allows. */
  coldBits?: number;
  /** Rows that a codebook is trained on, 64..8192. Default 8192. */
  codebookSampleSize?: number;
  /** New rows after which the codebook is measured, and trained again if it fits worse, 1..1e9.
   * Default 10000. */
  codebookUpdateFreq?: number;
}

export interface OpenOptions extends TierOpenOptions {
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
  /** Refuse inserts (ERR_NO_SPACE) when the file would grow beyond. bytesMax is the softer one. */
  fileBytesMax?: number;
  /** Links per node of the neighbour graph, 4..48. Default 16. */
  hnswM?: number;
  /** Candidate list while building, 16..512. Default 80. */
  hnswEfConstruction?: number;
  /** Candidate list of a query that names none, 1..4096. Default 64. */
  hnswEfSearch?: number;
  /** Of times that are left out; heat passes as fast as it does, or as the machine's, if faster. */
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
  /**
   * Share of the true k nearest to be found, 0.5..0.999: takes the ef that was measured to reach it
   * on this memory. Refused together with ef. Default: none.
   */
  recall?: number;
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
  recall?: number;
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
  /** As it is stored: exact in the tier hot, else what its code says. */
  vector: Float32Array;
  time: number;
  source: string | null;
  label: string | null;
  /**
   * As given: bytes come back as Uint8Array, values decoded from CBOR. Null: none. CBOR that
   * another program stored beyond the limits of this one comes back as its bytes.
   */
  payload: unknown;
  tier: Tier;
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

export interface TierStats {
  tier: Tier;
  /** Live ones. What is in the tail or still in the log counts as hot. */
  vectors: number;
  /** Of their codes; ids, times, graph and codebooks are not in it. */
  bytes: number;
  /** Vectors by heat, in eighths of 0..1, coldest first. */
  heat: number[];
}

export interface CodebookStats {
  /** Of the newest; 0: none yet. */
  id: number;
  /** Rows it was trained on. */
  sampleRows: number;
  /** Share of the variance that it leaves, 0..1. */
  distortion: number;
  /** Codebooks trained since open. */
  trained: number;
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
  /** Hot, warm, cool, cold, archive. */
  tiers: TierStats[];
  /** What the byte budget makes of a heat: times this, 0..1. */
  tierShare: number;
  /** Bits a dimension of the records that are written next. */
  coolBits: number;
  coldBits: number;
  codebook: CodebookStats;
  /** Changes of tier, the vectors in them, and the bytes they wrote. */
  recompressions: number;
  recompressedVectors: number;
  recompressedBytes: number;
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
  /** fileBytes by the live vectors as raw f32. */
  byteRatio: number;
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
