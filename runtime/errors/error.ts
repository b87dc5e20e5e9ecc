import type { RveCode } from './codes.js';

/**
 * Every failure that the product reports. `code` is stable API: programs branch on it. The message
 * says what failed, where, and what to do next; its wording may improve.
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
