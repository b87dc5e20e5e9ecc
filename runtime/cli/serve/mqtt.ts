// The MQTT section of the configuration, turned into what runtime/ingest/mqtt takes.

import { readFile, stat } from 'node:fs/promises';

import type { Logger } from 'pino';

import type { Config, MqttConfig } from '../../config/index.js';
import { RveError } from '../../errors/index.js';
import {
  startMqtt,
  type MqttIngest,
  type MqttOptions,
  type StoredEvent,
} from '../../ingest/mqtt/index.js';
import type { CliContext, Store } from '../context.js';

/** Certificates and passwords are small; anything larger is the wrong file. */
const SECRET_BYTES_MAX = 64 * 1024;

export interface BrokerOptions {
  readonly memory: Store;
  readonly config: Config;
  readonly context: Pick<CliContext, 'clock' | 'after' | 'random32'>;
  readonly log: Logger;
  readonly onStored: (event: StoredEvent) => void;
  /** The memory takes no more. */
  readonly onFailed: (code: string) => void;
}

export interface Broker {
  readonly mqtt: MqttIngest;
  /** Where sensors publish. */
  readonly url: string;
  /** The free port taken in place of the default one; null when the wanted one was free. */
  readonly instead: number | null;
}

/**
 * Starts the embedded broker, or joins the one at `url`. The default port gives way to a free one
 * when it is taken; one that the user named does not.
 * @throws RveError ERR_MQTT, ERR_CONFIG
 */
export async function startBroker(options: BrokerOptions): Promise<Broker> {
  const { config } = options;
  if (config.mqtt.url !== '') {
    const mqtt = await startMqtt({ ...common(options), client: await clientOf(config.mqtt) });
    return { mqtt, url: config.mqtt.url, instead: null };
  }
  const broker = await brokerOf(config);
  const scheme = broker.tls === undefined ? 'mqtt' : 'mqtts';
  const start = async (port: number): Promise<MqttIngest> =>
    startMqtt({ ...common(options), broker: { ...broker, port } });
  const url = (mqtt: MqttIngest): string =>
    `${scheme}://${hostInUrl(config.mqtt.host)}:${mqtt.port}`;
  try {
    const mqtt = await start(config.mqtt.port);
    return { mqtt, url: url(mqtt), instead: null };
  } catch (error) {
    if (config.given.has('mqtt.port') || !isPortTaken(error)) throw error;
  }
  const mqtt = await start(0);
  return { mqtt, url: url(mqtt), instead: mqtt.port };
}

function common(options: BrokerOptions): Omit<MqttOptions, 'broker' | 'client'> {
  const { memory, config, context, log, onStored, onFailed } = options;
  const { packetBytesMax, connectionsMax, receiveMax, sourceRateMax } = config.mqtt;
  return {
    memory,
    dimensions: memory.stats().dimensions,
    node: config.node,
    log,
    onStored,
    onFailed,
    clock: context.clock,
    timers: { after: context.after },
    random: () => context.random32() / 2 ** 32,
    limits: { packetBytesMax, connectionsMax, receiveMax, sourceRowsPerSecond: sourceRateMax },
  };
}

async function brokerOf({ mqtt, given }: Config): Promise<NonNullable<MqttOptions['broker']>> {
  const { host, port, unsafePlain, allowAnonymous, tlsCertFile, tlsKeyFile, tlsCaFile, usersFile } =
    mqtt;
  return {
    host,
    port,
    unsafePlain,
    // Without the key the broker decides: nobody nameless once there are users.
    ...(given.has('mqtt.allow_anonymous') ? { allowAnonymous } : {}),
    ...(usersFile === '' ? {} : { users: await readUsers(usersFile) }),
    ...(tlsCertFile === ''
      ? {}
      : {
          tls: {
            cert: await readSmall(tlsCertFile),
            key: await readSecret(tlsKeyFile),
            ...(tlsCaFile === '' ? {} : { ca: await readSmall(tlsCaFile) }),
          },
        }),
  };
}

async function clientOf(mqtt: MqttConfig): Promise<NonNullable<MqttOptions['client']>> {
  const {
    url,
    protocolVersion,
    clientId,
    username,
    passwordFile,
    tlsCaFile,
    tlsCertFile,
    tlsKeyFile,
  } = mqtt;
  const tls = {
    ...(tlsCaFile === '' ? {} : { ca: await readSmall(tlsCaFile) }),
    ...(tlsCertFile === ''
      ? {}
      : { cert: await readSmall(tlsCertFile), key: await readSecret(tlsKeyFile) }),
  };
  return {
    url,
    protocolVersion,
    ...(clientId === '' ? {} : { clientId }),
    ...(username === '' ? {} : { username }),
    ...(passwordFile === ''
      ? {}
      : { password: (await readSecret(passwordFile)).split('\n')[0] ?? '' }),
    ...(Object.keys(tls).length === 0 ? {} : { tls }),
  };
}

/** Lines `name:password`; blank ones and those that begin with # are passed over. */
async function readUsers(path: string): Promise<Map<string, string>> {
  const users = new Map<string, string>();
  for (const [index, line] of (await readSecret(path)).split('\n').entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const colon = line.indexOf(':');
    const name = line.slice(0, colon);
    if (colon < 1 || users.has(name)) {
      throw new RveError(
        'ERR_CONFIG',
        `${path}, line ${index + 1}: not name:password, or a name twice.`,
      );
    }
    users.set(name, line.slice(colon + 1).replace(/\r$/, ''));
  }
  if (users.size === 0) throw new RveError('ERR_CONFIG', `${path} names no user.`);
  return users;
}

/** A file that nobody but its owner may read. */
async function readSecret(path: string): Promise<string> {
  const { mode } = await stat(path);
  if ((mode & 0o077) !== 0) {
    throw new RveError(
      'ERR_CONFIG',
      `${path} holds a secret and may be read by others. Run: chmod 600 ${path}`,
    );
  }
  return readSmall(path);
}

async function readSmall(path: string): Promise<string> {
  const { size } = await stat(path);
  if (size > SECRET_BYTES_MAX)
    throw new RveError('ERR_CONFIG', `${path} is larger than ${SECRET_BYTES_MAX} bytes.`);
  return readFile(path, 'utf8');
}

function hostInUrl(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

function isPortTaken(error: unknown): boolean {
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
    if (
      (cause as NodeJS.ErrnoException).code === 'EADDRINUSE' ||
      cause.message.includes('EADDRINUSE')
    )
      return true;
  }
  return false;
}
