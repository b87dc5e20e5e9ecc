import { RveError } from '../../errors/index.js';

/**
 * What became of a message. `stored`: durable, acknowledge. `refused`: no redelivery can help, so
 * it is acknowledged too, and an event/rejected tells the sender. `later`: not stored, but may be:
 * no acknowledgement, the connection closes after a pause. `failed`: the memory takes no more.
 */
export type Outcome =
  | { kind: 'stored' }
  | { kind: 'refused'; code: string; message: string }
  | { kind: 'later'; code: string; message: string }
  | { kind: 'failed'; code: string; message: string };

export const STORED: Outcome = { kind: 'stored' };

/** Of the message, whatever the state of the memory. */
const REFUSED: ReadonlySet<string> = new Set([
  'ERR_BODY',
  'ERR_BODY_LIMIT',
  'ERR_DIMENSIONS',
  'ERR_VECTOR',
  'ERR_ID_RANGE',
  'ERR_ID_TYPE',
  'ERR_ID_DUPLICATE',
  'ERR_PAYLOAD',
  'ERR_BATCH',
  'ERR_NAME',
  'ERR_SYMBOLS',
  'ERR_OPTION',
  'ERR_ARGUMENT',
  'ERR_FILTER',
  'ERR_NOT_AVAILABLE',
  'ERR_TOPIC',
]);
/** Of the moment. */
const LATER: ReadonlySet<string> = new Set([
  'ERR_BUSY',
  'ERR_NO_SPACE',
  'ERR_NO_MEMORY',
  'ERR_ABORTED',
  'ERR_TIMEOUT',
]);

/** An error that is not ours is `failed`: what is not known to be stored is never acknowledged. */
export function outcomeOf(error: unknown): Outcome {
  const message = error instanceof Error ? error.message : String(error);
  const code = error instanceof RveError ? error.code : 'ERR_INTERNAL';
  if (REFUSED.has(code)) return { kind: 'refused', code, message };
  if (LATER.has(code)) return { kind: 'later', code, message };
  return { kind: 'failed', code, message };
}

/** MQTT 5 reason code of a refused message (its section 2.4). */
export function reasonCodeOf(code: string): number {
  switch (code) {
    case 'ERR_SYMBOLS':
      return 0x97; // Quota exceeded.
    case 'ERR_TOPIC':
      return 0x90; // Topic name invalid.
    case 'ERR_NOT_AVAILABLE':
      return 0x83; // Implementation specific error.
    default:
      return 0x99; // Payload format invalid.
  }
}
