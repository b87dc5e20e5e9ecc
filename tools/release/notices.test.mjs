import { expect, test } from 'vitest';

import { readText } from '../generated.mjs';
import { componentsOf, noticesOf, tableOf, withTable } from './notices.mjs';

const PARTS = {
  debs: [{ name: 'zlib1g', version: '1.3' }],
  npm: [{ name: 'aedes', version: '1.2.0', license: 'MIT' }],
  node: { version: '22.23.3' },
};

test('each part is listed with its licence, by name', () => {
  expect(componentsOf(PARTS).map(({ name, licence }) => [name, licence])).toEqual([
    ['Node.js', 'MIT and others'],
    ['aedes', 'MIT'],
    ['zlib1g', 'Zlib'],
  ]);
});

test('a part without a known licence stops the release', () => {
  expect(() => componentsOf({ ...PARTS, debs: [{ name: 'libnew1', version: '1' }] })).toThrow();
  expect(() => componentsOf({ ...PARTS, npm: [{ name: 'x', version: '1' }] })).toThrow();
});

test('every pinned package of both targets has a licence', () => {
  for (const room of ['arm64', 'riscv']) {
    const { debs } = JSON.parse(readText(`targets/${room}/debs.json`));
    expect(() => componentsOf({ debs, npm: [] })).not.toThrow();
  }
});

test('a table replaces the one before it and nothing else', () => {
  const table = tableOf(componentsOf(PARTS));
  for (const room of ['arm64', 'riscv']) {
    const readme = readText(`targets/${room}/README.md`);
    const once = withTable(readme, table);
    expect(once).toContain('| zlib1g | 1.3 | Zlib | Debian |');
    expect(withTable(once, table)).toBe(once);
    expect(once.slice(0, readme.indexOf('<!-- bundled'))).toBe(
      readme.slice(0, readme.indexOf('<!-- bundled')),
    );
  }
  expect(() => withTable('no table here', table)).toThrow();
});

test('the same text of several parts stands once in the notices, with all their names', () => {
  const texts = [
    { name: 'a', text: 'MIT text' },
    { name: 'b', text: 'MIT text' },
    { name: 'c', text: 'ISC text' },
  ];
  const notices = noticesOf('title', componentsOf(PARTS), texts);
  expect(notices.match(/MIT text/g)).toHaveLength(1);
  expect(notices).toMatch(/a, b\n=+\n\nMIT text/);
  expect(notices).toContain('ISC text');
});
