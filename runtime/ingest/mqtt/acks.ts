/**
 * Acknowledgements leave in the order in which their messages came [MQTT-4.6.0-2, 4.6.0-3],
 * although messages settle in any order. A slot that is never settled holds back all behind it:
 * that is meant, its connection is about to close and the peer sends again.
 */
export class AckQueue {
  readonly #slots: AckSlot[] = [];
  #head = 0;
  #idle: (() => void)[] = [];

  get size(): number {
    return this.#slots.length - this.#head;
  }

  /** Takes the next place in the order. */
  open(): AckSlot {
    const slot = new AckSlot(this);
    this.#slots.push(slot);
    return slot;
  }

  flush(): void {
    for (;;) {
      const slot = this.#slots[this.#head];
      if (slot === undefined || slot.write === null) break;
      this.#head += 1;
      slot.write();
    }
    // Amortised: the array is moved once per 256 acknowledgements, or when it is empty.
    if (this.#head >= 256 || this.#head === this.#slots.length) {
      this.#slots.splice(0, this.#head);
      this.#head = 0;
    }
    if (this.size > 0) return;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  /** Resolves when every slot has been acknowledged, or the queue was abandoned. */
  async idle(): Promise<void> {
    if (this.size === 0) return;
    await new Promise<void>((resolve) => {
      this.#idle.push(resolve);
    });
  }

  /** The connection is gone: nobody waits for acknowledgements any more. */
  abandon(): void {
    this.#slots.length = 0;
    this.#head = 0;
    for (const resolve of this.#idle.splice(0)) resolve();
  }
}

export class AckSlot {
  readonly #queue: AckQueue;
  write: (() => void) | null = null;

  constructor(queue: AckQueue) {
    this.#queue = queue;
  }

  /** The message is durable (or refused for good): `write` sends its acknowledgement in turn. */
  settle(write: () => void): void {
    this.write = write;
    this.#queue.flush();
  }
}
