// What the daemon tells Memory.open, from [memory] of the configuration.

import type { Config } from '../../config/index.js';
import type { OpenOptions } from '../../memory/index.js';

/** Numbers in the simulated sensor's embedding, when the configuration names none. */
const SIM_DIMENSIONS = 128;

export function openOptionsOf({ memory, sim, given }: Config): OpenOptions {
  const { path: _, dimensions, metric, ...rest } = memory;
  const { fileBytesMax, bytesMax, bytesRatioMax, coolBits, coldBits, ...options } = rest;
  // In TOML 0 leaves these to the engine; at the door that is an option left out.
  const orNone = { dimensions, fileBytesMax, bytesMax, bytesRatioMax, coolBits, coldBits };
  if (dimensions === 0 && sim.kind !== 'none') orNone.dimensions = SIM_DIMENSIONS;
  return {
    ...options,
    ...Object.fromEntries(Object.entries(orNone).filter(([, value]) => value !== 0)),
    ...(given.has('memory.metric') ? { metric } : {}),
  };
}
