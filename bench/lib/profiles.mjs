// The profiles of a memory, by the names that benches and reports have for them.
import { join } from 'node:path';

import { scratchFolder } from './machine.mjs';

/** Budgets of the whole file, by dimensions: what recall 0.95 and 0.99 are to be had for. */
export const RATIOS = { 128: { 0.95: 0.3, 0.99: 0.4 }, 784: { 0.95: 0.13, 0.99: 0.25 } };

const edge = (bytesRatioMax) => ({ profile: 'edge', bytesRatioMax });

/** Options of Memory.open() for each. */
export const PROFILES = {
  precise: { profile: 'precise' },
  balanced: { profile: 'balanced' },
  edge: { profile: 'edge' },
  'edge 0.13': edge(0.13),
  'edge 0.25': edge(0.25),
  'edge 0.30': edge(0.3),
  'edge 0.40': edge(0.4),
};

/** The first line of why a profile was refused, for a report. */
export const reasonOf = (error) => String(error.message).split('\n')[0].slice(0, 160);

/**
 * Runs `measure(report, name, options)` for each of the named profiles, 'default' being what
 * Memory.open() takes without a word. A profile that this version does not have is skipped by name;
 * with more than one, figures bear its name. Gives a reason when nothing was measured.
 */
export async function eachProfile(report, names, Memory, measure) {
  let measured = 0;
  for (const name of names ?? ['default']) {
    const options = name === 'default' ? {} : PROFILES[name];
    const refused = options === undefined ? 'no such profile' : await refusal(Memory, options);
    if (refused !== null) {
      report.note(`skipped profile ${name}: ${refused}`);
      continue;
    }
    await measure((names ?? []).length > 1 ? report.about(name) : report, name, options);
    measured += 1;
  }
  return measured === 0 ? `no profile of ${names.join(', ')} is in this version` : undefined;
}

/** Why Memory.open() refuses these options, or null. */
export async function refusal(Memory, options) {
  const path = join(scratchFolder(), 'probe.rve');
  try {
    await (await Memory.open(path, { dimensions: 4, ...options })).close();
    return null;
  } catch (error) {
    return reasonOf(error);
  }
}
