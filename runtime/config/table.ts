// Every key of rve.toml, once: type, unit, default, range and reason. The parser, `rve help config`
// and the README print from here, so the three cannot differ.

import { TIER_KEYS } from './tier_keys.js';
import type {
  Config,
  LogConfig,
  MemoryConfig,
  MqttConfig,
  ServeConfig,
  SimConfig,
} from './types.js';

interface KeyBase {
  /** Name in TOML. The design's names (DESIGN.md section 6) are kept where they exist. */
  key: string;
  /** Of the value; '' for names and switches. */
  unit: string;
  /** Why one would turn it, and why the default is what it is. */
  reason: string;
}
export interface StringKey extends KeyBase {
  type: 'string';
  default: string;
  /** The whole value must match. */
  pattern?: RegExp;
  /** The pattern in words, for the message. */
  form?: string;
}
export interface ChoiceKey extends KeyBase {
  type: 'choice';
  default: string;
  values: readonly string[];
}
export interface IntegerKey extends KeyBase {
  type: 'integer';
  default: number;
  min: number;
  max: number;
}
export interface NumberKey extends KeyBase {
  type: 'number';
  default: number;
  min: number;
  max: number;
  /** 0, outside the range, leaves the choice to the engine. */
  orZero?: true;
}
export interface BooleanKey extends KeyBase {
  type: 'boolean';
  default: boolean;
}
export type KeySpec = StringKey | ChoiceKey | IntegerKey | NumberKey | BooleanKey;

type Section<T> = { readonly [field in keyof T]: KeySpec };

/** A node's or a source's name is one level of a topic; runtime/ingest/mqtt takes these. */
const TOPIC_LEVEL = /^[A-Za-z0-9_-]{1,64}$/;
const TOPIC_LEVEL_FORM = '1 to 64 of A-Z a-z 0-9 _ -';

const node: KeySpec = {
  key: 'node',
  type: 'string',
  unit: '',
  default: 'edge',
  pattern: TOPIC_LEVEL,
  form: TOPIC_LEVEL_FORM,
  reason: 'Second level of every topic: rve/<node>/ingest/<source>. One name per device.',
};

const memory: Section<MemoryConfig> = {
  path: {
    key: 'path',
    type: 'string',
    unit: '',
    default: 'data/memory.rve',
    reason: 'The one file. Its folder is created; put it on the device with the best flash.',
  },
  dimensions: {
    key: 'embedding_dim',
    type: 'integer',
    unit: 'floats',
    default: 0,
    min: 0,
    max: 4096,
    reason: "Length of every vector. 0 takes the file's; a new file needs it.",
  },
  metric: {
    key: 'metric',
    type: 'choice',
    unit: '',
    default: 'cosine',
    values: ['cosine', 'l2', 'ip'],
    reason:
      'What near means. Cosine ignores amplitude, which drifts with the mounting of a sensor.',
  },
  ...TIER_KEYS,
  durability: {
    key: 'durability',
    type: 'choice',
    unit: '',
    default: 'group',
    values: ['sync', 'group', 'interval', 'buffered'],
    reason: 'What an acknowledgement promises. From group on it survives power loss.',
  },
  lingerMs: {
    key: 'linger_ms',
    type: 'integer',
    unit: 'ms',
    default: 0,
    min: 0,
    max: 60_000,
    reason: 'Wait for company before a group closes. 100 saves an SD card; 0 answers soonest.',
  },
  intervalMs: {
    key: 'flush_interval_ms',
    type: 'integer',
    unit: 'ms',
    default: 200,
    min: 10,
    max: 60_000,
    reason: 'Sync period at durability "interval": the most that a power cut may take.',
  },
  fileBytesMax: {
    key: 'file_bytes_max',
    type: 'integer',
    unit: 'bytes',
    default: 0,
    min: 0,
    max: 2 ** 36,
    reason: 'The file never grows beyond; inserts are refused instead. 0: up to 64 GiB.',
  },
  hnswM: {
    key: 'hnsw_m',
    type: 'integer',
    unit: 'links',
    default: 16,
    min: 4,
    max: 48,
    reason: 'Links per node. 16 on edge: 32 adds recall at d > 500 and doubles the graph.',
  },
  hnswEfConstruction: {
    key: 'hnsw_ef_construction',
    type: 'integer',
    unit: 'rows',
    default: 80,
    min: 16,
    max: 512,
    reason: 'Candidates while linking. More costs background time once, never query time.',
  },
  hnswEfSearch: {
    key: 'hnsw_ef_search',
    type: 'integer',
    unit: 'rows',
    default: 64,
    min: 1,
    max: 4096,
    reason: 'Candidates of a query that names no ef: recall against latency.',
  },
};

const mqtt: Section<MqttConfig> = {
  url: {
    key: 'url',
    type: 'string',
    unit: '',
    default: '',
    pattern: /^(mqtts?:\/\/[^\s@]+)?$/,
    form: 'mqtt://host[:port] or mqtts://host[:port], without credentials',
    reason:
      'A broker elsewhere. Empty: the embedded broker, so that one binary is the whole system.',
  },
  protocolVersion: {
    key: 'protocol_version',
    type: 'choice',
    unit: '',
    default: '3.1.1',
    values: ['3.1.1', '5'],
    reason: 'Of the connection to url. 5 adds response topics; 3.1.1 works with every broker.',
  },
  clientId: {
    key: 'client_id',
    type: 'string',
    unit: '',
    default: '',
    pattern: /^[A-Za-z0-9._-]{0,64}$/,
    form: 'up to 64 of A-Z a-z 0-9 . _ -',
    reason:
      'Name of the session at the broker of url. Empty: rve-<node>, which survives a restart.',
  },
  username: {
    key: 'username',
    type: 'string',
    unit: '',
    default: '',
    reason: 'For url, where the broker wants one.',
  },
  passwordFile: {
    key: 'password_file',
    type: 'string',
    unit: '',
    default: '',
    reason: 'First line is the password. A file, so that this one can be shown to anybody.',
  },
  tlsCaFile: {
    key: 'tls_ca_file',
    type: 'string',
    unit: '',
    default: '',
    reason: "PEM of who may have signed the broker's certificate. Empty: the system's list.",
  },
  tlsCertFile: {
    key: 'tls_cert_file',
    type: 'string',
    unit: '',
    default: '',
    reason: 'PEM of the certificate: for url the client one, else the embedded broker its own.',
  },
  tlsKeyFile: {
    key: 'tls_key_file',
    type: 'string',
    unit: '',
    default: '',
    reason: 'PEM of the key to it, mode 0600.',
  },
  host: {
    key: 'host',
    type: 'string',
    unit: '',
    default: '127.0.0.1',
    pattern: /^[A-Za-z0-9.:_-]{1,255}$/,
    form: 'a host name or an address',
    reason: 'Where the embedded broker listens. Loopback: a network needs TLS or unsafe_plain.',
  },
  port: {
    key: 'port',
    type: 'integer',
    unit: '',
    default: 1883,
    min: 0,
    max: 65_535,
    reason: 'The registered port of MQTT. 0 takes a free one. Named here it must be free.',
  },
  unsafePlain: {
    key: 'unsafe_plain',
    type: 'boolean',
    unit: '',
    default: false,
    reason:
      'Allows MQTT without TLS beyond loopback. Anybody on the network can then read and write.',
  },
  allowAnonymous: {
    key: 'allow_anonymous',
    type: 'boolean',
    unit: '',
    default: true,
    reason: 'Clients without a name, on loopback only. With users_file the default is false.',
  },
  usersFile: {
    key: 'users_file',
    type: 'string',
    unit: '',
    default: '',
    reason: 'Lines name:password for the embedded broker, mode 0600.',
  },
  packetBytesMax: {
    key: 'packet_bytes_max',
    type: 'integer',
    unit: 'bytes',
    default: 262_144,
    min: 1024,
    max: 1_048_576,
    reason: 'Larger packets end the connection before they are buffered.',
  },
  connectionsMax: {
    key: 'connections_max',
    type: 'integer',
    unit: '',
    default: 64,
    min: 1,
    max: 1024,
    reason: 'Each may hold up to 1 MiB of unread input.',
  },
  receiveMax: {
    key: 'receive_max',
    type: 'integer',
    unit: 'messages',
    default: 200,
    min: 1,
    max: 1024,
    reason: 'Unacknowledged messages in flight from url: enough to fill a group, bounded in RAM.',
  },
  sourceRateMax: {
    key: 'source_rate_max',
    type: 'integer',
    unit: 'records/s',
    default: 0,
    min: 0,
    max: 1_000_000,
    reason: 'Of one source, so that a broken sensor cannot fill the device. 0: no limit.',
  },
};

const serve: Section<ServeConfig> = {
  statusIntervalMs: {
    key: 'status_interval_ms',
    type: 'integer',
    unit: 'ms',
    default: 1000,
    min: 100,
    max: 3_600_000,
    reason: 'Time between two status lines. 60000 suits a log file on the same card.',
  },
  selfQueryPerS: {
    key: 'self_query_per_s',
    type: 'number',
    unit: '1/s',
    default: 20,
    min: 0,
    max: 10_000,
    reason: 'Queries with stored vectors, so that p50 and p99 are measured, not guessed. 0: none.',
  },
  novelty: {
    key: 'novelty',
    type: 'boolean',
    unit: '',
    default: true,
    reason: 'Ask for the neighbours of each stored vector and publish when a source turns new.',
  },
  socket: {
    key: 'socket',
    type: 'boolean',
    unit: '',
    default: true,
    reason:
      'Listen on <path>.sock (mode 0600), so that rve stats, query, get, check work meanwhile.',
  },
};

const sim: Section<SimConfig> = {
  kind: {
    key: 'kind',
    type: 'choice',
    unit: '',
    default: 'none',
    values: ['none', 'bearing'],
    reason: 'A simulated machine that publishes over MQTT. --sim sets it.',
  },
  source: {
    key: 'source',
    type: 'string',
    unit: '',
    default: 'bearing-1',
    pattern: TOPIC_LEVEL,
    form: TOPIC_LEVEL_FORM,
    reason: 'Its name: last level of its ingest topic.',
  },
  seed: {
    key: 'seed',
    type: 'integer',
    unit: '',
    default: 1,
    min: 0,
    max: 2 ** 32 - 1,
    reason: 'The same seed makes the same samples.',
  },
  windowsPerS: {
    key: 'windows_per_s',
    type: 'number',
    unit: '1/s',
    default: 20,
    min: 0.1,
    max: 1000,
    reason: 'Windows published a second; a real one lasts 85 ms at 12 kHz.',
  },
  lifeS: {
    key: 'life_s',
    type: 'number',
    unit: 's',
    default: 150,
    min: 1,
    max: 1e9,
    reason: 'Simulated time from a new bearing to a failed one; then it is replaced.',
  },
};

const log: Section<LogConfig> = {
  level: {
    key: 'level',
    type: 'choice',
    unit: '',
    default: 'info',
    values: ['silent', 'error', 'warn', 'info', 'debug'],
    reason: 'Of the JSON lines on stderr. They wear the same card as the memory.',
  },
};

export const SECTIONS = { memory, mqtt, serve, sim, log } as const satisfies {
  readonly [name in Exclude<keyof Config, 'node' | 'given'>]: Section<Config[name]>;
};
export type SectionName = keyof typeof SECTIONS;
export const SECTION_NAMES = Object.keys(SECTIONS) as SectionName[];
export const NODE_KEY = node;

/**
 * The design's names whose feature this version does not have, with the feature. They are refused
 * by name wherever they stand, so that nobody believes them to work.
 */
export const LATER_KEYS: ReadonlyMap<string, string> = new Map([
  ['max_nodes', 'a bound on records (file_bytes_max bounds the file)'],
  ['gnn_layers', 'learning'],
  ['gnn_hidden_dim', 'learning'],
  ['gnn_heads', 'learning'],
  ['learning_rate', 'learning'],
  ['temperature', 'learning'],
  ['batch_size', 'learning'],
  ['negative_samples', 'learning'],
  ['pq_subvectors', 'a choice of codes'],
  ['pq8_centroids', 'a choice of codes'],
  ['pq4_centroids', 'a choice of codes'],
  ['outlier_threshold', 'a choice of codes'],
  ['entropy_coder', 'a choice of codes'],
  ['residual_bits', 'a choice of codes (cool_bits and cold_bits say how many)'],
  ['decompress_cache_size_mb', 'a cache of decoded vectors'],
  ['codebook_iterations', 'a choice of codes'],
  ['prefetch_depth', 'the graph walk of the tiers'],
]);

/** Whole sections of later features. */
export const LATER_SECTIONS: ReadonlyMap<string, string> = new Map([
  ['learning', 'learning'],
  ['gnn', 'learning'],
  ['serial', 'serial ingest'],
  ['http', 'the HTTP door'],
]);

/** Values of a choice that belong to later features: `kind = "robot"` is refused by name. */
export const LATER_VALUES: ReadonlyMap<string, readonly string[]> = new Map([
  ['kind', ['robot', 'twin']],
]);
