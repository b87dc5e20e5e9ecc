// What an executable may cost on its board, and what it was last measured to cost: budget.json of
// each target. Bytes are gates: 10 % above what is allowed fails. Times depend on the machine that
// emulates: they are printed, warn at twice what is allowed, and never fail.

/** Above what is allowed, as a share. */
export const BYTES_SLACK = 0.1;
export const TIME_WARN = 2;

const FIGURE = /^(fileBytes|rssAnonBytes|startMs)\.[\w.-]+$/;

/** zstd's level of what is released; a file packed at another is a figure of its own. */
const RELEASED_LEVEL = 19;

/** The figure of a file, packed at `level` (undefined: not compressed). */
export function figureOf(file, level = RELEASED_LEVEL) {
  return `fileBytes.${file}` + (level === RELEASED_LEVEL ? '' : `.zstd${level}`);
}

/** The file whose released form a figure is of, or null. */
export function fileOf(figure) {
  const file = /^fileBytes\.(.+)$/.exec(figure)?.[1] ?? null;
  return file === null || /\.zstd\d+$/.test(file) ? null : file;
}

/** Fails on an entry that is none: a misspelt figure would never be checked. */
export function checkShape(budget) {
  for (const [name, entry] of Object.entries(budget.figures)) {
    if (!FIGURE.test(name)) throw new Error(`"${name}" is no figure of a budget`);
    const good = (value) => value === null || (Number.isFinite(value) && value >= 0);
    if (!good(entry.allowed) || !good(entry.measured)) throw new Error(`${name} holds no numbers`);
    if (entry.allowed === null) throw new Error(`${name} allows nothing`);
  }
}

const isTime = (name) => name.startsWith('startMs.');

function shown(name, value) {
  if (isTime(name)) return `${value.toFixed(0)} ms`;
  return value >= 1e6 ? `${(value / 1e6).toFixed(2)} MB` : `${(value / 1e3).toFixed(1)} kB`;
}

/**
 * Compares measured figures with a budget: { lines, failures, unknown }. Figures that the budget
 * lacks are failures: nothing is measured in vain.
 */
export function judge(budget, measured) {
  checkShape(budget);
  const lines = [];
  const failures = [];
  for (const [name, value] of Object.entries(measured)) {
    const entry = budget.figures[name];
    if (entry === undefined) {
      failures.push(`${name}: not in the budget`);
      continue;
    }
    const bound = isTime(name) ? entry.allowed * TIME_WARN : entry.allowed * (1 + BYTES_SLACK);
    const over = value > bound;
    const verdict = !over ? 'ok' : isTime(name) ? 'SLOW' : 'OVER';
    lines.push(
      `${verdict.padEnd(4)} ${name.padEnd(28)} ${shown(name, value).padStart(10)}, allowed ` +
        `${shown(name, entry.allowed)}` +
        (entry.measured === null ? '' : `, last ${shown(name, entry.measured)}`),
    );
    if (over && !isTime(name)) failures.push(`${name}: ${value} bytes, allowed ${entry.allowed}`);
  }
  return { lines, failures };
}

/** The budget with `measured` as its last figures. What is allowed changes by hand only. */
export function withMeasured(budget, measured) {
  const figures = Object.fromEntries(
    Object.entries(budget.figures).map(([name, entry]) => [
      name,
      name in measured ? { ...entry, measured: measured[name] } : entry,
    ]),
  );
  return { ...budget, figures };
}
