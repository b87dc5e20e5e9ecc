import { basename, join } from 'node:path';
import { VibrationEmbedder } from '../../../sensors/index.js';
import { RveError } from '../../errors/index.js';
import { bootOf, datasetError, isFolder, readBytes } from './files.js';
import { parseNpy } from './npy.js';
import { REPLAY_START_MS, type Replay, type ReplayRecord } from './record.js';

/** Options of the CWRU reader. */
export interface CwruOptions {
  /** Motor load in hp of the recording, when the path is a folder: 0 or 1. Default 0. */
  readonly load?: number;
  /** Numbers in an embedding, 32..1024. Default 128. */
  readonly dimensions?: number;
  /** Samples of a window, a power of two from 64 to 65,536; no overlap. Default 1024. */
  readonly windowSamples?: number;
  /** Time of the first window, whole ms since 1970. Default REPLAY_START_MS. */
  readonly startMs?: number;
}

/** The recordings named `12k` are sampled at this rate (CWRU Bearing Data Center). */
const SAMPLE_RATE_HZ = 12_000;
const ROWS_MAX = 1000;
const CSV_BYTES_MAX = 1024 * 1024;
const COLUMNS =
  'row,class,fault_part,fault_diameter_mil,load_hp,rpm,sensor,source_path,source_offset';

interface Recording {
  readonly name: string;
  readonly loadHp: number;
  readonly rpm: number;
  readonly faultPart: string;
  readonly faultDiameterMil: number;
}

/**
 * CWRU bearing windows as messages. `path` is the folder of `cwru_de12k_load<load>.npy` or one
 * such file; the .csv of the same name stands beside it. Each row of the matrix is a machine of
 * its own (source `cwru-load0-IR_7`), and all run at once: window w of every row is sent at time
 * w, so the records of all classes are mixed from the start. The label is the class.
 * ERR_DATASET when a file is missing or not of this form; ERR_OPTION for a wrong option.
 */
export async function openCwru(path: string, options: CwruOptions = {}): Promise<Replay> {
  const { load = 0, windowSamples = 1024, dimensions = 128, startMs = REPLAY_START_MS } = options;
  if (load !== 0 && load !== 1) throw new RveError('ERR_OPTION', `load is ${load}: give 0 or 1`);
  const matrixPath = (await isFolder(path)) ? join(path, `cwru_de12k_load${load}.npy`) : path;
  if (!matrixPath.endsWith('.npy')) throw datasetError('Not a .npy file', matrixPath);
  const embedder = makeEmbedder(windowSamples, dimensions);
  const csvPath = matrixPath.replace(/\.npy$/, '.csv');
  const [matrixBytes, csvBytes] = [
    await readBytes(matrixPath),
    await readBytes(csvPath, CSV_BYTES_MAX),
  ];
  const { shape, data } = parseNpy(matrixBytes, matrixPath);
  const recordings = parseRecordings(csvBytes.toString('utf8'), csvPath);
  const [rows, samples] = shape;
  if (shape.length !== 2 || rows !== recordings.length || samples === undefined) {
    throw datasetError(
      `Shape (${shape.join(', ')}) is not that of ${recordings.length} recordings`,
      basename(matrixPath),
    );
  }
  const windows = Math.floor(samples / windowSamples);
  const boot = bootOf('cwru 1', `${windowSamples} ${dimensions}`, matrixBytes, csvBytes);
  const sources = recordings.map((r) => `cwru-load${r.loadHp}-${r.name}`);

  function* records(): Generator<ReplayRecord> {
    for (let w = 0; w < windows; w += 1) {
      for (const [row, recording] of recordings.entries()) {
        const start = row * samples! + w * windowSamples;
        const window = data.subarray(start, start + windowSamples);
        const vector = embed(embedder, window, matrixPath, row);
        yield {
          source: sources[row]!,
          vector,
          timeMs: startMs + Math.round((w * windowSamples * 1000) / SAMPLE_RATE_HZ),
          sequence: w,
          boot,
          label: recording.name,
          payload: { row, window: w, ...recording },
        };
      }
    }
  }
  return {
    count: windows * recordings.length,
    dimensions,
    sources,
    async *[Symbol.asyncIterator]() {
      yield* records();
    },
  };
}

function makeEmbedder(windowSamples: number, dimensions: number): VibrationEmbedder {
  try {
    return new VibrationEmbedder({ sampleRateHz: SAMPLE_RATE_HZ, windowSamples, dimensions });
  } catch (error) {
    if (error instanceof RangeError) throw new RveError('ERR_OPTION', error.message);
    throw error;
  }
}

function embed(
  embedder: VibrationEmbedder,
  window: Float32Array,
  path: string,
  row: number,
): Float32Array {
  try {
    return embedder.embed(window);
  } catch (error) {
    if (error instanceof RangeError) throw datasetError(`Row ${row}: ${error.message}`, path);
    throw error;
  }
}

/** The file's own header is required word for word: another table would be read wrongly. */
function parseRecordings(text: string, path: string): Recording[] {
  const [header, ...lines] = text.replace(/\n$/, '').split('\n');
  if (header !== COLUMNS) throw datasetError(`The header is not "${COLUMNS}"`, path);
  if (lines.length < 1 || lines.length > ROWS_MAX) {
    throw datasetError(`${lines.length} rows: 1 to ${ROWS_MAX} are read`, path);
  }
  const names = new Set<string>();
  return lines.map((line, row) => {
    const fields = line.split(',');
    const [index, name, faultPart, diameter, load, rpm] = fields;
    const numbers = [index, diameter, load, rpm].map((field) => Number(field || Number.NaN));
    if (fields.length !== 9 || numbers.some((n) => !Number.isFinite(n)) || numbers[0] !== row) {
      throw datasetError(`Line ${row + 2} is not a recording: "${line.slice(0, 80)}"`, path);
    }
    if (!/^[\w@.-]{1,64}$/.test(name!) || names.has(name!)) {
      throw datasetError(`Line ${row + 2}: class "${name!.slice(0, 80)}" is odd or twice`, path);
    }
    names.add(name!);
    return {
      name: name!,
      faultPart: faultPart!,
      faultDiameterMil: numbers[1]!,
      loadHp: numbers[2]!,
      rpm: numbers[3]!,
    };
  });
}
