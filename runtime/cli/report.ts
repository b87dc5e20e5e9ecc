// How the command line ends: exit codes, and one way to say what failed.

import { adviceOf, RveError } from '../errors/index.js';
import { UsageError, usageLine } from './args.js';
import type { CliContext, Output } from './context.js';

/** 0 fine, 1 failed, 2 usage, 3 store damaged (DESIGN.md section 5). */
export const EXIT = { fine: 0, failed: 1, usage: 2, damaged: 3 } as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

const DAMAGED: ReadonlySet<string> = new Set(['ERR_CORRUPT', 'ERR_TRUNCATED']);
const USAGE: ReadonlySet<string> = new Set(['ERR_USAGE', 'ERR_CONFIG']);

export function exitCodeOf(error: unknown): ExitCode {
  if (!(error instanceof RveError)) return EXIT.failed;
  if (DAMAGED.has(error.code)) return EXIT.damaged;
  return USAGE.has(error.code) ? EXIT.usage : EXIT.failed;
}

/**
 * One line for people on stderr and, with --json, one object on stdout in place of the answer: a
 * program that asked for JSON always finds exactly one object there.
 */
export async function reportError(
  context: CliContext,
  error: unknown,
  json: boolean,
): Promise<ExitCode> {
  const { code, message } = describe(error);
  if (json) await print(context.stdout, `${JSON.stringify({ error: { code, message } })}\n`);
  const usage =
    error instanceof UsageError && error.command !== null
      ? `usage: ${usageLine(error.command)}\n`
      : '';
  await print(
    context.stderr,
    `rve: ${usage === '' ? withAdvice(code, message) : message}\n${usage}`,
  );
  return exitCodeOf(error);
}

/** Where the advice of status.def speaks to a program that calls the door. */
const ADVICE: ReadonlyMap<RveError['code'], string> = new Map([
  ['ERR_NOT_FOUND', 'check the path'],
]);

/** A message of one sentence says only what and where: the advice of status.def says what next. */
function withAdvice(code: RveError['code'], message: string): string {
  if (/Try: |[.?!] [A-Z]/.test(message)) return message;
  return `${message.replace(/\.$/, '')}. Try: ${ADVICE.get(code) ?? adviceOf(code)}`;
}

/**
 * `code` and a message without stack or line breaks. An error that is no RveError is ours:
 * ERR_INTERNAL.
 */
export function describe(error: unknown): { code: RveError['code']; message: string } {
  const flat = (text: string): string => text.replace(/\s*\n\s*/g, ' ');
  if (error instanceof RveError) return { code: error.code, message: flat(error.message) };
  if (isSystemError(error)) {
    return { code: systemCode(error.code), message: flat(systemSentence(error)) };
  }
  return {
    code: 'ERR_INTERNAL',
    message: flat(error instanceof Error ? error.message : String(error)),
  };
}

/**
 * Writes, and waits while the reader is slower. Resolves too when the reader has gone: onStop hears
 * of it.
 */
export async function print(output: Output, text: string): Promise<void> {
  if (output.destroyed === true || output.write(text)) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      for (const event of ['drain', 'error', 'close'] as const) output.removeListener(event, done);
      resolve();
    };
    for (const event of ['drain', 'error', 'close'] as const) output.once(event, done);
  });
}

export async function printJson(output: Output, value: unknown): Promise<void> {
  await print(output, `${JSON.stringify(value)}\n`);
}

/** Rows under their heads, columns parted by two blanks; numbers, and `rightward`, to the right. */
export function table(
  heads: readonly string[],
  rows: readonly (readonly (string | number)[])[],
  rightward: ReadonlySet<number> = new Set(),
): string {
  const cells = rows.map((row) => row.map(String));
  const widths = heads.map((head, column) =>
    Math.max(head.length, ...cells.map((row) => row[column]?.length ?? 0)),
  );
  const right = heads.map(
    (_, column) =>
      rightward.has(column) || rows.every((row) => typeof row[column] === 'number'),
  );
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return right[column] === true ? cell.padStart(width) : cell.padEnd(width);
      })
      .join('  ')
      .trimEnd();
  return `${[line(heads), ...cells.map(line)].join('\n')}\n`;
}

/** 1,234,567 */
export function count(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: 0 });
}

/** At most four characters: 999, 1.2k, 66k, 1.2M, 123M; of bytes with a step of 1,024. */
export function short(value: number, step: 1000 | 1024 = 1000): string {
  const units = ['', 'k', 'M', 'G', 'T'];
  let scaled = Math.round(value);
  let unit = 0;
  // 999.5 would be printed with four digits.
  while (scaled >= 999.5 && unit < units.length - 1) {
    scaled /= step;
    unit++;
  }
  return `${scaled.toFixed(unit === 0 || scaled >= 9.95 ? 0 : 1)}${units[unit]}`;
}

/** 12.3 MiB */
export function bytes(value: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let scaled = value;
  let unit = 0;
  while (scaled >= 1024 && unit < units.length - 1) {
    scaled /= 1024;
    unit++;
  }
  return `${unit === 0 ? scaled : scaled.toFixed(1)} ${units[unit]}`;
}

function isSystemError(error: unknown): error is Error & { code: string } {
  return error instanceof Error && typeof (error as { code?: unknown }).code === 'string';
}

/** "ENOENT: no such file, stat '/x'" as "Cannot stat /x: no such file". */
function systemSentence({ message }: Error): string {
  const parts = /^[A-Z0-9]+: (.+), (\w+) '(.+)'$/.exec(message);
  return parts === null ? message : `Cannot ${parts[2]} ${parts[3]}: ${parts[1]}`;
}

/** The product's code for what the operating system said of a file named by the user. */
function systemCode(code: string): RveError['code'] {
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return 'ERR_NOT_FOUND';
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return 'ERR_PERMISSION';
    case 'EISDIR':
    case 'ELOOP':
      return 'ERR_NOT_REGULAR';
    case 'ENOSPC':
    case 'EDQUOT':
      return 'ERR_NO_SPACE';
    default:
      return 'ERR_IO';
  }
}
