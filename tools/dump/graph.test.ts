import { describe, expect, it } from 'vitest';

import { readGraph } from './graph.js';

/** A packed graph of one level, written from FORMAT.md 10.6 alone: a list for each row. */
function packed(lists: number[][], links0: number, lowBits: number): Uint8Array {
  const rows = lists.length;
  const spread = (rows - 1) >> lowBits;
  const blocks = Math.ceil(rows / 16);
  const linkCount = lists.reduce((sum, list) => sum + list.length, 0);
  const bitCount = linkCount * (lowBits + 1) + rows * spread;
  const rounded = (bytes: number): number => Math.ceil(bytes / 64) * 64;
  const [directory, at] = [128, 128 + rounded(blocks * 24)];
  const bytes = new Uint8Array(at + rounded(Math.ceil(bitCount / 8) + 8));
  const view = new DataView(bytes.buffer);
  [0x31475652, 2, rows, links0, links0 / 2, 1, 0].forEach((w, i) => view.setUint32(4 * i, w, true));
  const u64 = (offset: number, value: number): void =>
    view.setBigUint64(offset, BigInt(value), true);
  u64(32, bytes.length);
  u64(40, 128);
  u64(48, 64);
  view.setUint32(64, rows, true);
  view.setUint32(68, lowBits, true);
  u64(64 + 24, directory);
  u64(64 + 32, at);
  u64(64 + 40, bitCount);
  u64(64 + 48, linkCount);
  let bit = 0;
  const set = (index: number): void => {
    bytes[at + (index >> 3)] = (bytes[at + (index >> 3)] ?? 0) | (1 << (index & 7));
  };
  lists.forEach((list, row) => {
    if (row % 16 === 0) u64(directory + (row / 16) * 24, bit);
    bytes[directory + (row >> 4) * 24 + 8 + (row % 16)] = list.length;
    for (const link of list) {
      for (let b = 0; b < lowBits; b++, bit++) if (((link >> b) & 1) === 1) set(bit);
    }
    list.forEach((link, i) => set(bit + (link >> lowBits) + i));
    bit += list.length + spread;
  });
  return bytes;
}

describe('the graph of a segment', () => {
  const ring = Array.from({ length: 40 }, (_, row) =>
    [...new Set([(row + 1) % 40, (row + 39) % 40, (row * 7 + 3) % 40])]
      .filter((link) => link !== row)
      .sort((a, b) => a - b));

  it('is read packed, whatever the number of low bits', () => {
    const links = ring.reduce((sum, list) => sum + list.length, 0);
    for (const lowBits of [0, 1, 3, 6, 28]) {
      expect(readGraph(packed(ring, 4, lowBits), 40)).toEqual({
        rows: 40, links0: 4, levels: [40], entryLevel: 0, linkCount: links, badLinks: 0,
      });
    }
  });

  it('has a bad link where a row links to itself or beyond the last', () => {
    const lists = ring.map((list, row) => (row === 5 ? [5] : row === 20 ? [40, 47] : list));
    expect(readGraph(packed(lists, 4, 4), 40).badLinks).toBe(3);
  });

  it('is refused where a list has fewer links than its block says', () => {
    const bytes = packed(ring, 4, 3);
    bytes.fill(0, 128 + 128, bytes.length);
    expect(() => readGraph(bytes, 40)).toThrow('has another length');
    const version = packed(ring, 4, 3);
    version[4] = 3;
    expect(() => readGraph(version, 40)).toThrow('a graph of version 3');
  });
});
