// Door of runtime/ingest/mqtt: an embedded broker, or a session at a broker elsewhere.

export { isLoopback } from './credentials.js';
export { DEFAULT_LIMITS, type MqttLimits } from './limits.js';
export { startMqtt, type MqttIngest, type MqttOptions, type PublishOptions } from './start.js';
export type {
  BrokerOptions,
  ClientOptions,
  InsertFields,
  Log,
  MemoryDoor,
  MqttStats,
  StoredEvent,
  Timers,
  TlsFiles,
} from './types.js';
