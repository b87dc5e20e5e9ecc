/** Door of sensors: numbers in, Float32Array out. Imports no other room. */
export { EnvelopeAnalyser, type BandHz } from './envelope.js';
export { Fft } from './fft.js';
export { timeStatistics, type TimeStatistics } from './statistics.js';
export {
  STATISTICS_COUNT,
  VibrationEmbedder,
  type VibrationLayout,
  type VibrationOptions,
} from './vibration.js';
export { hann, slidingWindows } from './window.js';
