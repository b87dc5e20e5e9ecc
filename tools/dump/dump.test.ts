import { readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

import { FormatError, crc32c, floatFromHalf } from './bytes.js';
import { expandGolden } from './golden.js';
import { render } from './render.js';
import { readColumn } from './segment.js';
import { type Dump, dumpStore } from './store.js';

const FOLDER = fileURLToPath(new URL('../../native/test/golden/', import.meta.url));
const NAMES = readdirSync(FOLDER)
  .filter((name) => name.endsWith('.store'))
  .map((name) => name.replace('.store', ''));

const IN_TIERS = ['halves', 'originals', 'outliers', 'tiers'];

function textOf(name: string, ending: string): string {
  return readFileSync(`${FOLDER}${name}.${ending}`, 'utf8');
}

function fileOf(name: string): Uint8Array {
  return expandGolden(textOf(name, 'store'));
}

function payloadText(payload: Dump['records'][number]['payload']): string {
  if (payload === null) return '0:00000000';
  const bytes = typeof payload === 'string' ? Buffer.from(payload, 'hex') : undefined;
  const length = bytes?.length ?? (payload as { bytes: number }).bytes;
  const crc = bytes === undefined ? (payload as { crc: number }).crc : crc32c(bytes);
  return `${length}:${crc.toString(16).padStart(8, '0')}`;
}

describe('golden stores', () => {
  it('are the twelve that the format promises', () => {
    expect(NAMES.sort()).toEqual([
      'adopted', 'compacted', 'empty', 'frozen', 'halves', 'killed', 'linked', 'originals',
      'outliers', 'rolled', 'tail', 'tiers',
    ]);
  });

  it.each(NAMES)('%s dumps as it is checked in, with every checksum right', (name) => {
    const dump = dumpStore(fileOf(name));
    expect(dump.problems).toEqual([]);
    expect(`${render(dump)}\n`).toBe(textOf(name, 'json'));
  });

  // The .records come from the program that asked for the rows, not from a reader; of stores in
  // tiers the vectors come from the engine's decoder.
  it.each(NAMES)('%s holds exactly the records that were put there', (name) => {
    const { records, identity } = dumpStore(fileOf(name));
    const [head, ...lines] = textOf(name, 'records').trimEnd().split('\n');
    expect(`${identity.dimensions} ${identity.metric}`).toBe(head);
    expect(records.length).toBe(lines.length);
    for (const [i, line] of lines.entries()) {
      const [id, time, source, label, payload, ...vector] = line.split(' ');
      const got = records[i] as Dump['records'][number];
      expect([got.id, got.time, got.source || '-', got.label || '-', payloadText(got.payload)])
        .toEqual([Number(id), Number(time), source, label, payload]);
      const largest = Math.max(...vector.map((value) => Math.abs(Number(value))));
      const slack = IN_TIERS.includes(name) ? 1e-6 * largest
        : identity.metric === 'cosine' ? 4e-7 : 0;
      for (const [d, value] of vector.entries()) {
        const off = Math.abs((got.vector[d] ?? NaN) - Math.fround(Number(value)));
        expect(off).toBeLessThanOrEqual(slack);
      }
    }
  });

  it('show what each of them is there for', () => {
    const json = (name: string) => JSON.stringify(dumpStore(fileOf(name)));
    expect(json('killed')).toContain('"type":"CLOCK_STEP"');
    expect(json('killed')).toContain('"type":"DELETE","source"');
    expect(json('rolled')).toContain('"type":"NOOP"');
    expect(json('adopted')).toMatch(/"recordAt":[1-9]/);
    expect(json('frozen')).not.toMatch(/"recordAt":[1-9]/);
    expect(json('linked')).toMatch(/"graph":\{"rows":281/);
    expect(json('compacted')).toContain('"drops":[2,3,1,4]');
    const tiers = dumpStore(fileOf('tiers')).records.map(({ dtype }) => dtype);
    expect([...new Set(tiers)].sort()).toEqual(['archive', 'cold', 'cool', 'f32', 'hot', 'warm']);
    expect(json('tiers')).toMatch(/"9":\d+,"12":\d+,"13":\d+/);
    expect(json('tiers')).toContain('"centroids":2');
    expect(json('originals')).toMatch(/"originals":\{"rows":40,"codesOff":0\.0/);
    expect(json('halves')).toContain('"codebook":null');
    expect(json('halves')).toMatch(/"kind":"graph","dataPages":\d+,"sections":\{"20"/);
    expect(json('tiers')).toMatch(/"kind":"graph","dataPages":\d+,"sections":\{"21":\d+\}/);
    expect(json('outliers')).toContain('"tier":"cold","bits":4,"recordBytes":130');
  });
});

describe('a damaged store', () => {
  // Bytes that count: not zero, and named by what a reader follows. A change there must be seen.
  const samples = ['tail', 'adopted', 'compacted', 'tiers', 'outliers'];
  it.each(samples)('%s tells of every changed byte that it uses', (name) => {
    const file = fileOf(name);
    const whole = render(dumpStore(file));
    let told = 0;
    let unused = 0;
    for (let at = 17; at < file.length; at += file[at] === 0 ? 7 : 211) {
      if (file[at] === 0) continue;
      file[at] = (file[at] ?? 0) ^ 0x20;
      let dump: Dump | undefined;
      try {
        dump = dumpStore(file);
      } catch (error) {
        expect(error).toBeInstanceOf(FormatError);
      }
      if (dump !== undefined && dump.problems.length === 0) {
        // Free space, or beyond the last group: then nothing at all may have changed.
        expect(render(dump)).toBe(whole);
        unused++;
      } else {
        told++;
      }
      file[at] = (file[at] ?? 0) ^ 0x20;
    }
    // Segments that were replaced still lie there, unused.
    expect(told).toBeGreaterThan(unused / 3);
  });

  it('is read from the copy if identity or newest slot are gone', () => {
    const file = fileOf('tail');
    const { records } = dumpStore(file);
    file.fill(0, 0, 4096);
    const generations = (dumpStore(file).slots as { name: string; generation: number }[])
      .sort((a, b) => b.generation - a.generation);
    const newest = ['A', 'A copy', 'B', 'B copy'].indexOf(generations[0]?.name ?? '') + 1;
    file.fill(0xff, newest * 65536, newest * 65536 + 4096);
    const dump = dumpStore(file);
    expect(dump.records).toEqual(records);
    expect(dump.problems.length).toBe(2);
  });

  it('is read from the older root if both copies of the newest are gone', () => {
    const file = fileOf('linked');
    const { records } = dumpStore(file);
    const slots = dumpStore(file).slots as { name: string; generation: number }[];
    const newest = slots.reduce((a, b) => (b.generation > a.generation ? b : a)).name[0];
    const place = newest === 'A' ? 1 : 3;
    file.fill(0, place * 65536, (place + 2) * 65536);
    const again = dumpStore(file);
    expect(again.records).toEqual(records);
  });

  it('cuts a torn last group, and reports a damaged one below durable_lsn as a hole', () => {
    const file = fileOf('killed');
    const { groups } = dumpStore(file).log as { groups: { lsn: number; offset: number }[] };
    const flip = (index: number) => {
      const at = (groups.at(index)?.offset ?? 0) + 100;
      file[at] = (file[at] ?? 0) ^ 1;
    };
    flip(-1);
    const torn = dumpStore(file).log as { torn: boolean; endLsn: number };
    expect([torn.torn, torn.endLsn]).toEqual([true, groups.at(-1)?.lsn]);
    flip(-1);
    flip(-3);
    const dump = dumpStore(file);
    expect((dump.log as { torn: boolean }).torn).toBe(false);
    expect(dump.problems.join()).toContain('acknowledged, and damaged');
  });

  it.each([0, 4095, 4096, 65536, 524288, 524287 + 65536, 700000])(
    'of %i bytes is refused or read in part, never a crash', (bytes) => {
      const cut = fileOf('tail').slice(0, bytes);
      try {
        expect(dumpStore(cut).problems).not.toEqual([]);
      } catch (error) {
        expect(error).toBeInstanceOf(FormatError);
      }
    });
});

describe('the primitives', () => {
  it('agree with published vectors', () => {
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
    expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43); // RFC 3720 B.4
    expect([0x3c00, 0xc000, 0x0001, 0x7bff].map(floatFromHalf)).toEqual([1, -2, 2 ** -24, 65504]);
  });

  it('unpack a column of full width and one of none', () => {
    const bytes = new Uint8Array(16 + 16 + 16);
    new DataView(bytes.buffer).setUint32(8, 16, true);
    new DataView(bytes.buffer).setUint32(12, 64, true);
    new DataView(bytes.buffer).setBigUint64(16, 2n ** 64n - 1n, true);
    new DataView(bytes.buffer).setBigUint64(24, 5n, true);
    expect(readColumn(bytes, 2)).toEqual([2n ** 64n - 1n, 5n]);
    bytes.fill(0, 8, 16);
    bytes[0] = 9;
    expect(readColumn(bytes, 3)).toEqual([9n, 9n, 9n]);
  });
});
