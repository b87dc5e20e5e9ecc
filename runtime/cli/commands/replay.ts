import { RveError } from '../../errors/index.js';
import { openReplay, REPLAY_NAMES, type Replay } from '../../ingest/replay/index.js';
import type { Arguments } from '../args.js';
import type { CliContext } from '../context.js';
import { Progress } from '../progress.js';
import { Publisher } from '../publisher.js';
import { count, EXIT, print, printJson } from '../report.js';
import type { Command } from './spec.js';

export const replayCommand: Command = {
  spec: {
    name: 'replay',
    summary: 'Publishes a real data set over MQTT at QoS 1. A second run stores nothing twice.',
    positionals: ['DATASET', 'PATH'],
    options: [
      {
        name: 'to',
        kind: 'text',
        value: 'URL',
        inUsage: true,
        help: 'Broker: mqtt://host[:port]. Needed.',
      },
      {
        name: 'node',
        kind: 'text',
        value: 'NAME',
        help: 'Node in the topic rve/<node>/ingest/<source> (edge).',
      },
      {
        name: 'rate',
        kind: 'number',
        value: 'N',
        min: 0.01,
        max: 1e6,
        inUsage: true,
        help: 'Records a second (as fast as acknowledged).',
      },
      { name: 'limit', kind: 'integer', value: 'N', min: 1, help: 'Stop after N records.' },
      {
        name: 'load',
        kind: 'integer',
        value: 'HP',
        min: 0,
        max: 3,
        help: 'cwru: motor load, 0 or 1 (0).',
      },
      { name: 'subset', kind: 'text', value: 'NAME', help: 'cmapss: FD001 or FD003 (FD001).' },
      {
        name: 'split',
        kind: 'text',
        value: 'NAME',
        values: ['train', 'test'],
        help: 'cmapss: train or test (train).',
      },
      {
        name: 'dims',
        kind: 'integer',
        value: 'N',
        min: 1,
        max: 4096,
        help: 'Numbers in each embedding.',
      },
    ],
  },
  async run(context, args) {
    const to = args.text('to');
    if (to === undefined) throw args.usage('replay: --to mqtt://host[:port] is missing.');
    if (!/^mqtts?:\/\/[^\s]+$/.test(to))
      throw args.usage(`replay: --to must be an mqtt:// or mqtts:// URL, not "${to}".`);
    const replay = await openSet(args);
    const node = args.text('node') ?? 'edge';
    const publisher = await Publisher.connect({ url: to, node });
    let done = false;
    try {
      await send(context, args, replay, publisher);
      await publisher.drain();
      done = true;
    } finally {
      await publisher.close(!done);
    }
    const { sent, acknowledged } = publisher;
    if (args.flag('json')) await printJson(context.stdout, { sent, acknowledged });
    else await print(context.stdout, `${count(sent)} sent, ${count(acknowledged)} acknowledged\n`);
    return acknowledged === sent ? EXIT.fine : EXIT.failed;
  },
};

async function openSet(args: Arguments): Promise<Replay> {
  const name = args.positional(0);
  const path = args.positional(1);
  const dims = args.number('dims');
  const common = dims === undefined ? {} : { dimensions: dims };
  const refuse = (option: string): void => {
    if (args.text(option) !== undefined)
      throw args.usage(`replay: --${option} is not for ${name}.`);
  };
  if (name === 'cwru') {
    for (const option of ['subset', 'split']) refuse(option);
    const load = args.number('load');
    return openReplay('cwru', path, { ...common, ...(load === undefined ? {} : { load }) });
  }
  if (name === 'cmapss') {
    refuse('load');
    const [subset, split] = [args.text('subset'), args.text('split')];
    return openReplay('cmapss', path, {
      ...common,
      ...(subset === undefined ? {} : { subset }),
      ...(split === undefined ? {} : { split }),
    } as Parameters<typeof openReplay<'cmapss'>>[2]);
  }
  throw args.usage(`replay: no data set "${name}". Known: ${REPLAY_NAMES.join(', ')}.`);
}

async function send(
  context: CliContext,
  args: Arguments,
  replay: Replay,
  publisher: Publisher,
): Promise<void> {
  const limit = Math.min(args.number('limit') ?? Infinity, replay.count);
  const rate = args.number('rate');
  const progress = new Progress({
    output: context.stderr,
    monotonic: context.monotonic,
    unit: `of ${count(limit)} records`,
  });
  let isStopped = false;
  let stop: () => void = () => undefined;
  const stopped = new Promise<void>((resolve) => {
    stop = resolve;
  });
  const ignore = context.onStop(() => {
    isStopped = true;
    stop();
  });
  const startedAt = context.monotonic();
  try {
    for await (const record of replay) {
      if (isStopped || publisher.sent >= limit) break;
      const due = rate === undefined ? 0 : startedAt + (publisher.sent * 1000) / rate;
      const early = due - context.monotonic();
      if (early > 0) await Promise.race([context.sleep(early), stopped]);
      // A broker that has gone must not hold up Ctrl-C.
      await Promise.race([publisher.publish(record), stopped]);
      progress.update(publisher.sent);
    }
  } finally {
    progress.finish();
    ignore();
  }
  if (isStopped) {
    const what = `stopped after ${publisher.sent} records.`;
    throw new RveError('ERR_ABORTED', `${what} Run it again: known ones are not stored twice.`);
  }
}
