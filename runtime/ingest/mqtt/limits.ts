// Bounds of the MQTT doors (RELIABILITY.md section 4). All may be set through MqttOptions.limits.

export interface MqttLimits {
  /** Remaining length of a packet; checked in the fixed header, before any of it is kept. */
  packetBytesMax: number;
  /** Of the first packet, from a peer that has not shown who it is. */
  preAuthBytesMax: number;
  /** From connect to CONNECT (and TLS handshake), ms. */
  preAuthMs: number;
  topicBytesMax: number;
  topicLevelsMax: number;
  connectionsMax: number;
  /** Admitted and not yet settled, of one connection: beyond, its socket is not read. */
  connectionBytesMax: number;
  /** The same of all connections together. */
  totalBytesMax: number;
  /** Queries being answered; further ones get ERR_BUSY. */
  queriesMax: number;
  /** Rows a second of one source, with a burst of as many; 0: no limit. */
  sourceRowsPerSecond: number;
  /** MQTT 5 Receive Maximum that we announce as a client. */
  receiveMax: number;
  /** Messages of our own that wait for a broker's acknowledgement or for a connection. */
  outgoingMax: number;
  /** Topic filters of one client of the embedded broker. */
  subscriptionsMax: number;
  /** Persistent sessions of clients that are away; the least recently seen leave first. */
  sessionsMax: number;
}

export const DEFAULT_LIMITS: MqttLimits = {
  packetBytesMax: 262_144,
  preAuthBytesMax: 1_024,
  preAuthMs: 5_000,
  topicBytesMax: 256,
  topicLevelsMax: 8,
  connectionsMax: 64,
  // Four packets of the largest size, or 1,800 of 560 bytes: a window of 200 never waits for it.
  connectionBytesMax: 1_048_576,
  totalBytesMax: 33_554_432,
  queriesMax: 256,
  sourceRowsPerSecond: 0,
  receiveMax: 200,
  outgoingMax: 256,
  subscriptionsMax: 64,
  sessionsMax: 256,
};
