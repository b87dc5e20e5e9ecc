// The graph of one segment, flat or packed: native/FORMAT.md 10.6.
import { ByteReader, FormatError } from './bytes.js';

export interface GraphSummary {
  rows: number;
  links0: number;
  levels: number[];
  entryLevel: number;
  linkCount: number;
  badLinks: number;
}

/** One level: how many nodes, where its arrays are, and a way to read all its lists. */
interface Level {
  count: number;
  nodes: number;
  down: number;
  end: number;
  lists: () => number[][];
}

const rounded = (bytes: number): number => Math.ceil(bytes / 64) * 64;

function words(bytes: Uint8Array, at: number, count: number): number[] {
  const values = new ByteReader(bytes);
  values.at = at;
  return Array.from({ length: count }, () => values.u32());
}

/** A list ends at its first 0xffffffff; a link behind that stands for itself as a bad one. */
function flatLists(bytes: Uint8Array, at: number, count: number, slots: number): number[][] {
  return Array.from({ length: count }, (_, node) => {
    const list = words(bytes, at + node * slots * 4, slots);
    const length = list.indexOf(0xffffffff);
    if (length < 0) return list;
    const behind = list.slice(length).filter((link) => link !== 0xffffffff);
    return [...list.slice(0, length), ...behind.map(() => count)];
  });
}

class Bits {
  constructor(readonly bytes: Uint8Array, public at: number) {}

  take(count: number): number {
    let value = 0;
    for (let bit = 0; bit < count; bit++, this.at++) {
      value += (((this.bytes[this.at >> 3] ?? 0) >> (this.at & 7)) & 1) * 2 ** bit;
    }
    return value;
  }
}

function packedLists(
  bytes: Uint8Array, at: { directory: number; lists: number }, count: number, lowBits: number,
  slots: number,
): number[][] {
  const spread = (count - 1) >> lowBits;
  const bits = new Bits(bytes.subarray(at.lists), 0);
  return Array.from({ length: count }, (_, node) => {
    const block = new ByteReader(bytes);
    block.at = at.directory + (node >> 4) * 24;
    const first = block.size();
    if (node % 16 === 0 && first !== bits.at) {
      throw new FormatError('a block of lists is elsewhere');
    }
    block.at += node % 16;
    const length = block.u8();
    if (length > slots) throw new FormatError('a list of links is too long');
    const lows = Array.from({ length }, () => bits.take(lowBits));
    const highs: number[] = [];
    for (let bit = 0; bit < length + spread; bit++) {
      if (bits.take(1) === 1) highs.push(bit - highs.length);
    }
    if (highs.length !== length) throw new FormatError('a list of links has another length');
    return lows.map((low, i) => (highs[i] ?? 0) * 2 ** lowBits + low);
  });
}

function flatLevel(
  bytes: Uint8Array, r: ByteReader, level: number, rows: number, start: number, slots: number,
): Level {
  if (level === 0) {
    const lists = (): number[][] => flatLists(bytes, start, rows, slots);
    return { count: rows, nodes: 0, down: 0, end: start + rounded(rows * slots * 4), lists };
  }
  const [count, zero, nodes, down, at] = [r.u32(), r.u32(), r.size(), r.size(), r.size()];
  const index = rounded(count * 4);
  if (zero !== 0 || nodes !== start || down !== start + index || at !== down + index) {
    throw new FormatError(`level ${level} of a graph has impossible values`);
  }
  const lists = (): number[][] => flatLists(bytes, at, count, slots);
  return { count, nodes, down, end: at + rounded(count * slots * 4), lists };
}

function packedLevel(
  bytes: Uint8Array, r: ByteReader, level: number, rows: number, start: number, slots: number,
): Level {
  const [count, lowBits, nodes, down] = [r.u32(), r.u32(), r.size(), r.size()];
  const [directory, at, bits, links] = [r.size(), r.size(), r.size(), r.size()];
  const index = level === 0 ? 0 : rounded(count * 4);
  const behind = start + (level > 1 ? 2 * index : index);
  const spread = (count - 1) >> lowBits;
  const fine = (level > 0 || count === rows) && lowBits <= 28 && spread <= 256 &&
    nodes === (level === 0 ? 0 : start) && down === (level > 1 ? start + index : nodes) &&
    directory === behind && at === behind + rounded(Math.ceil(count / 16) * 24) &&
    bits === links * (lowBits + 1) + count * spread;
  if (!fine) throw new FormatError(`level ${level} of a graph has impossible values`);
  const lists = (): number[][] => {
    const all = packedLists(bytes, { directory, lists: at }, count, lowBits, slots);
    const length = all.reduce((sum, list) => sum + list.length, 0);
    if (length !== links) throw new FormatError(`level ${level} of a graph has other links`);
    return all;
  };
  return { count, nodes, down, end: at + rounded(Math.ceil(bits / 8) + 8), lists };
}

/** FORMAT.md 10.6. */
export function readGraph(bytes: Uint8Array, rows: number): GraphSummary {
  const r = new ByteReader(bytes);
  r.expect('graph magic', r.u32(), 0x31475652);
  const version = r.u32();
  if (version !== 1 && version !== 2) throw new FormatError(`a graph of version ${version}`);
  r.expect('graph rows', r.u32(), rows);
  const [links0, links, levelCount, entryLevel] = [r.u32(), r.u32(), r.u32(), r.u32()];
  r.zero(4);
  r.expect('graph bytes', r.size(), bytes.length);
  let end = version === 1 ? 4096 : rounded(64 + 56 * levelCount);
  r.expect('level 0', r.size(), end);
  r.expect('level table', r.size(), 64);
  r.zero(8);
  const fine = links0 >= 2 && links0 <= 128 && links * 2 === links0 && levelCount >= 1 &&
    levelCount <= 16 && entryLevel < levelCount;
  if (!fine) throw new FormatError('a graph has impossible values');
  const out: GraphSummary = { rows, links0, levels: [], entryLevel, linkCount: 0, badLinks: 0 };
  let below: number[] = [];
  for (let l = 0; l < levelCount; l++) {
    const slots = l === 0 ? links0 : links;
    const level = (version === 1 ? flatLevel : packedLevel)(bytes, r, l, rows, end, slots);
    if (level.count < 1 || (l > 0 && level.count > below.length)) {
      throw new FormatError(`level ${l} of a graph has impossible values`);
    }
    level.lists().forEach((list, node) => {
      const bad = list.filter((link) => link >= level.count || link === node).length;
      out.badLinks += bad;
      out.linkCount += list.length - bad;
    });
    out.levels.push(level.count);
    end = level.end;
    if (l === 0) {
      below = Array.from({ length: rows }, (_, row) => row);
      continue;
    }
    const here = words(bytes, level.nodes, level.count);
    const downs = words(bytes, level.down, level.count);
    const before = below;
    const agrees = here.every(
      (row, i) => before[downs[i] ?? -1] === row && (i === 0 || row > (here[i - 1] ?? row)),
    );
    if (!agrees) throw new FormatError(`nodes of level ${l} do not lead down`);
    below = here;
  }
  r.expect('end of the levels', end, bytes.length);
  return out;
}
