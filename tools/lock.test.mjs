import { expect, test } from 'vitest';

import { readText } from './generated.mjs';

const LOCK = readText('package-lock.json');
const packages = Object.entries(JSON.parse(LOCK).packages);

test('the lock names no registry, and every package by version and checksum', () => {
  expect(LOCK).not.toMatch(/"resolved"|registry\./);
  for (const [path, entry] of packages.slice(1)) {
    expect(entry.version, path).toBeTruthy();
    expect(entry.integrity, path).toMatch(/^sha512-/);
  }
});

// `npm ci` refuses a lock that lacks the variant of a package for *another* machine; `npm install` leaves
// it out silently where that variant was never published. Hence the `overrides` of package.json: the
// newest rollup and cbor-extract that had all their variants (2026-11).
test('the lock holds every optional dependency, for all machines', () => {
  const names = new Set(packages.map(([path]) => path.replace(/^.*node_modules\//, '')));
  for (const [path, entry] of packages) {
    for (const name of Object.keys(entry.optionalDependencies ?? {})) {
      expect(names.has(name), `${name} of ${path}`).toBe(true);
    }
  }
});

test('what a user needs to build is installed without development packages', () => {
  const { dependencies } = JSON.parse(readText('package.json'));
  for (const name of ['typescript', 'node-addon-api', 'node-api-headers', '@types/node']) {
    expect(dependencies).toHaveProperty([name]);
  }
});
