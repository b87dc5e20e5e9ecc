// Door of runtime/cli: one command line in, an exit code out. Never throws, never touches process.

import { didYouMean } from '../config/index.js';
import { RveError } from '../errors/index.js';
import { commandHelp, parseArguments, UsageError } from './args.js';
import { COMMAND_NAMES, LATER_COMMANDS, loadCommand } from './commands/index.js';
import type { CliContext } from './context.js';
import { EXIT, print, reportError, type ExitCode } from './report.js';

export type { CliContext, Output, Store, StoreDoor } from './context.js';

/** Flags that people type before they know the commands. */
const ALIASES: ReadonlyMap<string, string> = new Map([
  ['--help', 'help'],
  ['-h', 'help'],
  ['--version', 'version'],
  ['-V', 'version'],
]);

/**
 * Runs one command line. What fails is said on stderr (and, with --json, as one object on stdout).
 */
export async function run(context: CliContext): Promise<ExitCode> {
  const json = context.argv.includes('--json');
  try {
    return await dispatch(context);
  } catch (error) {
    return reportError(context, error, json);
  }
}

async function dispatch(context: CliContext): Promise<ExitCode> {
  const [given, ...rest] = context.argv;
  if (given === undefined) {
    await dispatch({ ...context, argv: ['help'], stdout: context.stderr });
    return EXIT.usage;
  }
  const name = ALIASES.get(given) ?? given;
  const command = await loadCommand(name);
  if (command === null) throw unknownCommand(name);
  const args = parseArguments(command.spec, rest);
  if (args.flag('help')) {
    await print(context.stdout, commandHelp(command.spec));
    return EXIT.fine;
  }
  return command.run(context, args);
}

function unknownCommand(name: string): RveError {
  if (LATER_COMMANDS.includes(name)) {
    return new RveError('ERR_NOT_AVAILABLE', `${name} is not in this version.`);
  }
  const shown = name.length > 40 ? `${name.slice(0, 40)}…` : name;
  return new UsageError(
    null,
    `unknown command "${shown}".${didYouMean(name, COMMAND_NAMES)} Run rve help.`,
  );
}
