// Door of runtime/errors. The codes come from native/base/status.def (tools/gen_status.mjs).

export type { RveCode } from './codes.js';
export { RveError } from './error.js';
