// Writes runtime/limits/limits.ts from native/base/limits.hpp: kGroupBytesMax becomes
// groupBytesMax.
// With --check it writes nothing, and exits 1 if the file on disk differs. The file is checked in.
import { generate, readText, runGenerator } from './generated.mjs';

const SOURCE = 'native/base/limits.hpp';
const ROW = /^inline constexpr uint(?:32|64)_t k(\w+) = ([^;]+);\s*(?:\/\/ (.*))?$/;

/** Computes a constant expression of integers, `<<`, `*`, `+`, `-`, brackets; nothing else. */
export function evaluate(expression) {
  const tokens = expression.replaceAll(/(\d)(?:ull|u)\b/gi, '$1').match(/\d+|<<|[-+*()]|\S/g) ?? [];
  let at = 0;
  const take = (token) => (tokens[at] === token ? ((at += 1), true) : false);
  const fail = () => {
    throw new Error(`${SOURCE}: cannot compute '${expression}'`);
  };
  function atom() {
    if (take('(')) {
      const inner = shift();
      if (!take(')')) fail();
      return inner;
    }
    const token = tokens[at];
    if (token === undefined || !/^\d+$/.test(token)) fail();
    at += 1;
    return BigInt(token);
  }
  function product() {
    let value = atom();
    while (take('*')) value *= atom();
    return value;
  }
  function sum() {
    let value = product();
    for (;;) {
      if (take('+')) value += product();
      else if (take('-')) value -= product();
      else return value;
    }
  }
  function shift() {
    let value = sum();
    while (take('<<')) value <<= sum();
    return value;
  }
  const value = shift();
  if (at !== tokens.length) fail();
  return value;
}

/** The comment lines right above line `index`, as one; '' if there are none. */
function commentAbove(lines, index) {
  let from = index;
  while (from > 0 && lines[from - 1].startsWith('// ')) from -= 1;
  return lines
    .slice(from, index)
    .map((line) => line.slice(3))
    .join(' ');
}

/**
 * Reads limits.hpp: rows of { name, value, reason }, the reason from the comment behind or above.
 * A constant it cannot read is an error.
 */
export function parseLimits(text) {
  const rows = [];
  const lines = text.split('\n');
  for (const [index, line] of lines.entries()) {
    if (!line.startsWith('inline constexpr')) continue;
    const match = ROW.exec(line);
    if (match === null) throw new Error(`${SOURCE}:${index + 1}: cannot read this constant`);
    const [, pascal, expression, reason] = match;
    const value = evaluate(expression);
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) {
      throw new Error(`${SOURCE}:${index + 1}: k${pascal} is not safe in a JavaScript number`);
    }
    rows.push({
      name: pascal[0].toLowerCase() + pascal.slice(1),
      value,
      reason: reason ?? commentAbove(lines, index),
    });
  }
  if (rows.length === 0) throw new Error(`${SOURCE}: no constant found`);
  return rows;
}

function renderNumber(value) {
  return String(value).replaceAll(/\B(?=(\d{3})+$)/g, '_');
}

/** A doc comment; on lines of its own where it would be too long for one. */
function renderReason(reason) {
  if (reason === '') return [];
  const one = `  /** ${reason} */`;
  if (one.length <= 100) return [one];
  const lines = [];
  for (const word of reason.split(' ')) {
    const last = lines.at(-1);
    const fits = last !== undefined && `   * ${last} ${word}`.length <= 100;
    if (fits) lines[lines.length - 1] += ` ${word}`;
    else lines.push(word);
  }
  return ['  /**', ...lines.map((line) => `   * ${line}`), '   */'];
}

export function renderLimits(rows) {
  return [
    `// Generated from ${SOURCE} by tools/gen_limits.mjs (make generate). Do not edit.`,
    '',
    '/** Every bound that the engine keeps, by its name there less the leading k. */',
    'export const limits = {',
    ...rows.flatMap(({ name, value, reason }) => [
      ...renderReason(reason),
      `  ${name}: ${renderNumber(value)},`,
    ]),
    '} as const;',
    '',
  ].join('\n');
}

runGenerator(import.meta.url, () =>
  generate({ 'runtime/limits/limits.ts': renderLimits(parseLimits(readText(SOURCE))) }),
);
