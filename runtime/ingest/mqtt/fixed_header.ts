import { RveError } from '../../errors/index.js';

export const PACKET_CONNECT = 1;
export const PACKET_PUBLISH = 3;

/**
 * Follows packet borders in a byte stream and checks each length as soon as it is known, before any
 * of the packet is kept: 5 bytes cannot claim 256 MB. Keeps no bytes itself.
 */
export class FixedHeaderScanner {
  readonly #onPacket: (type: number, remaining: number) => void;
  #type = -1;
  #length = 0;
  #shift = 0;
  #skip = 0;

  /** `onPacket` is told of each packet when its header is complete; it throws to refuse it. */
  constructor(onPacket: (type: number, remaining: number) => void) {
    this.#onPacket = onPacket;
  }

  /**
   * Scans a chunk. Returns where the first packet ends that `stop` wants to end the scan, else
   * chunk.length. Throws ERR_MQTT on a malformed length.
   */
  scan(chunk: Uint8Array, stop?: () => boolean): number {
    let at = 0;
    while (at < chunk.length) {
      if (this.#skip > 0) {
        const step = Math.min(this.#skip, chunk.length - at);
        this.#skip -= step;
        at += step;
      } else if (this.#type < 0) {
        this.#type = chunk[at]! >> 4;
        this.#length = 0;
        this.#shift = 0;
        at += 1;
        continue;
      } else {
        const byte = chunk[at]!;
        at += 1;
        this.#length += (byte & 0x7f) * 2 ** this.#shift;
        this.#shift += 7;
        if (byte >= 0x80) {
          if (this.#shift >= 28)
            throw new RveError('ERR_MQTT', 'a remaining length exceeds four bytes');
          continue;
        }
        this.#skip = this.#length;
        this.#onPacket(this.#type, this.#length);
      }
      if (this.#skip === 0 && this.#type >= 0) {
        this.#type = -1;
        if (stop?.() === true) return at;
      }
    }
    return at;
  }
}
