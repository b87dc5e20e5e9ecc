import { basename, dirname, join } from 'node:path';
import { RveError } from '../../errors/index.js';
import { fitScale, windowVector, VECTOR_NUMBERS, type Scale } from './cmapss_vector.js';
import { bootOf, datasetError, isFolder, readText } from './files.js';
import { REPLAY_START_MS, type Replay, type ReplayRecord } from './record.js';

/** Options of the C-MAPSS reader. */
export interface CmapssOptions {
  /** Which of the sets, when the path is a folder. Default FD001. */
  readonly subset?: string;
  /** `train` engines run to failure, `test` engines are cut off before. Default train. */
  readonly split?: 'train' | 'test';
  /** Numbers in an embedding, 121..1024; beyond 121 they are 0. Default 128. */
  readonly dimensions?: number;
  /** Cycles of a window, 10..1000. Default 30. */
  readonly windowCycles?: number;
  /** Cycles from one window to the next, 1..1000. Default 1. */
  readonly hopCycles?: number;
  /** Time of cycle 0, whole ms since 1970. Default REPLAY_START_MS. */
  readonly startMs?: number;
  /** Time of one cycle (a flight), whole ms, 1..86,400,000. Default one hour. */
  readonly cycleMs?: number;
}

/** Engine, cycle, 3 settings, 21 sensors. */
export const CMAPSS_COLUMNS = 26;

/** The largest file of the four sets has 61,249 lines. */
const LINES_MAX = 1_000_000;
const TEXT_BYTES_MAX = 64 * 1024 * 1024;

/** One engine: its rows of 24 numbers (settings and sensors), cycle 1 first. */
export interface Engine {
  readonly id: number;
  readonly rows: readonly Float64Array[];
}

interface Plan {
  readonly engines: readonly Engine[];
  readonly scale: Scale;
  readonly names: readonly string[];
  /** Remaining cycles after the last row of each engine; null where no truth is at hand. */
  readonly left: ReadonlyArray<number | null>;
  readonly boot: number;
}

/**
 * C-MAPSS turbofans (Saxena and Goebel 2008) as messages. `path` is a folder that holds
 * `train_FD001.txt[.gz]` and its kin, or one such file. Each engine is a source
 * (`cmapss-FD001-train-7`); all start together, and windows are sent in order of cycle. There is
 * no label; the payload is `{ engine, cycle, rul }`: the window's last cycle and the cycles then
 * left, null for a test engine without its RUL file. Scaling is always fitted to the train file
 * of the subset, so that train and test vectors lie in one space; a lone test file without its
 * train file is refused. ERR_DATASET for a missing or odd file, ERR_OPTION for a wrong option.
 */
export async function openCmapss(path: string, options: CmapssOptions = {}): Promise<Replay> {
  const settings = checked(options);
  const { subset, split, folder, file } = await locate(path, options);
  const trainFile = split === 'train' ? file : await existing(folder, `train_${subset}.txt`);
  const trainText = await readText(trainFile, TEXT_BYTES_MAX);
  const text = split === 'train' ? trainText : await readText(file, TEXT_BYTES_MAX);
  const train = parseEngines(trainText, trainFile);
  const engines = split === 'train' ? train : parseEngines(text, file);
  const rulFile = split === 'train' ? null : await existing(folder, `RUL_${subset}.txt`, true);
  const rulText = rulFile === null ? '' : await readText(rulFile, TEXT_BYTES_MAX);
  return makeReplay(settings, {
    engines,
    scale: fitScale(train),
    names: engines.map((engine) => `cmapss-${subset}-${split}-${engine.id}`),
    left: leftOf(split, engines, rulFile, rulText),
    boot: bootOf(
      'cmapss 1',
      `${settings.windowCycles} ${settings.hopCycles} ${settings.dimensions}`,
      trainText,
      text,
    ),
  });
}

type Settings = Required<Omit<CmapssOptions, 'subset' | 'split'>>;

function checked(options: CmapssOptions): Settings {
  const settings = {
    dimensions: options.dimensions ?? 128,
    windowCycles: options.windowCycles ?? 30,
    hopCycles: options.hopCycles ?? 1,
    startMs: options.startMs ?? REPLAY_START_MS,
    cycleMs: options.cycleMs ?? 3_600_000,
  };
  const ranges: ReadonlyArray<readonly [keyof Settings, number, number]> = [
    ['dimensions', VECTOR_NUMBERS, 1024],
    ['windowCycles', 10, 1000],
    ['hopCycles', 1, 1000],
    ['startMs', 0, 8.64e15],
    ['cycleMs', 1, 86_400_000],
  ];
  for (const [key, low, high] of ranges) {
    const value = settings[key];
    if (!Number.isInteger(value) || value < low || value > high) {
      throw new RveError('ERR_OPTION', `${key} is ${value}: give ${low} to ${high}`);
    }
  }
  return settings;
}

function makeReplay(settings: Settings, plan: Plan): Replay {
  const { windowCycles, hopCycles } = settings;
  const counts = plan.engines.map((engine) =>
    Math.max(0, Math.floor((engine.rows.length - windowCycles) / hopCycles) + 1),
  );
  const windowsMax = Math.max(...counts);

  function* records(): Generator<ReplayRecord> {
    for (let w = 0; w < windowsMax; w += 1) {
      for (const [e, engine] of plan.engines.entries()) {
        if (w >= counts[e]!) continue;
        const start = w * hopCycles;
        const cycle = start + windowCycles;
        const left = plan.left[e] ?? null;
        yield {
          source: plan.names[e]!,
          vector: windowVector(
            engine.rows.slice(start, cycle),
            plan.scale,
            settings.dimensions,
          ),
          timeMs: settings.startMs + cycle * settings.cycleMs,
          sequence: w,
          boot: plan.boot,
          payload: {
            engine: engine.id,
            cycle,
            rul: left === null ? null : left + engine.rows.length - cycle,
          },
        };
      }
    }
  }
  return {
    count: counts.reduce((a, b) => a + b, 0),
    dimensions: settings.dimensions,
    sources: plan.names.filter((_, e) => counts[e]! > 0),
    async *[Symbol.asyncIterator]() {
      yield* records();
    },
  };
}

interface Location {
  readonly subset: string;
  readonly split: 'train' | 'test';
  readonly folder: string;
  readonly file: string;
}

async function locate(path: string, options: CmapssOptions): Promise<Location> {
  if (await isFolder(path)) {
    const { subset = 'FD001', split = 'train' } = options;
    if (!/^FD00[1-4]$/.test(subset)) {
      throw new RveError('ERR_OPTION', `subset is ${subset}: give FD001, FD002, FD003 or FD004`);
    }
    if (split !== 'train' && split !== 'test') {
      throw new RveError('ERR_OPTION', `split is ${String(split)}: give train or test`);
    }
    const file = await existing(path, `${split}_${subset}.txt`);
    return { subset, split, folder: path, file };
  }
  const match = /^(train|test)_(FD00[1-4])\.txt(\.gz)?$/.exec(basename(path));
  if (match === null) {
    throw datasetError('The name is not train_ or test_FD001 to 4.txt or .txt.gz', path);
  }
  const [, split, subset] = match;
  const found = { subset: subset!, split: split as 'train' | 'test' };
  for (const key of ['subset', 'split'] as const) {
    if (options[key] !== undefined && options[key] !== found[key]) {
      throw new RveError('ERR_OPTION', `${key} is ${options[key]}, but the file is ${found[key]}`);
    }
  }
  return { ...found, folder: dirname(path), file: path };
}

/** `folder/name` or `folder/name.gz`, whichever is there; null when neither is and it may. */
function existing(folder: string, name: string): Promise<string>;
function existing(folder: string, name: string, optional: true): Promise<string | null>;
async function existing(folder: string, name: string, optional = false): Promise<string | null> {
  for (const candidate of [`${name}.gz`, name]) {
    const path = join(folder, candidate);
    const there = await isFolder(path).then(
      (folderFound) => !folderFound,
      () => false,
    );
    if (there) return path;
  }
  if (optional) return null;
  throw datasetError(`There is no ${name} or ${name}.gz`, folder);
}

/** Rows must be sorted by engine, and each engine's cycles run 1, 2, 3, ...: so NASA wrote them. */
function parseEngines(text: string, path: string): Engine[] {
  const lines = text.replace(/\n$/, '').split('\n');
  if (lines.length > LINES_MAX) {
    throw datasetError(`${lines.length} lines, above the limit of ${LINES_MAX}`, path);
  }
  const engines: { id: number; rows: Float64Array[] }[] = [];
  for (const [index, line] of lines.entries()) {
    const fields = line.trim().split(/\s+/).map(Number);
    if (fields.length !== CMAPSS_COLUMNS || !fields.every(Number.isFinite)) {
      throw datasetError(`Line ${index + 1} is not ${CMAPSS_COLUMNS} numbers`, path);
    }
    const [id, cycle] = fields as [number, number];
    let engine = engines.at(-1);
    if (engine === undefined || engine.id !== id) {
      if (!Number.isInteger(id) || id <= (engine?.id ?? 0)) {
        throw datasetError(`Line ${index + 1}: engine ${id} does not follow the last`, path);
      }
      engine = { id, rows: [] };
      engines.push(engine);
    }
    if (cycle !== engine.rows.length + 1) {
      throw datasetError(`Line ${index + 1}: cycle ${cycle} does not follow the last`, path);
    }
    engine.rows.push(Float64Array.from(fields.slice(2)));
  }
  return engines;
}

function leftOf(
  split: 'train' | 'test',
  engines: readonly Engine[],
  rulFile: string | null,
  rulText: string,
): Array<number | null> {
  if (split === 'train') return engines.map(() => 0);
  if (rulFile === null) return engines.map(() => null);
  const left = rulText.replace(/\n$/, '').split('\n').map((line) => Number(line.trim() || 'NaN'));
  if (left.length !== engines.length || !left.every((n) => Number.isInteger(n) && n >= 0)) {
    throw datasetError(`Not one count of cycles for each of ${engines.length} engines`, rulFile);
  }
  return left;
}
