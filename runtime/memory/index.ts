// Door of runtime/memory (DESIGN.md section 5).

export { ManualClock } from './clock.js';
export { Memory } from './memory.js';
export type * from './types.js';
