// Door of runtime/config: rve.toml, its keys, and names that were nearly right.

export { configHelp, configMarkdown } from './help.js';
export { didYouMean, nearestName } from './nearest.js';
export { CONFIG_BYTES_MAX, defaultConfig, parseConfig } from './parse.js';
export type {
  Config,
  LogConfig,
  LogLevel,
  MemoryConfig,
  MqttConfig,
  ServeConfig,
  SimConfig,
  TierConfig,
} from './types.js';
