// The points of STYLE.md that a program can see. They are reported, and fail nothing: the rules are
// examples to follow, and the counts are rough (braces are counted, not parsed).
const COLUMNS_MAX = 100;
const FUNCTION_LINES_MAX = 70;
const FILE_LINES_MAX = 600;

// Makers of the real clock and the real random numbers; and the runner that times the tests.
const MAKERS = /^(native\/base\/env_posix\.cpp|native\/test\/main\.cpp|runtime\/main\.ts|bench\/)/;
const WORLD_CPP = /std::chrono::\w+_clock|\b(?:s?rand|time|clock_gettime|getrandom)\s*\(|random_device/;
const WORLD_TS =
  /\bDate\.now\b|\bMath\.random\b|\bperformance\.now\b|process\.hrtime|new Date\(\)|randomBytes\(/;

const SOURCE = /\.(cpp|hpp|c|h|ts|mjs|mk)$|^Makefile$/;
const TODO = /\bTODO\b(?!\(#\d+\))/;

/** Removes strings and comments roughly, so that their braces and words do not count. */
function bare(line) {
  return line
    .replaceAll(/'(?:[^'\\\n]|\\.)'|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`/g, '""')
    .replace(/\/\/.*$/, '');
}

const NO_FUNCTION = /^\s*(?:\}?\s*else|if|for|while|switch|do|namespace|class|struct|enum|describe)\b/;
const OPENS_FUNCTION = /\)\s*(?:const|noexcept|override|final|->\s*[\w:<>*&\s]+|:\s*[^;{]+)*\s*\{\s*$|=>\s*\{\s*$/;

/** The outermost functions that are longer than the bound: [{ line, lines }]. */
export function longFunctions(source) {
  const found = [];
  const open = []; // per brace: the line of the function it opens, or 0
  for (const [index, raw] of source.split('\n').entries()) {
    const line = bare(raw);
    const starts = OPENS_FUNCTION.test(line) && !NO_FUNCTION.test(line);
    let last = line.lastIndexOf('{');
    for (const [column, letter] of [...line].entries()) {
      if (letter === '{') {
        const inside = open.some((start) => start > 0);
        open.push(starts && column === last && !inside ? index + 1 : 0);
      } else if (letter === '}') {
        const start = open.pop() ?? 0;
        const lines = index + 2 - start;
        if (start > 0 && lines > FUNCTION_LINES_MAX) found.push({ line: start, lines });
      }
    }
  }
  return found;
}

/** Findings of one file: [{ path, line, text }]. */
export function checkStyle(path, source) {
  if (!SOURCE.test(path)) return [];
  const findings = [];
  const note = (line, text) => findings.push({ path, line, text });
  const lines = source.split('\n');
  const world = path.endsWith('.ts') ? WORLD_TS : /\.(cpp|hpp)$/.test(path) ? WORLD_CPP : undefined;
  for (const [index, line] of lines.entries()) {
    const columns = [...line].length;
    if (columns > COLUMNS_MAX) note(index + 1, `${columns} columns, above ${COLUMNS_MAX}`);
    if (TODO.test(line) && !path.startsWith('tools/tidy')) note(index + 1, 'a bare TODO: name its issue');
    if (world?.test(bare(line)) && !MAKERS.test(path)) note(index + 1, 'makes a real clock or random');
  }
  if (lines.length > FILE_LINES_MAX + 1) note(1, `${lines.length - 1} lines, above ${FILE_LINES_MAX}`);
  for (const { line, lines: count } of longFunctions(source)) {
    note(line, `a function of ${count} lines, above ${FUNCTION_LINES_MAX}`);
  }
  return findings;
}

const BUILT = /^(?:build|node_modules|coverage|data)\/|\.(?:o|a|so|node|d|tsbuildinfo|tgz|deb)$/;

/** Those of git's files that a build makes. */
export function builtFiles(tracked) {
  return tracked.filter((path) => BUILT.test(path));
}
