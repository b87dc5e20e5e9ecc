// Door of runtime/errors. The codes come from native/base/status.def (tools/gen_status.mjs).

export { RveError, adviceOf, asRveError, isRveCode, rveError, type RveCode } from './error.js';
