// What a checked configuration holds. The keys in TOML, their units and reasons: table.ts.

export type LogLevel = 'silent' | 'error' | 'warn' | 'info' | 'debug';

/** Which record stands in which tier. */
export interface TierConfig {
  profile: 'edge' | 'balanced' | 'precise';
  originals: 'drop' | 'keep';
  /** Of the file; 0: no budget. */
  bytesMax: number;
  /** 0: the profile's own. */
  bytesRatioMax: number;
  /** Heat from which a record is hot, warm, cool, cold; falling. */
  hotThreshold: number;
  warmThreshold: number;
  coolThreshold: number;
  coldThreshold: number;
  promotionThreshold: number;
  demotionThreshold: number;
  accessDecayHalflifeS: number;
  recompressIntervalS: number;
  /** Bits a dimension; 0: what the budget allows. */
  coolBits: number;
  coldBits: number;
  codebookSampleSize: number;
  codebookUpdateFreq: number;
}

export interface MemoryConfig extends TierConfig {
  path: string;
  /** Floats per vector. 0: take the file's, or what the simulation makes. */
  dimensions: number;
  metric: 'cosine' | 'l2' | 'ip';
  durability: 'sync' | 'group' | 'interval' | 'buffered';
  lingerMs: number;
  intervalMs: number;
  /** 0: no limit but the disk's and the layout's. */
  fileBytesMax: number;
  hnswM: number;
  hnswEfConstruction: number;
  hnswEfSearch: number;
}

export interface MqttConfig {
  /** Of a broker elsewhere. Empty: the embedded broker. */
  url: string;
  protocolVersion: '3.1.1' | '5';
  clientId: string;
  username: string;
  passwordFile: string;
  tlsCaFile: string;
  tlsCertFile: string;
  tlsKeyFile: string;
  host: string;
  port: number;
  unsafePlain: boolean;
  allowAnonymous: boolean;
  usersFile: string;
  packetBytesMax: number;
  connectionsMax: number;
  receiveMax: number;
  /** Records a second of one source; 0: no limit. */
  sourceRateMax: number;
}

export interface ServeConfig {
  statusIntervalMs: number;
  selfQueryPerS: number;
  novelty: boolean;
  socket: boolean;
}

export interface SimConfig {
  kind: 'none' | 'bearing';
  source: string;
  seed: number;
  windowsPerS: number;
  lifeS: number;
}

export interface LogConfig {
  level: LogLevel;
}

export interface Config {
  node: string;
  /** Keys that the file names, as 'mqtt.port': a default may give way where a wish may not. */
  given: Set<string>;
  memory: MemoryConfig;
  mqtt: MqttConfig;
  serve: ServeConfig;
  sim: SimConfig;
  log: LogConfig;
}
