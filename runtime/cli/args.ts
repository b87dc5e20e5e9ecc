// Arguments in, checked values out, on node:util's parseArgs. Each command states its options once;
// the parser, the usage line and the help text are made from that.

import { parseArgs } from 'node:util';

import { didYouMean, nearestName } from '../config/index.js';
import { RveError } from '../errors/index.js';

export interface OptionSpec {
  readonly name: string;
  readonly short?: string;
  /** 'flag' takes no value. 'integer' and 'number' are checked against min and max. */
  readonly kind: 'flag' | 'text' | 'integer' | 'number';
  /** The value's name in help: `--from TIME`. */
  readonly value?: string;
  readonly help: string;
  readonly min?: number;
  readonly max?: number;
  /** Only these texts. */
  readonly values?: readonly string[];
  /** May be given more than once. */
  readonly many?: boolean;
  /** Shown in the one-line usage. */
  readonly inUsage?: boolean;
}

export interface CommandSpec {
  readonly name: string;
  readonly summary: string;
  /** Names of the positional arguments, in order; the last may end in '...'; '[X]' is optional. */
  readonly positionals: readonly string[];
  readonly options: readonly OptionSpec[];
  /** Paragraphs behind the option table of `rve help NAME`. */
  readonly notes?: readonly string[];
}

/** Every command takes these. */
export const COMMON_OPTIONS: readonly OptionSpec[] = [
  { name: 'json', kind: 'flag', help: 'Answer (and fail) with JSON on stdout.' },
  { name: 'help', short: 'h', kind: 'flag', help: 'Explain this command.' },
];

/** A command line that is wrong; carries the command, so that its usage can be shown. */
export class UsageError extends RveError {
  readonly command: CommandSpec | null;
  constructor(command: CommandSpec | null, message: string) {
    super('ERR_USAGE', message);
    this.command = command;
  }
}

/**
 * The checked arguments of one command. Asking for an option that is not in its spec is a bug, and
 * throws.
 */
export class Arguments {
  readonly spec: CommandSpec;
  readonly positionals: readonly string[];
  readonly #given: ReadonlyMap<string, readonly string[]>;

  constructor(
    spec: CommandSpec,
    positionals: readonly string[],
    given: ReadonlyMap<string, readonly string[]>,
  ) {
    this.spec = spec;
    this.positionals = positionals;
    this.#given = given;
  }

  /** The positional at `index`, which the spec says is there. */
  positional(index: number): string {
    const value = this.positionals[index];
    if (value === undefined)
      throw new RveError('ERR_INTERNAL', `${this.spec.name} has no argument ${index}`);
    return value;
  }

  flag(name: string): boolean {
    return this.#values(name).length > 0;
  }

  text(name: string): string | undefined {
    return this.#values(name).at(-1);
  }

  texts(name: string): readonly string[] {
    return this.#values(name);
  }

  number(name: string): number | undefined {
    const text = this.text(name);
    return text === undefined ? undefined : Number(text);
  }

  usage(message: string): UsageError {
    return new UsageError(this.spec, message);
  }

  #values(name: string): readonly string[] {
    if (!optionsOf(this.spec).some((option) => option.name === name)) {
      throw new RveError('ERR_INTERNAL', `${this.spec.name} does not declare --${name}`);
    }
    return this.#given.get(name) ?? [];
  }
}

export function optionsOf(spec: CommandSpec): readonly OptionSpec[] {
  return [...spec.options, ...COMMON_OPTIONS];
}

/** Parses what stands behind the command's name. @throws UsageError naming the nearest option. */
export function parseArguments(spec: CommandSpec, argv: readonly string[]): Arguments {
  const options = optionsOf(spec);
  const { tokens } = parseArgs({
    args: [...argv],
    options: Object.fromEntries(
      options.map((option) => [
        option.name,
        {
          type: option.kind === 'flag' ? ('boolean' as const) : ('string' as const),
          multiple: true,
          ...(option.short === undefined ? {} : { short: option.short }),
        },
      ]),
    ),
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const given = new Map<string, string[]>();
  const positionals: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value);
    if (token.kind !== 'option') continue;
    const option = options.find((one) => one.name === token.name);
    if (option === undefined) throw unknownOption(spec, token.rawName, options);
    const values = given.get(option.name) ?? [];
    if (values.length > 0 && option.many !== true && option.kind !== 'flag') {
      throw new UsageError(spec, `${spec.name}: ${token.rawName} is given twice.`);
    }
    values.push(checkValue(spec, option, token.value, token.inlineValue === true));
    given.set(option.name, values);
  }
  if (!given.has('help')) checkPositionals(spec, positionals);
  return new Arguments(spec, positionals, given);
}

/** `rve query STORE --vector V [options]` */
export function usageLine(spec: CommandSpec): string {
  const shown = spec.options
    .filter((option) => option.inUsage === true)
    .map((option) => (option.kind === 'flag' ? `[--${option.name}]` : `[${optionText(option)}]`));
  const more = spec.options.length > shown.length ? ['[OPTION...]'] : [];
  return ['rve', spec.name, ...spec.positionals, ...shown, ...more].join(' ');
}

/** The text of `rve help NAME`. */
export function commandHelp(spec: CommandSpec): string {
  const options = optionsOf(spec);
  const width = Math.max(...options.map((option) => optionText(option).length)) + 2;
  const lines = [`usage: ${usageLine(spec)}`, '', spec.summary, ''];
  for (const option of options) {
    const text = `  ${optionText(option)}`;
    lines.push(`${text.padEnd(width + 2)}${option.help}`);
  }
  for (const note of spec.notes ?? []) lines.push('', note);
  return `${lines.join('\n')}\n`;
}

function optionText(option: OptionSpec): string {
  const short = option.short === undefined ? '' : `-${option.short}, `;
  const name = option.name.length === 1 ? `-${option.name}` : `${short}--${option.name}`;
  return option.kind === 'flag' ? name : `${name} ${option.value ?? 'VALUE'}`;
}

function unknownOption(spec: CommandSpec, raw: string, options: readonly OptionSpec[]): UsageError {
  const near = nearestName(
    raw.replace(/^-+/, ''),
    options.map((option) => option.name),
  );
  const hint = near === null ? '' : ` Did you mean ${near.length === 1 ? '-' : '--'}${near}?`;
  return new UsageError(spec, `${spec.name}: unknown option ${raw}.${hint}`);
}

function checkValue(
  spec: CommandSpec,
  option: OptionSpec,
  value: string | undefined,
  inline: boolean,
): string {
  const name = option.name.length === 1 ? `-${option.name}` : `--${option.name}`;
  const refuse = (what: string): UsageError =>
    new UsageError(spec, `${spec.name}: ${name} ${what}`);
  if (option.kind === 'flag') {
    if (value !== undefined && inline) throw refuse('takes no value.');
    return '';
  }
  // "--ef --json" is a forgotten value; "--vector -1,2" is a negative number.
  if (value === undefined || (!inline && value.startsWith('--'))) {
    throw refuse(`needs a value (${option.value ?? 'VALUE'}).`);
  }
  if (option.values !== undefined && !option.values.includes(value)) {
    throw refuse(
      `must be ${option.values.join(', ')}, not "${value}".${didYouMean(value, option.values)}`,
    );
  }
  if (option.kind === 'text') return value;
  const number = /^-?\d+(\.\d+)?(e-?\d+)?$/i.test(value) ? Number(value) : NaN;
  const min = option.min ?? 0;
  const max = option.max ?? Number.MAX_SAFE_INTEGER;
  const whole = option.kind === 'integer';
  if (!(number >= min && number <= max) || (whole && !Number.isSafeInteger(number))) {
    throw refuse(`must be ${whole ? 'an integer' : 'a number'} ${min} to ${max}, not "${value}".`);
  }
  return value;
}

function checkPositionals(spec: CommandSpec, positionals: readonly string[]): void {
  const needed = spec.positionals.filter((name) => !name.startsWith('['));
  if (positionals.length < needed.length) {
    throw new UsageError(spec, `${spec.name}: ${needed[positionals.length] ?? ''} is missing.`);
  }
  const open = spec.positionals.at(-1)?.includes('...') === true;
  if (!open && positionals.length > spec.positionals.length) {
    throw new UsageError(
      spec,
      `${spec.name}: unexpected argument "${positionals[spec.positionals.length]}".`,
    );
  }
}
