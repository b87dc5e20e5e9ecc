/** Door of sim: seed in, samples and faults out. Imports no other room. */
export {
  BearingSimulator,
  DEFAULT_FAULTS,
  NEXT_WINDOW_SAMPLES_MAX,
  type BearingOptions,
  type BearingStage,
  type FaultPlan,
} from './bearing.js';
export type { DefectKind } from './defect.js';
export { faultOrders, SKF_6205, type BearingGeometry, type FaultOrders } from './geometry.js';
export { Rng } from './rng.js';
