import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';

import { CONFIG_BYTES_MAX, defaultConfig, parseConfig, type Config } from '../../config/index.js';
import { RveError } from '../../errors/index.js';
import type { Arguments } from '../args.js';
import { runDaemon } from '../serve/daemon.js';
import type { Command } from './spec.js';

const SIMULATIONS = ['bearing'] as const;
/** Simulations of the design that come with later versions. */
const LATER_SIMULATIONS = ['robot', 'twin'];

export const serveCommand: Command = {
  spec: {
    name: 'serve',
    summary: 'Runs the memory behind MQTT until Ctrl-C: broker, status line, novelty events.',
    positionals: [],
    options: [
      {
        name: 'config',
        kind: 'text',
        value: 'FILE',
        inUsage: true,
        help: 'Configuration; see: rve help config.',
      },
      {
        name: 'sim',
        kind: 'text',
        value: 'NAME',
        inUsage: true,
        help: 'A simulated machine that publishes: bearing.',
      },
      {
        name: 'store',
        kind: 'text',
        value: 'PATH',
        help: 'The memory (--sim bearing: data/bearing.rve).',
      },
      {
        name: 'port',
        kind: 'integer',
        value: 'N',
        min: 0,
        max: 65_535,
        help: 'Of the broker on loopback (1883; 0: any free one).',
      },
      { name: 'node', kind: 'text', value: 'NAME', help: 'Second level of every topic (edge).' },
    ],
    notes: [
      'Beside a running daemon, rve stats, query, get, forget and check ask it through STORE.sock.',
    ],
  },
  async run(context, args) {
    const config = await configOf(args);
    return runDaemon(context, { config, json: args.flag('json') });
  },
};

/** The file's configuration, with what the command line says on top. */
export async function configOf(args: Arguments): Promise<Config> {
  const file = args.text('config');
  const sim = args.text('sim');
  if (file === undefined && sim === undefined)
    throw args.usage('serve: give --config FILE or --sim bearing.');
  const config = file === undefined ? defaultConfig() : await readConfig(file);
  if (sim !== undefined) applySim(args, config, sim);
  const store = args.text('store');
  if (store !== undefined) config.memory.path = store;
  const port = args.number('port');
  if (port !== undefined) {
    if (config.mqtt.url !== '')
      throw args.usage('serve: --port is for the embedded broker, and [mqtt] url names another.');
    config.mqtt.port = port;
    config.given.add('mqtt.port');
  }
  const node = args.text('node');
  if (node !== undefined) {
    if (!/^[A-Za-z0-9_-]{1,64}$/.test(node))
      throw args.usage('serve: --node must be 1 to 64 of A-Z a-z 0-9 _ -.');
    config.node = node;
  }
  return config;
}

function applySim(args: Arguments, config: Config, sim: string): void {
  if (LATER_SIMULATIONS.includes(sim)) {
    throw new RveError(
      'ERR_NOT_AVAILABLE',
      `--sim ${sim} is not in this version. Use --sim bearing.`,
    );
  }
  if (!(SIMULATIONS as readonly string[]).includes(sim)) {
    throw args.usage(`serve: no simulation "${sim}". Known: ${SIMULATIONS.join(', ')}.`);
  }
  config.sim.kind = 'bearing';
  if (!config.given.has('memory.path')) config.memory.path = join('data', 'bearing.rve');
}

async function readConfig(file: string): Promise<Config> {
  const { size } = await stat(file);
  if (size > CONFIG_BYTES_MAX)
    throw new RveError('ERR_CONFIG', `${file} is larger than ${CONFIG_BYTES_MAX} bytes.`);
  return parseConfig(await readFile(file, 'utf8'), file);
}
