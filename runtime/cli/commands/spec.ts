// What every command is: a spec for the parser, and what it does.

import type { Arguments, CommandSpec, OptionSpec } from '../args.js';
import type { CliContext } from '../context.js';
import type { ExitCode } from '../report.js';

export interface Command {
  readonly spec: CommandSpec;
  run(context: CliContext, args: Arguments): Promise<ExitCode>;
}

/** Options that make a filter; parsed by filterOf(). */
export const FILTER_OPTIONS: readonly OptionSpec[] = [
  { name: 'source', kind: 'text', value: 'NAME', help: 'Only records of this source.' },
  {
    name: 'label',
    kind: 'text',
    value: 'NAME',
    many: true,
    help: 'Only with this label; may repeat.',
  },
  {
    name: 'from',
    kind: 'text',
    value: 'TIME',
    help: 'Not before: ms since 1970, or a date as in ISO 8601.',
  },
  { name: 'to', kind: 'text', value: 'TIME', help: 'Before.' },
];

export function filterOf(args: Arguments): Record<string, unknown> | undefined {
  const filter: Record<string, unknown> = {};
  const source = args.text('source');
  if (source !== undefined) filter['source'] = source;
  const labels = args.texts('label');
  if (labels.length > 0) filter['label'] = labels.length === 1 ? labels[0] : labels;
  for (const name of ['from', 'to'] as const) {
    const text = args.text(name);
    if (text !== undefined) filter[name] = timeOf(args, name, text);
  }
  return Object.keys(filter).length === 0 ? undefined : filter;
}

/** An id as the command line writes it. */
export function idOf(args: Arguments, text: string): number {
  const id = /^\d{1,15}$/.test(text) ? Number(text) : NaN;
  if (!(id <= 2 ** 48 - 1))
    throw args.usage(`${args.spec.name}: "${text}" is no id (0 to 281474976710655).`);
  return id;
}

function timeOf(args: Arguments, name: string, text: string): number {
  const ms = /^-?\d+$/.test(text) ? Number(text) : Date.parse(text);
  if (!Number.isSafeInteger(ms)) {
    throw args.usage(
      `${args.spec.name}: --${name} must be ms since 1970 or a date, not "${text}".`,
    );
  }
  return ms;
}
