import { expect, test } from 'vitest';

import { readText } from '../generated.mjs';
import { archiveUri, partsOf } from './debs.mjs';

test('the archive is the first Debian one of the sources, in either form, comments aside', () => {
  const modern =
    'Types: deb\n# URIs: http://old.example/debian\nURIs: http://mirror.example/debian\nSuites: x\n';
  const classic = '# deb http://no.example/debian x main\ndeb [arch=amd64] http://a.example/debian/ x main\n';
  const other = 'Types: deb\nURIs: http://mirror.example/debian-security\n';
  expect(archiveUri([other, modern])).toBe('http://mirror.example/debian');
  expect(archiveUri([classic, modern])).toBe('http://a.example/debian/');
  expect(archiveUri([other])).toBeUndefined();
});

test('a file name of apt is a name and a version, epoch and all', () => {
  expect(partsOf('nodejs_20.19.2+dfsg-1_riscv64.deb')).toEqual({
    name: 'nodejs',
    version: '20.19.2+dfsg-1',
  });
  expect(partsOf('/x/zlib1g_1%3a1.3_riscv64.deb').version).toBe('1:1.3');
});

for (const room of ['arm64', 'riscv']) {
  test(`targets/${room} pins each package by version and SHA256, and names no mirror`, () => {
    const text = readText(`targets/${room}/debs.json`);
    expect(text).not.toMatch(/:\/\//);
    const { debs } = JSON.parse(text);
    expect(debs.length).toBeGreaterThan(3);
    for (const { name, version, sha256 } of debs) {
      expect(version, name).toMatch(/^\d/);
      expect(sha256, name).toMatch(/^[0-9a-f]{64}$/);
    }
  });
}

test('the lock of each package folder names no registry, and every package by its checksum', () => {
  for (const path of ['tools/pack', 'targets/arm64']) {
    const text = readText(`${path}/package-lock.json`);
    expect(text).not.toMatch(/"resolved"|registry\./);
    for (const [name, entry] of Object.entries(JSON.parse(text).packages).slice(1)) {
      expect(entry.integrity, name).toMatch(/^sha512-/);
    }
  }
});
