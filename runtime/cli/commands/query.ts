import { readFile, stat } from 'node:fs/promises';

import type { Arguments } from '../args.js';
import type { CliContext } from '../context.js';
import type { QueryAnswer } from '../ops.js';
import { withReach } from '../reach.js';
import { EXIT, print, printJson, table } from '../report.js';
import { FILTER_OPTIONS, filterOf, idOf, type Command } from './spec.js';

/** 4,096 numbers of 25 characters; more is not a vector. */
const VECTOR_BYTES_MAX = 256 * 1024;

export const queryCommand: Command = {
  spec: {
    name: 'query',
    summary: 'Finds the nearest records. Works beside a running daemon.',
    positionals: ['STORE'],
    options: [
      {
        name: 'vector',
        kind: 'text',
        value: 'V',
        inUsage: true,
        help: 'Numbers "1,2,3", or @FILE, or - for stdin.',
      },
      {
        name: 'like',
        kind: 'text',
        value: 'ID',
        help: 'The vector of a stored record, in place of --vector.',
      },
      {
        name: 'k',
        short: 'k',
        kind: 'integer',
        value: 'N',
        min: 1,
        max: 1024,
        inUsage: true,
        help: 'Results (10).',
      },
      {
        name: 'ef',
        kind: 'integer',
        value: 'N',
        min: 1,
        max: 4096,
        help: 'Candidates: recall against latency.',
      },
      {
        name: 'recall',
        kind: 'number',
        value: 'R',
        min: 0.5,
        max: 0.999,
        help: 'In place of --ef: the share of the true nearest to be found, as measured.',
      },
      ...FILTER_OPTIONS,
    ],
    notes: [
      'Scores are similarities for cosine and ip (larger is nearer), squared distances for l2.',
    ],
  },
  async run(context, args) {
    const params: Record<string, unknown> = {
      ...(await vectorOf(context, args)),
      about: !args.flag('json'),
    };
    if (params['about'] === false) delete params['about'];
    if (args.text('ef') !== undefined && args.text('recall') !== undefined)
      throw args.usage('query: give either --ef or --recall.');
    for (const name of ['k', 'ef', 'recall'] as const) {
      const value = args.number(name);
      if (value !== undefined) params[name] = value;
    }
    const filter = filterOf(args);
    if (filter !== undefined) params['filter'] = filter;
    const answer = (await withReach(context, args.positional(0), true, (reach) =>
      reach.ask('query', params),
    )) as QueryAnswer;
    if (args.flag('json')) await printJson(context.stdout, answer);
    else await print(context.stdout, asTable(answer));
    return EXIT.fine;
  },
};

function asTable(answer: QueryAnswer): string {
  const rows = answer.ids.map((id, index) => {
    const about = answer.about?.[index];
    return [
      id,
      (answer.scores[index] ?? NaN).toPrecision(6),
      about ? new Date(about.time).toISOString() : '-',
      about?.source ?? '-',
      about?.label ?? '-',
    ];
  });
  const tail =
    `${answer.ids.length} ${answer.ids.length === 1 ? 'result' : 'results'} ` +
    `in ${(answer.latencyUs / 1000).toFixed(3)} ms` +
    `${answer.degraded ? '; part of the memory is damaged and was left out: run rve check' : ''}\n`;
  return table(['id', 'score', 'time', 'source', 'label'], rows) + tail;
}

async function vectorOf(context: CliContext, args: Arguments): Promise<Record<string, unknown>> {
  const vector = args.text('vector');
  const like = args.text('like');
  if ((vector === undefined) === (like === undefined)) {
    throw args.usage('query: give either --vector or --like.');
  }
  if (like !== undefined) return { like: idOf(args, like) };
  return { vector: parseVector(args, await vectorText(context, args, vector ?? '')) };
}

async function vectorText(context: CliContext, args: Arguments, given: string): Promise<string> {
  if (given.startsWith('@')) {
    const path = given.slice(1);
    const { size } = await stat(path);
    if (size > VECTOR_BYTES_MAX) throw args.usage(`query: ${path} is too large for one vector.`);
    return readFile(path, 'utf8');
  }
  if (given !== '-') return given;
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of context.stdin) {
    size += part.length;
    if (size > VECTOR_BYTES_MAX) throw args.usage('query: stdin is too large for one vector.');
    parts.push(part.slice());
  }
  return Buffer.concat(parts).toString('utf8');
}

/** Numbers parted by commas or blanks, with or without brackets: what people and JSON write. */
export function parseVector(args: Arguments, text: string): number[] {
  const words = text
    .trim()
    .replace(/^\[/, '')
    .replace(/\]$/, '')
    .split(/[\s,]+/)
    .filter((word) => word !== '');
  const values = words.map(Number);
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (values.length === 0) throw args.usage('query: the vector is empty.');
  if (bad !== -1)
    throw args.usage(`query: number ${bad} of the vector is "${words[bad]?.slice(0, 40)}".`);
  return values;
}
