// The table of keys for people: `rve help config`, and the README's section on configuration.

import { LATER_KEYS, NODE_KEY, SECTION_NAMES, SECTIONS, type KeySpec } from './table.js';

/** Each key with type, unit, default and reason, as plain text at most 100 columns wide. */
export function configHelp(): string {
  const lines = [
    'Keys of rve.toml. A key left out takes its default; an unknown one is refused.',
    '',
    ...describe(NODE_KEY),
  ];
  for (const name of SECTION_NAMES) {
    lines.push('', `[${name}]`);
    for (const spec of Object.values(SECTIONS[name] as Record<string, KeySpec>)) {
      lines.push(...describe(spec));
    }
  }
  lines.push(
    '',
    'Known, and refused until their feature comes:',
    ...wrap([...LATER_KEYS.keys()].join(', '), 96).map((line) => `  ${line}`),
  );
  return `${lines.join('\n')}\n`;
}

/** The same as a Markdown table. */
export function configMarkdown(): string {
  const rows = [
    '| Section | Key | Type | Unit | Default | Reason |',
    '| --- | --- | --- | --- | --- | --- |',
  ];
  const row = (section: string, spec: KeySpec): string =>
    `| ${section} | \`${spec.key}\` | ${formOf(spec)} | ${spec.unit} | \`${valueText(spec)}\` | ` +
    `${spec.reason} |`;
  rows.push(row('', NODE_KEY));
  for (const name of SECTION_NAMES) {
    for (const spec of Object.values(SECTIONS[name] as Record<string, KeySpec>))
      rows.push(row(name, spec));
  }
  return `${rows.join('\n')}\n`;
}

/** What a value of the key must be, in words that also fit behind "must be". */
export function formOf(spec: KeySpec): string {
  switch (spec.type) {
    case 'choice':
      return spec.values.map((value) => `"${value}"`).join(', ');
    case 'integer':
      return `an integer ${spec.min} to ${spec.max}`;
    case 'number':
      return `${spec.orZero === true ? '0, or ' : ''}a number ${spec.min} to ${spec.max}`;
    case 'string':
      return spec.form ?? 'a string';
    case 'boolean':
      return 'true or false';
  }
}

function describe(spec: KeySpec): string[] {
  const unit = spec.unit === '' ? '' : ` ${spec.unit}`;
  return [
    `  ${spec.key} = ${valueText(spec)}${unit}    (${formOf(spec)})`,
    ...wrap(spec.reason, 92).map((line) => `      ${line}`),
  ];
}

function valueText(spec: KeySpec): string {
  return typeof spec.default === 'string' ? `"${spec.default}"` : String(spec.default);
}

function wrap(text: string, columns: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > columns) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return line === '' ? lines : [...lines, line];
}
