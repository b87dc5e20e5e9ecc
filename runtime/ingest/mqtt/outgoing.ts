import type { IPublishPacket } from 'mqtt-packet';
import { RveError } from '../../errors/index.js';

/** 65,535 is left to SUBSCRIBE: identifiers of both kinds are one space. */
const MESSAGE_ID_MAX = 65_534;

interface Waiting {
  packet: IPublishPacket;
  sent: boolean;
  resolve: () => void;
}

/**
 * Our own QoS 1 messages until the broker acknowledges them, across reconnects: MQTT numbers them,
 * bounds those in flight to the broker's Receive Maximum, and has them sent again in order
 * [MQTT-4.6.0-1].
 */
export class Outgoing {
  readonly #max: number;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;
  #inFlight = 0;
  #inFlightMax = 20;
  #send: ((packet: IPublishPacket) => void) | null = null;

  constructor(max: number) {
    this.#max = max;
  }

  /**
   * Queues a message; resolves at its acknowledgement. Rejects with ERR_BUSY when the queue is
   * full.
   */
  async publish(packet: Omit<IPublishPacket, 'messageId'>): Promise<void> {
    if (this.#waiting.size >= this.#max) {
      throw new RveError('ERR_BUSY', `${this.#max} messages wait for the broker`);
    }
    while (this.#waiting.has(this.#nextId)) this.#nextId = (this.#nextId % MESSAGE_ID_MAX) + 1;
    const messageId = this.#nextId;
    this.#nextId = (this.#nextId % MESSAGE_ID_MAX) + 1;
    await new Promise<void>((resolve) => {
      this.#waiting.set(messageId, { packet: { ...packet, messageId }, sent: false, resolve });
      this.#pump();
    });
  }

  /** A connection is ready: what was sent before goes first, marked DUP if the session lived on. */
  connected(
    send: (packet: IPublishPacket) => void,
    inFlightMax: number,
    sameSession: boolean,
  ): void {
    this.#send = send;
    this.#inFlightMax = inFlightMax;
    this.#inFlight = 0;
    for (const waiting of this.#waiting.values()) {
      waiting.packet.dup = waiting.sent && sameSession;
      waiting.sent = false;
    }
    this.#pump();
  }

  disconnected(): void {
    this.#send = null;
  }

  acknowledged(messageId: number): void {
    const waiting = this.#waiting.get(messageId);
    if (waiting === undefined) return;
    this.#waiting.delete(messageId);
    if (waiting.sent) this.#inFlight -= 1;
    waiting.resolve();
    this.#pump();
  }

  #pump(): void {
    if (this.#send === null) return;
    for (const waiting of this.#waiting.values()) {
      if (this.#inFlight >= this.#inFlightMax) return;
      if (waiting.sent) continue;
      waiting.sent = true;
      this.#inFlight += 1;
      this.#send(waiting.packet);
    }
  }
}
