// Door types of runtime/ingest/mqtt.

/** What this room needs of a Memory; `insert` resolves when its rows are durable. */
export interface MemoryDoor {
  insert(vectors: Float32Array, options: InsertFields): Promise<{ ids: Float64Array; lsn: number }>;
  query(options: {
    vector: Float32Array;
    k: number;
    ef?: number;
    recall?: number;
    filter?: { source?: string; label?: string | readonly string[]; from?: number; to?: number };
  }): Promise<{ ids: Float64Array; scores: Float32Array; latencyUs: number; degraded: boolean }>;
}

export interface InsertFields {
  source: string;
  ids?: readonly number[];
  times?: readonly number[];
  sequence?: number;
  boot?: number;
  labels?: string | readonly (string | null)[];
  payloads?: readonly unknown[];
}

/** Delays, as an argument: tests drive them by hand. */
export interface Timers {
  /** Calls `run` once after `ms`; the result cancels it. */
  after(ms: number, run: () => void): () => void;
}

export interface Log {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface TlsFiles {
  /** PEM. */
  key: string | Buffer;
  cert: string | Buffer;
  ca?: string | Buffer;
}

/** The embedded broker (aedes, MQTT 3.1.1). */
export interface BrokerOptions {
  /** Default 127.0.0.1. Any other than a loopback address needs `tls` or `unsafePlain`. */
  host?: string;
  /** 0: any free one; read it from MqttIngest.port. */
  port: number;
  /**
   * With `ca`, clients must show a certificate; its common name is then the only source they may
   * write.
   */
  tls?: TlsFiles;
  unsafePlain?: boolean;
  /** User names and passwords. */
  users?: ReadonlyMap<string, string>;
  /** Default true without `users`, false with; never beyond loopback. */
  allowAnonymous?: boolean;
}

/** A broker elsewhere. */
export interface ClientOptions {
  /** mqtt://host[:1883] or mqtts://host[:8883]. */
  url: string;
  /** Default '3.1.1'. */
  protocolVersion?: '3.1.1' | '5';
  /** Names the session that the broker keeps; must survive a restart. Default rve-<node>. */
  clientId?: string;
  username?: string;
  password?: string | Buffer;
  tls?: {
    ca?: string | Buffer;
    cert?: string | Buffer;
    key?: string | Buffer;
    servername?: string;
  };
  /** Seconds, 5..3600. Default 30. */
  keepalive?: number;
}

export interface StoredEvent {
  source: string;
  /** -1: known already, not stored again. */
  ids: Float64Array;
  /** rows x dimensions. */
  vectors: Float32Array;
  /** Event times, ms since 1970, if the message gave them; else when it came. */
  times: readonly number[];
}

export interface MqttStats {
  /** Ingest messages that came in. */
  received: number;
  /** Ingest messages acknowledged, or at QoS 0 settled. */
  acked: number;
  /** Rows stored. */
  stored: number;
  /** Rows known already by (source, boot, sequence). */
  duplicates: number;
  /** Ingest messages that can never be stored; each gave an event/rejected. */
  refused: number;
  queries: number;
  /** Ingest messages between admission and acknowledgement. */
  inFlight: number;
  bytesInFlight: number;
  connections: number;
  /** Connections closed for breaking a limit or a rule. */
  dropped: number;
  /** A latched, closed or failed memory: nothing is accepted any more. */
  failed: string | null;
}
