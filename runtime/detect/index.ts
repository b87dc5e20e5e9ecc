/** Door of detect: decisions about sources from what the memory answers. Pure: no clock, no I/O. */
export {
  distancesOf,
  NoveltyDetector,
  type NoveltyEvent,
  type NoveltyOptions,
  type NoveltyState,
} from './novelty.js';
