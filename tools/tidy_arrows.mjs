// The import arrows of DESIGN.md section 3, as a table and a check. Pure: text in, findings out.
//
// A room may import from rooms of a lower rank only. Two rooms of one rank do not know each other.
// Across rooms TypeScript imports an index.ts (or the file named after its folder); C++ imports headers.
import { posix } from 'node:path';

// `include` is the C++ door: declarations that rest on base alone, so that every room above base may
// share their types. Its own includes are checked like any other's.
const NATIVE_RANK = {
  base: 0,
  include: 1,
  kernels: 2,
  storage: 2,
  codecs: 3,
  graph: 3,
  learn: 4,
  engine: 5,
  binding: 6,
  cli: 6,
  test: 7,
  fuzz: 7,
};

// `config` throws RveError and quotes limits: hence one step above them.
const RUNTIME_RANK = {
  errors: 0,
  limits: 0,
  'packed.ts': 0,
  config: 1,
  'native.ts': 2,
  memory: 3,
  query: 4,
  ingest: 4,
  detect: 4,
  eval: 4,
  hil: 5,
  http: 6,
  cli: 6,
  'index.ts': 7,
  'main.ts': 7,
};

const FIRST_LAYER = new Set(['sensors', 'sim', 'firmware-bridge', 'native']);
const THIRD_LAYER = new Set(['targets', 'bench', 'tools']);

function nativeRoom(path) {
  const [top, room] = path.split('/');
  return top === 'native' ? room : undefined;
}

function nativeArrow(from, target) {
  const inner = target.startsWith('rve/') ? 'include' : target.split('/')[0];
  const fromRoom = nativeRoom(from);
  if (/\.(cpp|cc|c)$/.test(target)) return 'a source is not a header';
  if (!(inner in NATIVE_RANK)) return undefined;
  const ofTest =
    fromRoom === 'test' || fromRoom === 'fuzz' || /(_test\.cpp|\/test_kit\.hpp)$/.test(from);
  if (!ofTest && target.endsWith('/test_kit.hpp')) return 'only tests may use a test_kit.hpp';
  if (inner === 'test') return ofTest ? undefined : 'only tests may use native/test';
  if (fromRoom === inner) return undefined;
  if (!(fromRoom in NATIVE_RANK)) return `native/${fromRoom} is no room of DESIGN.md`;
  if (NATIVE_RANK[fromRoom] > NATIVE_RANK[inner]) return undefined;
  return `${fromRoom} may not know ${inner}`;
}

/** Broken arrows of one C or C++ file: [{ path, line, text }]. */
export function checkNative(path, source) {
  const findings = [];
  for (const [index, line] of source.split('\n').entries()) {
    const match = /^\s*#\s*include\s+"([^"]+)"/.exec(line);
    if (match === null) continue;
    const reason = nativeArrow(path, match[1]);
    if (reason === undefined) continue;
    findings.push({ path, line: index + 1, text: `${match[1]}: ${reason}` });
  }
  return findings;
}

function runtimeRoom(path) {
  return path.split('/')[1];
}

function isDoor(path) {
  const parts = path.split('/');
  const file = parts.at(-1);
  // A file directly in runtime/ (native.ts, index.ts) is a room and its own door.
  const inRuntimeItself = parts[0] === 'runtime' && parts.length === 2;
  return file === 'index.ts' || file === `${parts.at(-2)}.ts` || inRuntimeItself;
}

function scriptArrow(from, to) {
  const fromTop = from.split('/')[0];
  const toTop = to.split('/')[0];
  if (to.startsWith('..')) return 'outside the project';
  if (THIRD_LAYER.has(fromTop)) return undefined;
  if (fromTop !== toTop) {
    if (FIRST_LAYER.has(fromTop)) return `${fromTop} may not know ${toTop}`;
    if (!FIRST_LAYER.has(toTop) || toTop === 'native') return `${fromTop} may not know ${toTop}`;
    return isDoor(to) ? undefined : `go through the door of ${toTop}, its index.ts`;
  }
  if (fromTop !== 'runtime' || runtimeRoom(from) === runtimeRoom(to)) return undefined;
  const fromRank = RUNTIME_RANK[runtimeRoom(from)];
  const toRank = RUNTIME_RANK[runtimeRoom(to)];
  if (fromRank === undefined) return `runtime/${runtimeRoom(from)} is no room of DESIGN.md`;
  if (toRank === undefined) return `runtime/${runtimeRoom(to)} is no room of DESIGN.md`;
  if (fromRank <= toRank) return `${runtimeRoom(from)} may not know ${runtimeRoom(to)}`;
  return isDoor(to) ? undefined : `go through the door of runtime/${runtimeRoom(to)}, its index.ts`;
}

// import … from '…', export … from '…', import '…', import('…'); over several lines too.
const IMPORT = /(?:\bfrom\s*|\bimport\s*\(?\s*)(['"])(\.{1,2}\/[^'"]+)\1/g;

/** Broken arrows of one TypeScript or JavaScript file. Packages and built-ins are not its business. */
export function checkScript(path, source) {
  const findings = [];
  for (const match of source.matchAll(IMPORT)) {
    const target = posix.normalize(posix.join(posix.dirname(path), match[2])).replace(/\.js$/, '.ts');
    // A test of main.ts stands beside it and is no room: it counts as main.ts.
    const from = /^runtime\/[^/]+\.test\.ts$/.test(path) ? 'runtime/main.ts' : path;
    const reason = scriptArrow(from, target);
    if (reason === undefined) continue;
    const line = source.slice(0, match.index).split('\n').length;
    findings.push({ path, line, text: `${match[2]}: ${reason}` });
  }
  return findings;
}

/** Broken arrows of any file, by the ending of its name. */
export function checkArrows(path, source) {
  if (/^native\/.*\.(cpp|hpp|c|h)$/.test(path)) return checkNative(path, source);
  if (/\.(ts|mjs)$/.test(path)) return checkScript(path, source);
  return [];
}
