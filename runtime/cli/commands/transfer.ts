// insert, import and export: records as lines.

import { RveError } from '../../errors/index.js';
import type { Filter, OpenOptions } from '../../memory/index.js';
import type { Arguments, OptionSpec } from '../args.js';
import type { CliContext, Store } from '../context.js';
import {
  Batcher,
  formatRecordLine,
  parseRecordLine,
  readLines,
  untilStopped,
  type Line,
} from '../lines/index.js';
import { Progress } from '../progress.js';
import { isMissingStore, PASSING } from '../reach.js';
import { count, describe, EXIT, print, printJson, type ExitCode } from '../report.js';
import { FILTER_OPTIONS, filterOf, type Command } from './spec.js';

const CREATE_OPTIONS: readonly OptionSpec[] = [
  {
    name: 'dims',
    kind: 'integer',
    value: 'N',
    min: 1,
    max: 4096,
    inUsage: true,
    help: 'Create the store with this length of vector.',
  },
  {
    name: 'metric',
    kind: 'text',
    value: 'M',
    values: ['cosine', 'l2', 'ip'],
    inUsage: true,
    help: 'Of a new store: cosine (default), l2 or ip.',
  },
  {
    name: 'profile',
    kind: 'text',
    value: 'P',
    values: ['edge', 'balanced', 'precise'],
    help: 'What may be compressed meanwhile: precise (default) is nothing below f16.',
  },
  {
    name: 'continue-on-error',
    kind: 'flag',
    help: 'Report bad lines and go on; without it the first one ends the run.',
  },
];

type Profile = NonNullable<OpenOptions['profile']>;

/** Version of the export's first line. */
const EXPORT_VERSION = 1;
/** Bad lines printed one by one; the rest are counted. */
const ERRORS_SHOWN_MAX = 100;

export const insertCommand: Command = {
  spec: {
    name: 'insert',
    summary: 'Stores records from stdin, one JSON object a line. Durable when it returns.',
    positionals: ['STORE'],
    options: CREATE_OPTIONS,
    notes: [
      'Keys: v (numbers) or vectors (rows), dims, id|ids, t|times (ms since 1970),\n' +
        'label|labels, payload|payloads, source; seq and boot with source: the key of\n' +
        'dedupe; v32 (base64 of f32) in place of v.',
      'Every good line above a bad one is stored; with --continue-on-error, below it, too.',
    ],
  },
  run: (context, args) => load(context, args, false),
};

export const importCommand: Command = {
  spec: {
    name: 'import',
    summary: 'Stores what export wrote, from stdin. Creates the store when the file says how.',
    positionals: ['STORE'],
    options: CREATE_OPTIONS,
    notes: [
      'A record with an id that exists is replaced, so that an import may be run again.',
      'What is stored begins hot, and is compressed as it cools: anew, if it came from a code.',
    ],
  },
  run: (context, args) => load(context, args, true),
};

export const exportCommand: Command = {
  spec: {
    name: 'export',
    summary: 'Writes every record to stdout, one JSON object a line, by ascending id.',
    positionals: ['STORE'],
    options: FILTER_OPTIONS,
    notes: [
      'The first line says dimensions and metric. A vector is v32: base64 of its f32\n' +
        'little-endian, so that every bit returns. Marks of dedupe are not exported.',
      'It gives what is stored: of a vector below the tier hot, what its code says.',
    ],
  },
  async run(context, args) {
    const store = await context.stores.open(args.positional(0), { readOnly: true });
    try {
      return await writeAll(context, store, filterOf(args) as Filter | undefined);
    } finally {
      await store.close();
    }
  },
};

/** Characters gathered before a write: one write a record would be a system call a record. */
const WRITE_CHARS = 64 * 1024;

async function writeAll(
  context: CliContext,
  store: Store,
  filter: Filter | undefined,
): Promise<ExitCode> {
  const { dimensions, metric, live } = store.stats();
  const progress = new Progress({
    output: context.stderr,
    monotonic: context.monotonic,
    unit: `of ${count(live)} records`,
  });
  let gone = false;
  const ignore = context.onStop(() => {
    gone = true;
  });
  let text = `${JSON.stringify({ rve_export: EXPORT_VERSION, dims: dimensions, metric })}\n`;
  let done = 0;
  for await (const record of store.scan(filter === undefined ? {} : { filter })) {
    text += `${formatRecordLine(record)}\n`;
    done++;
    if (text.length >= WRITE_CHARS) {
      await print(context.stdout, text);
      text = '';
      if (gone) break;
    }
    progress.update(done);
  }
  await print(context.stdout, text);
  progress.finish();
  ignore();
  return gone ? EXIT.failed : EXIT.fine;
}

async function load(context: CliContext, args: Arguments, isImport: boolean): Promise<ExitCode> {
  if (context.stdinIsTTY)
    await print(context.stderr, 'rve: reading lines from the terminal; Ctrl-D ends.\n');
  const loader = new Loader(context, args, isImport);
  try {
    await loader.run();
  } catch (error) {
    throw loader.stored === 0 ? error : withStored(error, loader.stored);
  } finally {
    await loader.close();
  }
  return loader.report();
}

/** What stopped the store, and how far it was by then. */
function withStored(cause: unknown, stored: number): RveError {
  const { code, message } = describe(cause);
  return new RveError(code, `after ${count(stored)} records were stored: ${message}`, { cause });
}

/** One run of insert or import. */
class Loader {
  readonly #context: CliContext;
  readonly #args: Arguments;
  readonly #isImport: boolean;
  readonly #progress: Progress;
  #store: Store | null = null;
  #batcher: Batcher | null = null;
  #shape = { dimensions: 0, metric: 'cosine' };
  #bad = 0;
  #firstError: { code: string; message: string } | null = null;
  #stoppedAt: number | null = null;

  constructor(context: CliContext, args: Arguments, isImport: boolean) {
    this.#context = context;
    this.#args = args;
    this.#isImport = isImport;
    this.#progress = new Progress({
      output: context.stderr,
      monotonic: context.monotonic,
      unit: 'records',
      ...(context.stdinBytes === null ? {} : { bytesTotal: context.stdinBytes }),
    });
  }

  async run(): Promise<void> {
    // insert opens at once, so that a wrong path fails before it waits for input.
    if (!this.#isImport) await this.#open(null);
    let stop: () => void = () => undefined;
    const stopped = new Promise<void>((resolve) => {
      stop = resolve;
    });
    let lastLine = 0;
    const ignore = this.#context.onStop(() => {
      this.#stoppedAt = lastLine;
      stop();
    });
    for await (const line of readLines(untilStopped(this.#context.stdin, stopped))) {
      if (this.#stoppedAt !== null || !(await this.#take(line))) break;
      lastLine = line.number;
      this.#progress.update(this.stored, line.bytesRead);
    }
    ignore();
    if (this.#store === null && this.#bad === 0) await this.#open(null);
    await this.#batcher?.finish();
  }

  get stored(): number {
    return this.#batcher?.stored ?? 0;
  }

  async close(): Promise<void> {
    this.#progress.finish();
    await this.#store?.close();
  }

  async report(): Promise<ExitCode> {
    const bad = this.#bad;
    const stored = this.stored;
    const duplicates = this.#batcher?.duplicates ?? 0;
    if (this.#stoppedAt !== null) {
      await print(this.#context.stderr, `rve: stopped behind line ${this.#stoppedAt}.\n`);
      this.#firstError ??= {
        code: 'ERR_ABORTED',
        message: `line ${this.#stoppedAt} was the last.`,
      };
    }
    if (this.#args.flag('json')) {
      const error = this.#firstError === null ? {} : { error: this.#firstError };
      await printJson(this.#context.stdout, { stored, duplicates, bad, ...error });
    } else {
      const known = duplicates > 0 ? `, ${count(duplicates)} known already` : '';
      const refused = bad > 0 ? `, ${count(bad)} bad line${bad === 1 ? '' : 's'}` : '';
      await print(this.#context.stdout, `${count(stored)} stored${known}${refused}\n`);
    }
    return this.#firstError === null ? EXIT.fine : EXIT.failed;
  }

  /** False: the run ends here. */
  async #take(line: Line): Promise<boolean> {
    try {
      if (line.text === null) throw new RveError('ERR_BODY', `${line.problem}.`);
      if (this.#store === null && (await this.#takeHeader(line.text))) return true;
      if (this.#store === null) await this.#open(null);
      const rows = parseRecordLine(line.text, this.#shape);
      await this.#batcher?.add(line.number, rows);
      return true;
    } catch (error) {
      if (!(error instanceof RveError) || !isAboutLine(error) || this.#batcher === null)
        throw error;
      await this.#refuse(line.number, error);
      return this.#args.flag('continue-on-error');
    }
  }

  /** The first line of an export. */
  async #takeHeader(text: string): Promise<boolean> {
    if (!text.startsWith('{"rve_export"')) return false;
    const header = parseJson(text);
    if (header['rve_export'] !== EXPORT_VERSION) {
      throw new RveError(
        'ERR_VERSION',
        'this export was written by a newer version. Update ruvector-edge.',
      );
    }
    const { dims, metric } = header;
    if (typeof dims !== 'number' || (metric !== 'cosine' && metric !== 'l2' && metric !== 'ip')) {
      throw new RveError('ERR_BODY', 'line 1 is not the first line of an export.');
    }
    await this.#open({ dimensions: dims, metric });
    return true;
  }

  async #open(header: OpenOptions | null): Promise<void> {
    const path = this.#args.positional(0);
    const profile = this.#args.text('profile');
    const options: OpenOptions = {
      ...header,
      ...(profile === undefined ? PASSING : { profile: profile as Profile }),
    };
    const dims = this.#args.number('dims');
    const metric = this.#args.text('metric');
    if (dims !== undefined) options.dimensions = dims;
    if (metric !== undefined) options.metric = metric as 'cosine' | 'l2' | 'ip';
    const store = await this.#context.stores.open(path, options).catch((error: unknown) => {
      if (options.dimensions !== undefined || !isMissingStore(error)) throw error;
      throw new RveError(
        'ERR_NOT_FOUND',
        `there is no store at ${path}. Give --dims N to create it.`,
      );
    });
    this.#store = store;
    const { dimensions, metric: stored } = store.stats();
    this.#shape = { dimensions, metric: stored };
    this.#batcher = new Batcher({
      store,
      now: () => this.#context.clock.now(),
      onRefused: (line, error) => void this.#refuse(line, error),
    });
  }

  async #refuse(line: number, error: RveError): Promise<void> {
    const problem = `line ${line}: ${error.message}`;
    this.#bad++;
    this.#firstError ??= { code: error.code, message: problem };
    if (this.#bad > ERRORS_SHOWN_MAX) return;
    const more = this.#bad === ERRORS_SHOWN_MAX ? ' Further bad lines are only counted.' : '';
    this.#progress.finish();
    await print(this.#context.stderr, `rve: ${problem} (${error.code})${more}\n`);
  }
}

function parseJson(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    throw new RveError('ERR_BODY', 'line 1 is not the first line of an export.');
  }
}

const LINE_CODES: ReadonlySet<string> = new Set([
  'ERR_BODY',
  'ERR_BODY_LIMIT',
  'ERR_DIMENSIONS',
  'ERR_VECTOR',
  'ERR_ID_RANGE',
  'ERR_ID_DUPLICATE',
  'ERR_ARGUMENT',
  'ERR_NAME',
]);

function isAboutLine(error: RveError): boolean {
  return LINE_CODES.has(error.code);
}
