// Door of runtime/limits. The numbers come from native/base/limits.hpp (tools/gen_limits.mjs).

export { limits } from './limits.js';
