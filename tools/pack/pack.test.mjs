import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';

import { builtinPaths, neededOf } from './base.mjs';
import { crc32c, manifestOf } from './payload.mjs';
import { slimText } from './slim.mjs';

const file = (path, text = 'x', mode = 0o600) => ({ path, mode, bytes: Buffer.from(text) });

test('the checksum is CRC-32C: the check value of its definition comes out', () => {
  expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
  expect(crc32c(Buffer.alloc(0))).toBe(0);
});

test('a manifest holds the command word by word, then each file', () => {
  const text = manifestOf(['/bin/sh', '%D/a b'], [file('run.sh', '123456789', 0o700)]);
  expect(text).toBe('exec /bin/sh\nexec %D/a b\nfile 1c0 e3069283 9 run.sh\n');
});

test('no path that leads out of the folder gets into a manifest, and no word with a line break', () => {
  for (const path of ['../x', '/x', 'a/../x', './x', 'a//x', 'a/', '', 'a b', 'a\nb', '..']) {
    expect(() => manifestOf(['x'], [file(path)]), path).toThrow();
  }
  expect(() => manifestOf(['a\nfile'], [])).toThrow();
  expect(() => manifestOf(['x'], [file('lib/libc.so.6'), file('a..b')])).not.toThrow();
});

test('the libraries that a program needs are read from what readelf prints', () => {
  const text =
    ' 0x0000000000000001 (NEEDED)             Shared library: [libm.so.6]\n' +
    ' 0x000000000000000e (SONAME)             Library soname: [libx.so.1]\n' +
    ' 0x0000000000000001 (NEEDED)             Shared library: [libc.so.6]\n';
  expect(neededOf(text)).toEqual(['libm.so.6', 'libc.so.6']);
});

test('the scripts that Debian’s Node reads at its start are found in its library, each once', () => {
  const folder = mkdtempSync(join(tmpdir(), 'rve-pack-'));
  try {
    const library = join(folder, 'libnode.so');
    const one = '/usr/share/nodejs/acorn/dist/acorn.js';
    writeFileSync(library, `\0${one}\0rest "PATH=${one}", /usr/share/nodejs/none\0/usr/lib/x.js\0`);
    expect(builtinPaths(library)).toEqual([one]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('a slim script begins with its interpreter and carries its addons and its machine', () => {
  const text = slimText('run();', 'linux-arm64', { 'a.node': Buffer.from([1, 2, 3]) });
  expect(text.startsWith('#!/usr/bin/env node\n')).toBe(true);
  const [, embedded] = /rveEmbedded=(.*);\nrun\(\);$/.exec(text);
  expect(JSON.parse(embedded)).toEqual({ machine: 'linux-arm64', addons: { 'a.node': 'AQID' } });
});
