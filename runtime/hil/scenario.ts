// A scenario file in TOML, read and checked once, here. What it may say: README.md beside this.

import { parse as parseToml, TomlError } from 'smol-toml';
import { z } from 'zod';

import { didYouMean } from '../config/index.js';
import { RveError } from '../errors/index.js';

/** A scenario is a page or two of text. */
export const SCENARIO_BYTES_MAX = 256 * 1024;
/** Steps written in the file, those inside a repeat included. */
const STEPS_MAX = 200;
/** Steps played, repeats counted out: 200 power cuts of five steps, ten times over. */
export const STEPS_PLAYED_MAX = 10_000;
/** No single wait is longer than an hour. */
const WAIT_S_MAX = 3600;

const seconds = z.number().min(0.01).max(WAIT_S_MAX);
const count = z.int().min(1).max(10_000_000);
const text = z.string().min(1).max(4096);
const name = z.string().regex(/^[a-z][a-z0-9_]{0,63}$/, 'must be 1 to 64 of a-z 0-9 _');
/** What a machine can do beyond a console and a power switch. */
const need = z.enum(['vm', 'bulk', 'disk', 'block_log']);

const pattern = text.refine(
  (source) => {
    try {
      return new RegExp(source, 'm') instanceof RegExp;
    } catch {
      return false;
    }
  },
  { error: 'must be a regular expression' },
);

const machine = z.strictObject({
  memory_mib: z.int().min(16).max(65_536).default(256),
  cpus: z.int().min(1).max(64).default(1),
  cpu: text.optional(),
  append: z.string().max(4096).default(''),
  clock: z
    .string()
    .regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$/, 'must be like 1970-01-01T00:00:00 (UTC)')
    .optional(),
  bulk: z.boolean().default(false),
  /** Words on the console that fail whatever step is in hand. */
  fatal: pattern.default('Kernel panic|Out of memory: Killed'),
  keep_system: z.boolean().default(false),
});

const disk = z.strictObject({
  mib: z.int().min(8).max(65_536).default(96),
  block_log: z.boolean().default(false),
  /** A file of this host that is the store on the fresh disk; '': none. */
  holds: z.string().max(4096).default(''),
  store: z.string().regex(/^\/[A-Za-z0-9._/-]{1,255}$/).default('/memory.rve'),
});

const broker = z.strictObject({
  host: z.string().max(255).default('127.0.0.1'),
  port: z.int().min(0).max(65_535).default(0),
  node: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/).default('edge'),
  source: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/).default('bearing'),
  dimensions: z.int().min(32).max(1024).default(128),
});

const within = { within_s: seconds.default(60) };
const titled = { title: text.optional() };

const start = z.strictObject({
  ...titled,
  do: z.literal('start'),
  append: z.string().max(4096).default(''),
  clock: machine.shape.clock,
  mark: name.optional(),
});
const expect = z
  .strictObject({
    ...titled,
    do: z.literal('expect'),
    text: text.optional(),
    pattern: pattern.optional(),
    not: pattern.optional(),
    figures: z.array(name).max(16).default([]),
    mark: name.optional(),
    ...within,
  })
  .refine((step) => (step.text === undefined) !== (step.pattern === undefined), {
    error: 'takes either text or pattern',
  });
const send = z.strictObject({ ...titled, do: z.literal('send'), text });
const load = z.strictObject({
  ...titled,
  do: z.literal('load'),
  /** 0: until load_stop or the end. */
  count: z.int().min(0).max(10_000_000).default(0),
  rate: z.number().min(0).max(1e6).default(0),
  in_flight: z.int().min(1).max(200).default(100),
  background: z.boolean().default(false),
  figure: name.optional(),
  ...within,
});
const loadStop = z.strictObject({ ...titled, do: z.literal('load_stop'), ...within });
const acknowledged = z.strictObject({
  ...titled,
  do: z.literal('acknowledged'),
  more: count,
  ...within,
});
const stalled = z.strictObject({
  ...titled,
  do: z.literal('stalled'),
  for_s: seconds.default(5),
  ...within,
});
const query = z.strictObject({
  ...titled,
  do: z.literal('query'),
  /** 0: every acknowledged record. */
  sample: z.int().min(0).max(1_000_000).default(50),
  score_min: z.number().min(-1).max(1).default(0.999),
  since: name.optional(),
  figure: name.optional(),
  ...within,
});
const ask = z.strictObject({
  ...titled,
  do: z.literal('ask'),
  times: count.default(1),
  k: z.int().min(1).max(1024).default(10),
  since: name.optional(),
  figure: name.optional(),
  ...within,
});
const powerCut = z.strictObject({
  ...titled,
  do: z.literal('power_cut'),
  /** The cut comes after so many further acknowledgements, drawn at random. */
  acks: z.tuple([z.int().min(0), z.int().min(0)]).default([0, 0]),
  /** And then after so many milliseconds, drawn at random. */
  wait_ms: z.tuple([z.int().min(0), z.int().min(0)]).default([0, 0]),
  ...within,
});
const ended = z.strictObject({ ...titled, do: z.literal('ended'), ...within });
const bulk = z.strictObject({
  ...titled,
  do: z.literal('bulk'),
  bytes: z.int().min(1).max(64 * 1024 * 1024),
  /** Sent on the console first: starts the program that reads, hashes and answers. */
  command: text.optional(),
  figure: name.optional(),
  ...within,
});
const image = z.strictObject({ ...titled, do: z.literal('image') });
const replay = z.strictObject({
  ...titled,
  do: z.literal('replay'),
  cuts: z.int().min(1).max(100_000).default(40),
  /** What the device drops at a cut: some writes since its last flush, or nothing. */
  drops: z.enum(['unflushed', 'nothing']).default('unflushed'),
  /** A negative control is right when records are lost. */
  outcome: z.enum(['kept', 'lost']).default('kept'),
});
const bound = z.strictObject({
  ...titled,
  do: z.literal('bound'),
  figure: name,
  max: z.number(),
});

const simpleStep = z.discriminatedUnion('do', [
  start,
  expect,
  send,
  load,
  loadStop,
  acknowledged,
  stalled,
  query,
  ask,
  powerCut,
  ended,
  bulk,
  image,
  replay,
  bound,
]);
const repeat = z.strictObject({
  ...titled,
  do: z.literal('repeat'),
  times: z.int().min(1).max(STEPS_PLAYED_MAX),
  step: z.array(simpleStep).min(1).max(STEPS_MAX),
});
const step = z.discriminatedUnion('do', [...simpleStep.options, repeat]);

const scenario = z.strictObject({
  name: z.string().regex(/^[a-z][a-z0-9-]{0,63}$/, 'must be 1 to 64 of a-z 0-9 -'),
  about: text,
  time_max_s: seconds.default(300),
  needs: z.array(need).default([]),
  vars: z.record(name, z.union([z.string(), z.number(), z.boolean()])).default({}),
  machine: machine.default(machine.parse({})),
  disk: disk.optional(),
  broker: broker.optional(),
  step: z.array(step).min(1).max(STEPS_MAX),
});

export type Scenario = z.infer<typeof scenario>;
export type Step = z.infer<typeof simpleStep>;
export type StepOf<Name extends Step['do']> = Extract<Step, { do: Name }>;
export type Need = z.infer<typeof need>;

/** Names that are filled in while the scenario runs, since nobody knows them before. */
const RUN_TIME_NAMES = ['broker_port', 'broker_url', 'seed', 'target', 'bytes'] as const;
const STEP_NAMES = [...simpleStep.options.map((option) => option.shape.do.value), 'repeat'];

/**
 * Reads a scenario. `settings` replace values of its [vars] (`--set cuts=200`); those that it lacks
 * are for another scenario of the same run.
 * @throws RveError ERR_CONFIG that names the file, the place, and what would do.
 */
export function parseScenario(
  source: string,
  where: string,
  settings: ReadonlyMap<string, string> = new Map(),
): Scenario {
  if (Buffer.byteLength(source) > SCENARIO_BYTES_MAX) {
    throw new RveError('ERR_CONFIG', `${where} is larger than ${SCENARIO_BYTES_MAX} bytes.`);
  }
  const table = parseTable(source, where);
  const vars = variablesOf(table, where, settings);
  const filled = fill(table, vars, where) as Record<string, unknown>;
  const checked = scenario.safeParse({ ...filled, vars: Object.fromEntries(vars) });
  if (!checked.success) throw refusal(checked.error, filled, where);
  checkTogether(checked.data, where);
  return checked.data;
}

/** The steps in the order in which they are played, repeats counted out. */
export function stepsOf(scenario: Scenario): { step: Step; title: string }[] {
  const steps: { step: Step; title: string }[] = [];
  for (const step of scenario.step) {
    if (step.do !== 'repeat') {
      steps.push({ step, title: titleOf(step) });
      continue;
    }
    for (let round = 1; round <= step.times; round++) {
      for (const inner of step.step) {
        steps.push({ step: inner, title: `${titleOf(inner)} (${round} of ${step.times})` });
      }
    }
  }
  return steps;
}

/** Puts the values of run time into a text; unknown names were refused when it was parsed. */
export function fillText(text: string, values: ReadonlyMap<string, string>): string {
  return text.replace(/\$\{([a-z0-9_]+)\}/g, (whole, key: string) => values.get(key) ?? whole);
}

function titleOf(step: Step): string {
  if (step.title !== undefined) return step.title;
  if (step.do === 'expect') return `expect ${step.text ?? step.pattern ?? ''}`;
  if (step.do === 'send') return `send ${step.text}`;
  return step.do.replaceAll('_', ' ');
}

function parseTable(source: string, where: string): Record<string, unknown> {
  try {
    return parseToml(source);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const what = error.message.split('\n')[0] ?? 'bad TOML';
    throw new RveError(
      'ERR_CONFIG',
      `${where}, line ${error.line}, column ${error.column}: ${what}. Correct the line.`,
    );
  }
}

type Value = string | number | boolean;

function variablesOf(
  table: Record<string, unknown>,
  where: string,
  settings: ReadonlyMap<string, string>,
): Map<string, Value> {
  const given = table['vars'] ?? {};
  const vars = new Map(Object.entries(given as Record<string, Value>));
  for (const [key, value] of settings) {
    const old = vars.get(key);
    if (old === undefined) continue;
    const number = typeof old === 'number' ? Number(value) : NaN;
    if (typeof old === 'number' && Number.isNaN(number)) {
      throw new RveError('ERR_CONFIG', `${where}: ${key} must be a number, not "${value}".`);
    }
    if (typeof old === 'boolean') vars.set(key, value === 'true');
    else vars.set(key, typeof old === 'number' ? number : value);
  }
  return vars;
}

/** "${cuts}" alone becomes the variable's value with its type; inside a text, its text. */
function fill(value: unknown, vars: ReadonlyMap<string, Value>, where: string): unknown {
  if (Array.isArray(value)) return value.map((one) => fill(one, vars, where));
  if (typeof value === 'object' && value !== null && !(value instanceof Date)) {
    return Object.fromEntries(
      Object.entries(value).map(([key, one]) => [key, fill(one, vars, where)]),
    );
  }
  if (typeof value !== 'string') return value;
  const whole = /^\$\{([a-z0-9_]+)\}$/.exec(value)?.[1];
  if (whole !== undefined && vars.has(whole)) return vars.get(whole);
  return value.replace(/\$\{([a-z0-9_]+)\}/g, (text, key: string) => {
    const known = vars.get(key);
    if (known !== undefined) return String(known);
    if ((RUN_TIME_NAMES as readonly string[]).includes(key)) return text;
    const hint = didYouMean(key, [...vars.keys(), ...RUN_TIME_NAMES]);
    throw new RveError('ERR_CONFIG', `${where}: nothing is called "${key}".${hint}`);
  });
}

function refusal(error: z.ZodError, table: Record<string, unknown>, where: string): RveError {
  const issue = error.issues[0];
  if (issue === undefined) return new RveError('ERR_CONFIG', `${where} is no scenario.`);
  const place = issue.path
    .map((part) => (typeof part === 'number' ? `[${part + 1}]` : `.${String(part)}`))
    .join('')
    .replace(/^\./, '');
  const at = place === '' ? where : `${where}: ${place}`;
  if (issue.code === 'unrecognized_keys') {
    return new RveError('ERR_CONFIG', `${at}: unknown key "${issue.keys[0] ?? ''}".`);
  }
  if (issue.code === 'invalid_union') {
    const given = issue.path.reduce<unknown>(
      (inner, part) => (inner as Record<PropertyKey, unknown> | undefined)?.[part],
      table,
    );
    const hint = typeof given === 'string' ? didYouMean(given, STEP_NAMES) : '';
    return new RveError('ERR_CONFIG', `${at} must be one of ${STEP_NAMES.join(', ')}.${hint}`);
  }
  return new RveError('ERR_CONFIG', `${at}: ${issue.message}.`);
}

/** Parts that are each fine, and wrong together. */
function checkTogether(scenario: Scenario, where: string): void {
  const refuse = (what: string): never => {
    throw new RveError('ERR_CONFIG', `${where}: ${what}`);
  };
  const steps = scenario.step.flatMap((one) => (one.do === 'repeat' ? one.step : [one]));
  if (steps.length > STEPS_MAX) refuse(`more than ${STEPS_MAX} steps.`);
  if (stepsOf(scenario).length > STEPS_PLAYED_MAX) {
    refuse(`repeats make more than ${STEPS_PLAYED_MAX} steps.`);
  }
  const uses = (...names: Step['do'][]): Step['do'] | undefined =>
    names.find((one) => steps.some((step) => step.do === one));
  const talk = uses(
    ...['load', 'load_stop', 'acknowledged', 'stalled', 'query', 'ask', 'replay', 'image'] as const,
  );
  if (talk !== undefined && scenario.broker === undefined) {
    refuse(`step ${talk} needs a section [broker].`);
  }
  const image = uses('image', 'replay');
  if (image !== undefined && scenario.disk === undefined) {
    refuse(`step ${image} needs a section [disk].`);
  }
  if (uses('replay') !== undefined && scenario.disk?.block_log !== true) {
    refuse('step replay needs block_log = true in [disk].');
  }
  if (uses('bulk') !== undefined && !scenario.machine.bulk && !scenario.needs.includes('bulk')) {
    refuse('step bulk needs bulk = true in [machine].');
  }
  for (const step of steps) {
    if (step.do !== 'power_cut') continue;
    if (step.acks[0] > step.acks[1] || step.wait_ms[0] > step.wait_ms[1]) {
      refuse('step power_cut: acks and wait_ms are [least, most].');
    }
  }
}
