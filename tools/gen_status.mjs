// Writes what native/base/status.def says for TypeScript and for readers:
//   runtime/errors/codes.ts    the union of codes, and a table from number to code, meaning, advice
//   native/base/STATUS.md      the same as a table
// With --check it writes nothing, and exits 1 if a file on disk differs. Both files are checked in.
import { generate, readText, runGenerator } from './generated.mjs';

const SOURCE = 'native/base/status.def';
const STRING = '"((?:[^"\\\\]|\\\\.)*)"';
const ROW = new RegExp(
  `^RVE_STATUS\\((\\d+), (k\\w+), ${STRING}, ${STRING}, ${STRING}\\)$`,
);

/** Reads status.def: rows of { number, name, code, meaning, advice }, numbers 0, 1, 2, ... */
export function parseStatus(text) {
  const rows = [];
  for (const [index, line] of text.split('\n').entries()) {
    if (line === '' || line.startsWith('//')) continue;
    const match = ROW.exec(line);
    if (match === null) throw new Error(`${SOURCE}:${index + 1}: not an RVE_STATUS line`);
    const [, number, name, code, meaning, advice] = match;
    rows.push({ number: Number(number), name, code, meaning, advice });
  }
  for (const [index, row] of rows.entries()) {
    if (row.number !== index) throw new Error(`${SOURCE}: ${row.name} should be ${index}`);
    for (const other of rows.slice(0, index)) {
      if (other.code === row.code || other.name === row.name) {
        throw new Error(`${SOURCE}: ${row.code} or ${row.name} occurs twice`);
      }
    }
  }
  return rows;
}

const quote = (text) => `'${text.replaceAll("'", "\\'")}'`;

export function renderCodes(rows) {
  const errors = rows.filter((row) => row.code !== 'OK');
  return [
    `// Generated from ${SOURCE} by tools/gen_status.mjs (make generate). Do not edit.`,
    '',
    '/** Every error code of the product. Names and numbers are stable API. */',
    'export type ErrorCode =',
    ...errors.map((row, index) => `  | '${row.code}'${index === errors.length - 1 ? ';' : ''}`),
    '',
    '/** One row of status.def. */',
    'export interface StatusRow {',
    '  readonly number: number;',
    '  readonly code: ErrorCode;',
    '  readonly meaning: string;',
    '  readonly advice: string;',
    '}',
    '',
    '/** By number less one: number 0 is success, which is no error. */',
    'export const STATUS_ROWS: readonly StatusRow[] = [',
    ...errors.flatMap((row) => [
      '  {',
      `    number: ${row.number},`,
      `    code: '${row.code}',`,
      `    meaning: ${quote(row.meaning)},`,
      `    advice: ${quote(row.advice)},`,
      '  },',
    ]),
    '];',
    '',
  ].join('\n');
}

export function renderDocument(rows) {
  const cell = (text) => text.replaceAll('|', '\\|');
  return [
    '# Errors',
    '',
    `Generated from ${SOURCE} by tools/gen_status.mjs (\`make generate\`). Do not edit.`,
    'Codes and numbers are stable: new ones are added at the end, none is renumbered or used again.',
    '',
    '| Number | Code | What happened | What to do next |',
    '| ---: | --- | --- | --- |',
    ...rows
      .filter((row) => row.code !== 'OK')
      .map((r) => `| ${r.number} | \`${r.code}\` | ${cell(r.meaning)} | ${cell(r.advice)} |`),
    '',
  ].join('\n');
}

runGenerator(import.meta.url, () => {
  const rows = parseStatus(readText(SOURCE));
  return generate({
    'runtime/errors/codes.ts': renderCodes(rows),
    'native/base/STATUS.md': renderDocument(rows),
  });
});
