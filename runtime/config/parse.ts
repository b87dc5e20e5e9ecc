// rve.toml in, a checked Config out. Everything is checked here, once; the rest of the program
// trusts it.

import { parse as parseToml, TomlError } from 'smol-toml';
import { z } from 'zod';

import { RveError } from '../errors/index.js';
import { formOf } from './help.js';
import { didYouMean } from './nearest.js';
import {
  LATER_KEYS,
  LATER_SECTIONS,
  LATER_VALUES,
  NODE_KEY,
  SECTION_NAMES,
  SECTIONS,
  type KeySpec,
  type SectionName,
} from './table.js';
import type { Config, MemoryConfig } from './types.js';

/** A configuration is a page of text; larger is a mistake, and is refused before it is parsed. */
export const CONFIG_BYTES_MAX = 256 * 1024;

/**
 * Parses and checks TOML. Keys left out take their defaults.
 * @param where The file's name, for messages.
 * @throws RveError ERR_CONFIG (unknown key with the nearest name, bad value, bad TOML),
 *   ERR_NOT_AVAILABLE (a key, section or value of a later version).
 */
export function parseConfig(text: string, where: string): Config {
  if (Buffer.byteLength(text) > CONFIG_BYTES_MAX) {
    throw new RveError('ERR_CONFIG', `${where} is larger than ${CONFIG_BYTES_MAX} bytes.`);
  }
  const config = defaultConfig();
  for (const [name, value] of Object.entries(parseTable(text, where))) {
    if (name === NODE_KEY.key) {
      config.node = checkValue(NODE_KEY, value, `${where}: node`) as string;
    } else if ((SECTION_NAMES as string[]).includes(name)) {
      readSection(config, name as SectionName, value, where);
    } else {
      throw unknownName(name, where);
    }
  }
  checkTogether(config, where);
  return config;
}

/** What an empty file means. */
export function defaultConfig(): Config {
  const config: Record<string, unknown> = { node: NODE_KEY.default, given: new Set<string>() };
  for (const name of SECTION_NAMES) {
    const fields = Object.entries(SECTIONS[name] as Record<string, KeySpec>);
    config[name] = Object.fromEntries(fields.map(([field, spec]) => [field, spec.default]));
  }
  return config as unknown as Config;
}

function parseTable(text: string, where: string): Record<string, unknown> {
  try {
    return parseToml(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const what = error.message.split('\n')[0] ?? 'bad TOML';
    throw new RveError(
      'ERR_CONFIG',
      `${where}, line ${error.line}, column ${error.column}: ${what}`,
    );
  }
}

function readSection(config: Config, name: SectionName, value: unknown, where: string): void {
  if (!isTable(value))
    throw new RveError('ERR_CONFIG', `${where}: "${name}" must be a section, [${name}].`);
  const fields = Object.entries(SECTIONS[name] as Record<string, KeySpec>);
  const section = config[name] as unknown as Record<string, unknown>;
  for (const [key, given] of Object.entries(value)) {
    const entry = fields.find(([, spec]) => spec.key === key);
    if (entry === undefined) {
      throw unknownKey(
        key,
        `${where}: [${name}]`,
        fields.map(([, spec]) => spec.key),
      );
    }
    section[entry[0]] = checkValue(entry[1], given, `${where}: [${name}] ${key}`);
    config.given.add(`${name}.${key}`);
  }
}

function unknownName(name: string, where: string): RveError {
  const later = LATER_SECTIONS.get(name);
  if (later !== undefined) {
    return new RveError(
      'ERR_NOT_AVAILABLE',
      `${where}: [${name}] belongs to ${later}, not in this version.`,
    );
  }
  const home = SECTION_NAMES.find((section) =>
    Object.values(SECTIONS[section] as Record<string, KeySpec>).some((spec) => spec.key === name),
  );
  if (home !== undefined) {
    return new RveError('ERR_CONFIG', `${where}: "${name}" belongs into the section [${home}].`);
  }
  return unknownKey(name, where, [NODE_KEY.key, ...SECTION_NAMES]);
}

function unknownKey(key: string, where: string, known: readonly string[]): RveError {
  const later = LATER_KEYS.get(key);
  if (later !== undefined) {
    return new RveError(
      'ERR_NOT_AVAILABLE',
      `${where}: "${key}" belongs to ${later}, not in this version. Leave it out.`,
    );
  }
  return new RveError('ERR_CONFIG', `${where}: unknown key "${key}".${didYouMean(key, known)}`);
}

function checkValue(spec: KeySpec, value: unknown, where: string): unknown {
  const checked = schemaOf(spec).safeParse(value);
  if (checked.success) return checked.data;
  if (typeof value === 'string' && LATER_VALUES.get(spec.key)?.includes(value) === true) {
    throw new RveError('ERR_NOT_AVAILABLE', `${where} = "${value}" is not in this version.`);
  }
  throw new RveError('ERR_CONFIG', `${where} must be ${formOf(spec)}, not ${shown(value)}.`);
}

function schemaOf(spec: KeySpec): z.ZodType {
  switch (spec.type) {
    case 'string':
      return spec.pattern === undefined ? z.string() : z.string().regex(spec.pattern);
    case 'choice':
      return z.enum(spec.values);
    case 'integer':
      return z.int().min(spec.min).max(spec.max);
    case 'number': {
      const range = z.number().min(spec.min).max(spec.max);
      return spec.orZero === true ? z.union([z.literal(0), range]) : range;
    }
    case 'boolean':
      return z.boolean();
  }
}

/** Keys that are each fine, and wrong together. */
function checkTogether(config: Config, where: string): void {
  checkThresholds(config.memory, where);
  const { mqtt } = config;
  const refuse = (what: string): never => {
    throw new RveError('ERR_CONFIG', `${where}: [mqtt] ${what}`);
  };
  if ((mqtt.tlsCertFile === '') !== (mqtt.tlsKeyFile === '')) {
    refuse('tls_cert_file and tls_key_file go together.');
  }
  if (mqtt.url === '' && (mqtt.username !== '' || mqtt.passwordFile !== '')) {
    refuse('username and password_file are for url; users_file is for the embedded broker.');
  }
  if (mqtt.url !== '' && mqtt.usersFile !== '') {
    refuse('users_file is for the embedded broker, and url names another.');
  }
  if (mqtt.passwordFile !== '' && mqtt.username === '') refuse('password_file needs username.');
}

function checkThresholds(memory: MemoryConfig, where: string): void {
  const fields = ['hotThreshold', 'warmThreshold', 'coolThreshold', 'coldThreshold'] as const;
  fields.forEach((field, index) => {
    const above = fields[index - 1];
    if (above === undefined || memory[field] < memory[above]) return;
    const say = (one: (typeof fields)[number]): string =>
      `${SECTIONS.memory[one].key} (${memory[one]})`;
    throw new RveError(
      'ERR_CONFIG',
      `${where}: [memory] ${say(field)} must be below ${say(above)}.`,
    );
  });
}

function isTable(value: unknown): value is Record<string, unknown> {
  return (
    typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date)
  );
}

function shown(value: unknown): string {
  if (typeof value === 'string')
    return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  return Array.isArray(value) ? 'an array' : 'a table or date';
}
