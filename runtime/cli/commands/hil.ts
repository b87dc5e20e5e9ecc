import { readFile, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';

import { didYouMean } from '../../config/index.js';
import { RveError } from '../../errors/index.js';
import {
  junit,
  parseScenario,
  runScenario,
  SCENARIO_BYTES_MAX,
  TARGETS,
  type HilWorld,
  type Place,
  type RunOptions,
  type Scenario,
  type Target,
  type Verdict,
} from '../../hil/index.js';
import type { Arguments } from '../args.js';
import type { CliContext } from '../context.js';
import { EXIT, print, printJson, type ExitCode } from '../report.js';
import type { Command } from './spec.js';

/** Where `make qemu-images` leaves the machine of each target, from the project's folder. */
const IMAGE_FOLDER = (target: Target): string => join('build', target, 'system');

export const hilCommand: Command = {
  spec: {
    name: 'hil',
    summary: 'Plays scenarios on an emulated machine or a real board: boots, load, power cuts.',
    positionals: ['SCENARIO...'],
    options: [
      {
        name: 'target',
        kind: 'text',
        value: 'NAME',
        values: TARGETS,
        inUsage: true,
        help: 'Emulated machine: arm64 or riscv64 (arm64).',
      },
      { name: 'kernel', kind: 'text', value: 'FILE', help: 'Kernel (build/TARGET/system/kernel).' },
      {
        name: 'initrd',
        kind: 'text',
        value: 'FILE',
        help: 'Initial RAM disk (beside that kernel; with --kernel: none).',
      },
      {
        name: 'disk',
        kind: 'text',
        value: 'FILE',
        help: "The system's raw disk, first in the machine; never changed.",
      },
      { name: 'firmware', kind: 'text', value: 'FILE', help: "Firmware (QEMU's own)." },
      {
        name: 'serial',
        kind: 'text',
        value: 'DEV',
        inUsage: true,
        help: 'A real board: the serial port of its console.',
      },
      {
        name: 'baud',
        kind: 'integer',
        value: 'N',
        min: 50,
        max: 4_000_000,
        help: 'Of it (115200).',
      },
      { name: 'bulk', kind: 'text', value: 'DEV', help: 'A second serial port, for bulk bytes.' },
      { name: 'power-on', kind: 'text', value: 'CMD', help: 'Switches the board on.' },
      { name: 'power-off', kind: 'text', value: 'CMD', help: 'Cuts its power.' },
      {
        name: 'set',
        kind: 'text',
        value: 'NAME=VALUE',
        many: true,
        help: 'Another value of [vars]; may repeat.',
      },
      {
        name: 'seed',
        kind: 'integer',
        value: 'N',
        max: 0xffff_ffff,
        help: 'Of data, samples and moments (random, printed).',
      },
      {
        name: 'jobs',
        kind: 'integer',
        value: 'N',
        min: 1,
        max: 64,
        help: 'Emulated machines at once (1).',
      },
      { name: 'junit', kind: 'text', value: 'FILE', inUsage: true, help: 'Writes JUnit XML.' },
      { name: 'console', kind: 'text', value: 'DIR', help: 'Keeps what each console said, there.' },
      {
        name: 'allow-missing',
        kind: 'flag',
        help: 'A scenario that cannot run here is told and passes (else it fails).',
      },
    ],
    notes: ['The format of scenarios: runtime/hil/README.md. Exit 1: a scenario failed.'],
  },
  async run(context, args) {
    const place = placeOf(args);
    const settings = settingsOf(args);
    const scenarios = await Promise.all(
      args.positionals.map((path) => readScenario(path, settings)),
    );
    for (const name of settings.keys()) {
      const known = scenarios.flatMap(({ vars }) => Object.keys(vars));
      if (known.includes(name)) continue;
      const hint = didYouMean(name, known);
      throw args.usage(`hil: no scenario has "${name}" in its [vars].${hint}`);
    }
    const verdicts = await playAll(context, args, place, scenarios);
    const file = args.text('junit');
    if (file !== undefined) await writeFile(file, junit(verdicts));
    return report(context, args, verdicts);
  },
};

async function playAll(
  context: CliContext,
  args: Arguments,
  place: Place,
  scenarios: readonly Scenario[],
): Promise<Verdict[]> {
  const stop = new AbortController();
  const ignore = context.onStop(() => {
    // A second signal leaves at once; the emulator goes with this process.
    if (stop.signal.aborted) context.exitNow(130);
    stop.abort();
  });
  const output = args.flag('json') ? context.stderr : context.stdout;
  const jobs = Math.min(args.number('jobs') ?? 1, scenarios.length);
  const verdicts: (Verdict | undefined)[] = [];
  const queue = scenarios.entries();
  const lane = async (): Promise<void> => {
    for (const [index, scenario] of queue) {
      if (stop.signal.aborted) return;
      const prefix = jobs === 1 ? '' : `${scenario.name.padEnd(16)} `;
      const world = worldOf(context, (line) => void output.write(`${prefix}${line}\n`));
      const { signal } = stop;
      verdicts[index] = await playOne(context, args, { scenario, place, world, signal });
    }
  };
  try {
    await Promise.all(Array.from({ length: jobs }, lane));
  } finally {
    ignore();
  }
  return verdicts.filter((verdict) => verdict !== undefined);
}

async function playOne(
  context: CliContext,
  args: Arguments,
  options: Pick<RunOptions, 'scenario' | 'place' | 'world' | 'signal'>,
): Promise<Verdict> {
  const { scenario, world } = options;
  const seed = args.number('seed') ?? context.random32();
  world.say(`${scenario.name} (seed ${seed}): ${scenario.about}`);
  const consoles = args.text('console');
  const consoleFile = consoles === undefined ? null : join(consoles, `${scenario.name}.log`);
  const verdict = await runScenario({ ...options, seed, consoleFile });
  world.say(sentenceOf(verdict));
  return verdict;
}

function sentenceOf({ scenario, outcome, seconds, figures, note }: Verdict): string {
  const list = Object.entries(figures).map(([name, value]) => `${name} ${value}`);
  const tail = list.length === 0 ? '' : `; ${list.join(', ')}`;
  if (outcome === 'passed') return `${scenario}: passed in ${seconds.toFixed(1)} s${tail}`;
  if (outcome === 'cannot_run') return `${scenario}: CANNOT RUN: ${note}`;
  // The whole note stands with its step, above.
  return `${scenario}: FAILED after ${seconds.toFixed(1)} s at ${note.split('\n')[0] ?? ''}`;
}

async function report(
  context: CliContext,
  args: Arguments,
  verdicts: readonly Verdict[],
): Promise<ExitCode> {
  const allowed = args.flag('allow-missing');
  const isFine = ({ outcome }: Verdict): boolean =>
    outcome === 'passed' || (allowed && outcome === 'cannot_run');
  const asked = args.positionals.length;
  const passed = verdicts.filter(({ outcome }) => outcome === 'passed').length;
  // Those that Ctrl-C left out have not passed either.
  const failed = asked - verdicts.filter(isFine).length;
  if (args.flag('json')) await printJson(context.stdout, { passed, failed, scenarios: verdicts });
  else await print(context.stdout, `${passed} passed, ${failed} failed\n`);
  return failed === 0 ? EXIT.fine : EXIT.failed;
}

function placeOf(args: Arguments): Place {
  const given = (names: readonly string[]): string | undefined =>
    names.find((name) => args.text(name) !== undefined);
  const ofVm = given(['target', 'kernel', 'initrd', 'disk', 'firmware']);
  const ofBoard = given(['serial', 'baud', 'bulk', 'power-on', 'power-off']);
  const serial = args.text('serial');
  if (serial !== undefined && args.text('jobs') !== undefined) {
    throw args.usage('hil: there is one board; --jobs is for emulated machines.');
  }
  if (serial === undefined) {
    if (ofBoard !== undefined) throw args.usage(`hil: --${ofBoard} needs --serial DEV.`);
    return vmOf(args);
  }
  if (ofVm !== undefined) throw args.usage(`hil: --${ofVm} is not for a board (--serial).`);
  return {
    kind: 'board',
    serial,
    baud: args.number('baud') ?? 115_200,
    bulk: args.text('bulk') ?? null,
    powerOn: args.text('power-on') ?? null,
    powerOff: args.text('power-off') ?? null,
  };
}

/** An own kernel comes with its own initial RAM disk and disk: the project's would not fit it. */
function vmOf(args: Arguments): Place {
  const target = (args.text('target') ?? 'arm64') as Target;
  const folder = IMAGE_FOLDER(target);
  const kernel = args.text('kernel');
  const ours = (name: string): string | null => (kernel === undefined ? join(folder, name) : null);
  return {
    kind: 'vm',
    target,
    images: {
      kernel: kernel ?? join(folder, 'kernel'),
      initrd: args.text('initrd') ?? ours('initrd.gz'),
      system: args.text('disk') ?? ours('system.img'),
      firmware: args.text('firmware') ?? null,
    },
  };
}

function settingsOf(args: Arguments): Map<string, string> {
  const settings = new Map<string, string>();
  for (const text of args.texts('set')) {
    const at = text.indexOf('=');
    if (at < 1) throw args.usage(`hil: --set wants NAME=VALUE, not "${text}".`);
    settings.set(text.slice(0, at), text.slice(at + 1));
  }
  return settings;
}

async function readScenario(
  path: string,
  settings: ReadonlyMap<string, string>,
): Promise<Scenario> {
  const { size } = await stat(path);
  if (size > SCENARIO_BYTES_MAX) {
    throw new RveError('ERR_CONFIG', `${path} is larger than ${SCENARIO_BYTES_MAX} bytes.`);
  }
  return parseScenario(await readFile(path, 'utf8'), basename(path), settings);
}

function worldOf(context: CliContext, say: (line: string) => void): HilWorld {
  return {
    now: () => context.clock.now(),
    monotonic: context.monotonic,
    sleep: context.sleep,
    after: context.after,
    openStore: (path) => context.stores.open(path, { readOnly: true }),
    checkStore: (path) => context.stores.check(path),
    say,
  };
}
