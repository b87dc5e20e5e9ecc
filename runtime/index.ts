// The package: import { Memory } from 'ruvector-edge'.

export { RveError, type RveCode } from './errors/index.js';
export { limits } from './limits/index.js';
export { ManualClock, Memory } from './memory/index.js';
export type * from './memory/index.js';
