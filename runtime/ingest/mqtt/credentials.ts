import { createHash, timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';
import { RveError } from '../../errors/index.js';
import type { BrokerOptions } from './types.js';

/** 127.0.0.0/8, ::1, and the name that stands for them. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

/** Refuses a door that anybody on the network could use. ERR_CONFIG. */
export function checkExposure(options: BrokerOptions): void {
  const host = options.host ?? '127.0.0.1';
  if (isLoopback(host)) return;
  if (options.tls === undefined && options.unsafePlain !== true) {
    throw new RveError(
      'ERR_CONFIG',
      `MQTT on ${host} needs TLS, or unsafe_plain if you know the network`,
    );
  }
  if ((options.users === undefined || options.users.size === 0) && options.tls?.ca === undefined) {
    throw new RveError('ERR_CONFIG', `MQTT on ${host} needs users or client certificates`);
  }
}

/**
 * Compares credentials in constant time: digests of equal length, and the same work for any name.
 */
export class Credentials {
  readonly #digests = new Map<string, Buffer>();
  readonly #anonymous: boolean;
  static readonly #NOBODY = digest('nobody');

  constructor(options: BrokerOptions) {
    for (const [name, password] of options.users ?? []) this.#digests.set(name, digest(password));
    this.#anonymous =
      isLoopback(options.host ?? '127.0.0.1') &&
      (options.allowAnonymous ?? this.#digests.size === 0);
  }

  /** `certified`: TLS has checked the client's certificate, which is proof enough. */
  accept(name: string | undefined, password: Uint8Array | undefined, certified: boolean): boolean {
    if (name === undefined || name === '') return this.#anonymous || certified;
    const known = this.#digests.get(name);
    const same = timingSafeEqual(known ?? Credentials.#NOBODY, digest(password ?? Buffer.alloc(0)));
    return known !== undefined && same;
  }
}

function digest(password: string | Uint8Array): Buffer {
  return createHash('sha256').update(password).digest();
}
