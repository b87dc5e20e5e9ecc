// Door of runtime/hil: scenarios in, verdicts out. README.md says what a scenario may hold.

import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { BoardMachine, type BoardOptions } from './board.js';
import { ConsoleLog } from './console_log.js';
import type { Machine } from './machine.js';
import { play } from './player.js';
import { QemuMachine, type Images, type Target } from './qemu.js';
import type { Scenario } from './scenario.js';
import type { Verdict } from './verdict.js';
import { StepFailure, type HilWorld } from './world.js';

export { BlockLog, flushedBefore, isWrite, Replayer, FLAG, type LogEntry } from './block_log.js';
export { TARGETS, type Images, type Target } from './qemu.js';
export { parseScenario, SCENARIO_BYTES_MAX, stepsOf, type Scenario } from './scenario.js';
export { junit, type StepVerdict, type Verdict } from './verdict.js';
export type { HilWorld, ReadStore } from './world.js';

/** What a scenario is played on. */
export type Place =
  | { readonly kind: 'vm'; readonly target: Target; readonly images: Images }
  | ({ readonly kind: 'board' } & Pick<
      BoardOptions,
      'serial' | 'baud' | 'bulk' | 'powerOn' | 'powerOff'
    >);

export interface RunOptions {
  readonly scenario: Scenario;
  readonly place: Place;
  readonly world: HilWorld;
  readonly seed: number;
  /** Everything the console says is written here; null: nowhere. */
  readonly consoleFile: string | null;
  readonly signal: AbortSignal;
}

/** Plays one scenario. A failed step is a verdict, never an exception. */
export async function runScenario(options: RunOptions): Promise<Verdict> {
  const { scenario, place, world, seed, signal } = options;
  // Short and local: sockets live here, and their paths hold 107 bytes.
  const folder = await mkdtemp(join(tmpdir(), 'rve-hil-'));
  const file = options.consoleFile === null ? null : createWriteStream(options.consoleFile);
  const console = new ConsoleLog((text) => void file?.write(text));
  try {
    const machine = await machineOf(options, console, folder);
    const lacking = scenario.needs.filter((need) => !machine.offers.has(need));
    if (lacking.length > 0) {
      await machine.close();
      return cannotRun(options, `it needs ${lacking.join(', ')}, which this machine lacks`);
    }
    const target = place.kind === 'vm' ? place.target : 'board';
    return await play({ scenario, machine, world, seed, target, folder, signal });
  } catch (error) {
    if (!(error instanceof StepFailure)) throw error;
    return cannotRun(options, error.message);
  } finally {
    file?.end();
    await rm(folder, { recursive: true, force: true });
  }
}

async function machineOf(
  { place, scenario, world }: RunOptions,
  console: ConsoleLog,
  folder: string,
): Promise<Machine> {
  if (place.kind === 'board') return new BoardMachine({ ...place, world, console });
  const { target, images } = place;
  return QemuMachine.create({ target, images, scenario, folder, world, console });
}

function cannotRun({ scenario, seed }: RunOptions, note: string): Verdict {
  return {
    scenario: scenario.name,
    outcome: 'cannot_run',
    seconds: 0,
    seed,
    figures: {},
    steps: [],
    note,
  };
}
