import { FORGET_IDS_MAX } from '../ops.js';
import { withReach } from '../reach.js';
import { count, EXIT, print, printJson } from '../report.js';
import { idOf, type Command } from './spec.js';

export const forgetCommand: Command = {
  spec: {
    name: 'forget',
    summary: 'Deletes records by id, or all of a source. Durable when it returns.',
    positionals: ['STORE', '[ID...]'],
    options: [
      {
        name: 'source',
        kind: 'text',
        value: 'NAME',
        inUsage: true,
        help: 'Every record of this source.',
      },
    ],
    notes: [
      'Deletion is logical until compaction rewrites the segment; flash may keep older copies.',
    ],
  },
  async run(context, args) {
    const ids = args.positionals.slice(1).map((text) => idOf(args, text));
    const source = args.text('source');
    if ((ids.length === 0) === (source === undefined)) {
      throw args.usage('forget: give either ids or --source.');
    }
    const gone = await withReach(context, args.positional(0), false, async (reach) => {
      if (source !== undefined)
        return ((await reach.ask('forget', { source })) as { count: number }).count;
      let sum = 0;
      for (let at = 0; at < ids.length; at += FORGET_IDS_MAX) {
        const answer = await reach.ask('forget', { ids: ids.slice(at, at + FORGET_IDS_MAX) });
        sum += (answer as { count: number }).count;
      }
      return sum;
    });
    if (args.flag('json')) await printJson(context.stdout, { count: gone });
    else await print(context.stdout, `${count(gone)} forgotten\n`);
    return EXIT.fine;
  },
};
