// Golden stores are kept as text, see native/test/golden/sparse.hpp.
import { FormatError } from './bytes.js';

/** The whole file of a NAME.store. */
export function expandGolden(text: string): Uint8Array {
  const lines = text.split('\n');
  const bytes = Number(/^bytes (\d+)$/.exec(lines[1] ?? '')?.[1]);
  if (lines[0] !== 'rve-golden 1' || !(bytes > 0 && bytes <= 2 ** 30) || lines.at(-1) !== '') {
    throw new FormatError('not a golden store');
  }
  const out = new Uint8Array(bytes);
  for (const line of lines.slice(2, -1)) {
    const match = /^([0-9a-f]{12}) ((?:[0-9a-f]{2})+)$/.exec(line);
    const unit = Buffer.from(match?.[2] ?? '', 'hex');
    const at = Number.parseInt(match?.[1] ?? 'x', 16);
    if (!(at + unit.length <= bytes)) throw new FormatError(`a line of a golden store: ${line}`);
    out.set(unit, at);
  }
  return out;
}
