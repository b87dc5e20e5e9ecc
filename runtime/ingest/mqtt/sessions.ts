import type { Aedes, Client } from 'aedes';

interface SessionStore {
  cleanSubscriptions(client: { id: string }): Promise<unknown>;
  cleanIncoming?(client: { id: string }): Promise<unknown>;
}

/**
 * Bounds what absent clients leave behind: aedes keeps subscriptions and QoS 2 receipts of each
 * persistent session for ever. Beyond the limit, the one least recently seen is forgotten.
 */
export class Sessions {
  readonly #max: number;
  readonly #seen = new Set<string>();

  constructor(max: number) {
    this.#max = max;
  }

  /** A client has connected. */
  touch(broker: Aedes, client: Client): void {
    this.#seen.delete(client.id);
    if (client.clean) return;
    this.#seen.add(client.id);
    if (this.#seen.size <= this.#max) return;
    const { persistence, clients } = broker as unknown as {
      persistence: SessionStore;
      clients: Record<string, unknown>;
    };
    for (const id of this.#seen) {
      if (clients[id] !== undefined) continue;
      this.#seen.delete(id);
      void persistence.cleanSubscriptions({ id }).catch(() => {});
      void persistence.cleanIncoming?.({ id }).catch(() => {});
      return;
    }
  }
}
