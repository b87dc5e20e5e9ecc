// JSON in which what fits a line stands on one line.

const LINE_COLUMNS_MAX = 140;

/** `value` as JSON, with 1 space a level. Undefined members are left out, as JSON does. */
export function render(value: unknown, indent = ''): string {
  const flat = JSON.stringify(value) ?? 'null';
  const fits = indent.length + flat.length <= LINE_COLUMNS_MAX;
  if (typeof value !== 'object' || value === null || fits) return flat;
  const inner = `${indent} `;
  if (Array.isArray(value)) {
    const scalars = value.every((item) => typeof item !== 'object');
    if (scalars) return flat;
    return `[\n${value.map((item) => inner + render(item, inner)).join(',\n')}\n${indent}]`;
  }
  const members = Object.entries(value).filter(([, item]) => item !== undefined);
  const lines = members.map(
    ([key, item]) => `${inner}${JSON.stringify(key)}: ${render(item, inner)}`,
  );
  return `{\n${lines.join(',\n')}\n${indent}}`;
}
