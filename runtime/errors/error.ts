import { STATUS_ROWS, type ErrorCode } from './codes.js';

/** Stable: programs branch on it. */
export type RveCode = ErrorCode;

/**
 * Every failure that the product reports. `code` is stable API. The message says what failed,
 * where, and what to do next; its wording may improve.
 */
export class RveError extends Error {
  readonly code: RveCode;

  constructor(code: RveCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

// On the prototype, as the built-in errors have it: one string for all, and not an own key.
Object.defineProperty(RveError.prototype, 'name', { value: 'RveError', configurable: true });

const ROWS = new Map(STATUS_ROWS.map((row) => [row.code as string, row]));

/** An error whose message is `what` (one sentence, no full stop) and the advice of status.def. */
export function rveError(code: RveCode, what: string, options?: ErrorOptions): RveError {
  return new RveError(code, `${what}. Try: ${adviceOf(code)}`, options);
}

/** What to do next about a code, from status.def. */
export function adviceOf(code: RveCode): string {
  return ROWS.get(code)?.advice ?? '';
}

/** Whether a text, of a native error or of a message from outside, is one of the stable codes. */
export function isRveCode(text: unknown): text is RveCode {
  return typeof text === 'string' && ROWS.has(text);
}

/** Anything thrown as an RveError: what is no error of ours is a broken promise of ours. */
export function asRveError(error: unknown): RveError {
  if (error instanceof RveError) return error;
  const code: unknown = (error as { code?: unknown } | null)?.code;
  const message = error instanceof Error ? error.message : String(error);
  return new RveError(isRveCode(code) ? code : 'ERR_INTERNAL', message, { cause: error });
}
