// Every command by name. Each is loaded when it is called: `rve stats` does not wait for an MQTT
// client.

import { helpCommand, versionCommand } from './help.js';
import type { Command } from './spec.js';

const LOADERS: ReadonlyMap<string, () => Promise<Command>> = new Map([
  ['serve', async () => (await import('./serve.js')).serveCommand],
  ['insert', async () => (await import('./transfer.js')).insertCommand],
  ['query', async () => (await import('./query.js')).queryCommand],
  ['get', async () => (await import('./get.js')).getCommand],
  ['forget', async () => (await import('./forget.js')).forgetCommand],
  ['stats', async () => (await import('./stats.js')).statsCommand],
  ['check', async () => (await import('./check.js')).checkCommand],
  ['export', async () => (await import('./transfer.js')).exportCommand],
  ['import', async () => (await import('./transfer.js')).importCommand],
  ['replay', async () => (await import('./replay.js')).replayCommand],
  ['hil', async () => (await import('./hil.js')).hilCommand],
  ['help', async () => helpCommand(allCommands)],
  ['version', async () => versionCommand],
]);

/** Of the design, and of later versions. */
export const LATER_COMMANDS: readonly string[] = ['bench', 'eval'];
export const COMMAND_NAMES: readonly string[] = [...LOADERS.keys()];

/** Null: there is none of this name. */
export async function loadCommand(name: string): Promise<Command | null> {
  return (await LOADERS.get(name)?.()) ?? null;
}

async function allCommands(): Promise<readonly Command[]> {
  return Promise.all([...LOADERS.values()].map((load) => load()));
}
