import { connect as connectPlain, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import mqttPacket, { type IPublishPacket, type Packet } from 'mqtt-packet';
import { RveError } from '../../errors/index.js';
import { FixedHeaderScanner, PACKET_PUBLISH } from './fixed_header.js';
import type { ClientOptions } from './types.js';

/** Room for topic, identifier and properties beside a body of the largest size. */
const OVERHEAD_BYTES = 8_192;

export interface LinkEvents {
  packet(packet: Packet): void;
  /** A PUBLISH has begun to arrive: count its bytes now. */
  admitted(bytes: number): void;
  /** Once, whatever the reason; null: we closed it. */
  closed(error: Error | null): void;
}

/** One socket to a broker, with packets in and out. Lengths are checked before bytes are kept. */
export class ClientLink {
  readonly #socket: Socket;
  readonly #version: 4 | 5;
  readonly #events: LinkEvents;
  #closed = false;
  #error: Error | null = null;

  constructor(options: ClientOptions, packetBytesMax: number, events: LinkEvents) {
    this.#events = events;
    this.#version = options.protocolVersion === '5' ? 5 : 4;
    this.#socket = open(options);
    this.#socket.setNoDelay(true);
    const parser = mqttPacket.parser({ protocolVersion: this.#version });
    const scanner = new FixedHeaderScanner((type, remaining) => {
      if (remaining > packetBytesMax + OVERHEAD_BYTES) {
        throw new RveError('ERR_MQTT', `the broker sent a packet of ${remaining} bytes`);
      }
      if (type === PACKET_PUBLISH) events.admitted(remaining);
    });
    parser.on('packet', (packet) => {
      if (!this.#closed) events.packet(packet);
    });
    parser.on('error', (error: Error) => this.close(error));
    this.#socket.on('data', (chunk: Buffer) => {
      if (this.#closed) return;
      try {
        scanner.scan(chunk);
        parser.parse(chunk);
      } catch (error) {
        this.close(error as Error);
      }
    });
    this.#socket.on('error', (error) => {
      this.#error ??= error;
    });
    this.#socket.on('close', () => this.#finish());
    this.#socket.on('end', () => this.#socket.end());
  }

  /** Calls `run` when packets may be sent. */
  onOpen(run: () => void): void {
    const encrypted = 'encrypted' in this.#socket;
    this.#socket.once(encrypted ? 'secureConnect' : 'connect', run);
  }

  /** Packets of one turn of the loop leave in one write (mqtt-packet corks the socket). */
  send(packet: Packet): void {
    if (this.#closed || this.#socket.destroyed) return;
    mqttPacket.writeToStream(packet, this.#socket, { protocolVersion: this.#version });
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Ends the connection at once, without a DISCONNECT: the broker sends the will. */
  close(error: Error | null): void {
    this.#error ??= error;
    this.#socket.destroy();
    this.#finish();
  }

  /** Sends DISCONNECT behind all that was sent, and closes. */
  async end(): Promise<void> {
    if (this.#closed) return;
    await new Promise<void>((resolve) => {
      this.#socket.once('close', () => resolve());
      this.send({ cmd: 'disconnect', reasonCode: 0 });
      this.#socket.end();
      this.#socket.resume();
    });
  }

  #finish(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#events.closed(this.#error);
  }
}

function open(options: ClientOptions): Socket {
  const url = new URL(options.url);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (url.protocol === 'mqtt:') return connectPlain({ host, port: Number(url.port || 1883) });
  const tls = options.tls ?? {};
  return connectTls({
    host,
    port: Number(url.port || 8883),
    minVersion: 'TLSv1.2',
    rejectUnauthorized: true,
    ...(tls.ca === undefined ? {} : { ca: tls.ca }),
    ...(tls.cert === undefined ? {} : { cert: tls.cert }),
    ...(tls.key === undefined ? {} : { key: tls.key }),
    // SNI takes names only; without one the certificate is still checked against the host.
    servername: tls.servername ?? (isIP(host) === 0 ? host : ''),
  });
}

/** Throws ERR_CONFIG unless the URL is one that a link can use. */
export function checkUrl(text: string): void {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new RveError('ERR_CONFIG', `not a URL: ${text}`);
  }
  if ((url.protocol !== 'mqtt:' && url.protocol !== 'mqtts:') || url.hostname === '') {
    throw new RveError(
      'ERR_CONFIG',
      'the broker URL must be mqtt://host[:port] or mqtts://host[:port]',
    );
  }
  if (url.username !== '' || url.password !== '') {
    throw new RveError(
      'ERR_CONFIG',
      'the broker URL must not hold credentials: give username and password',
    );
  }
}

export type { IPublishPacket, Packet };
