import { GET_IDS_MAX, type RecordAnswer } from '../ops.js';
import { withReach } from '../reach.js';
import { EXIT, print, printJson } from '../report.js';
import { idOf, type Command } from './spec.js';

const NUMBERS_SHOWN = 4;

export const getCommand: Command = {
  spec: {
    name: 'get',
    summary: 'Prints records by id. Works beside a running daemon. Exit 1 when one is not there.',
    positionals: ['STORE', 'ID...'],
    options: [],
  },
  async run(context, args) {
    const ids = args.positionals.slice(1).map((text) => idOf(args, text));
    const records = await withReach(context, args.positional(0), true, async (reach) => {
      const all: (RecordAnswer | null)[] = [];
      for (let at = 0; at < ids.length; at += GET_IDS_MAX) {
        const answer = await reach.ask('get', { ids: ids.slice(at, at + GET_IDS_MAX) });
        all.push(...(answer as { records: (RecordAnswer | null)[] }).records);
      }
      return all;
    });
    if (args.flag('json')) {
      await printJson(context.stdout, { records });
    } else {
      for (const record of records)
        if (record !== null) await print(context.stdout, asText(record));
    }
    const missing = ids.filter((_, index) => (records[index] ?? null) === null);
    if (missing.length > 0)
      await print(context.stderr, `rve: no record has id ${missing.join(', ')}.\n`);
    return missing.length > 0 ? EXIT.failed : EXIT.fine;
  },
};

function asText(record: RecordAnswer): string {
  const { vector, payload, payload64, payload_cbor: cbor } = record;
  const shown = vector
    .slice(0, NUMBERS_SHOWN)
    .map((value) => value.toPrecision(6))
    .join(', ');
  const more = vector.length > NUMBERS_SHOWN ? `, … (${vector.length} numbers)` : '';
  const lines = [
    `id       ${record.id}`,
    `time     ${new Date(record.time).toISOString()}`,
    `source   ${record.source ?? '-'}`,
    `label    ${record.label ?? '-'}`,
    `tier     ${record.tier}`,
    `vector   ${shown}${more}`,
  ];
  if (payload !== null && payload !== undefined) lines.push(`payload  ${JSON.stringify(payload)}`);
  if (payload64 !== undefined) lines.push(`payload  base64 ${String(payload64)}`);
  if (cbor !== undefined) lines.push(`payload  CBOR, base64 ${String(cbor)}`);
  return `${lines.join('\n')}\n\n`;
}
