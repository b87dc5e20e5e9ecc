import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';

import { ROOT } from './generated.mjs';
import { checkArrows } from './tidy_arrows.mjs';
import { builtFiles, checkStyle } from './tidy_style.mjs';

const broken = (path, line) => checkArrows(path, line).length;
const include = (path, header) => broken(path, `#include "${header}"\n`);
const imports = (path, target) => broken(path, `import { x } from '${target}';\n`);

test.each([
  ['native/base/a.cpp', 'storage/log.hpp'],
  ['native/base/a.cpp', 'rve/engine.hpp'],
  ['native/include/rve/engine.hpp', 'engine/tail.hpp'],
  ['native/kernels/a.cpp', 'storage/log.hpp'],
  ['native/storage/a.hpp', 'kernels/nav.hpp'],
  ['native/storage/a_test.cpp', 'engine/tail.hpp'],
  ['native/codecs/a.cpp', 'graph/search.hpp'],
  ['native/graph/a.cpp', 'learn/edges.hpp'],
  ['native/learn/a.cpp', 'engine/tail.hpp'],
  ['native/engine/a.cpp', 'binding/convert.hpp'],
  ['native/engine/a.cpp', 'test/test.hpp'],
  ['native/engine/a.cpp', 'engine/b.cpp'],
  ['native/engine/a.cpp', 'engine/test_kit.hpp'],
  ['native/graph/test_kit.hpp', 'engine/tail.hpp'],
  ['native/attic/a.cpp', 'base/bytes.hpp'],
])('%s may not include %s', (path, header) => {
  expect(include(path, header)).toBe(1);
});

test.each([
  ['native/storage/a.cpp', 'base/env.hpp'],
  ['native/storage/layout.hpp', 'rve/engine.hpp'],
  ['native/engine/a.cpp', 'graph/search.hpp'],
  ['native/binding/a.cpp', 'rve/engine.hpp'],
  ['native/base/a_test.cpp', 'test/test.hpp'],
  ['native/test/crash/a.cpp', 'engine/tail.hpp'],
  ['native/engine/test_kit.hpp', 'test/test.hpp'],
  ['native/engine/a_test.cpp', 'engine/test_kit.hpp'],
  ['native/base/status.cpp', 'base/status.def'],
])('%s may include %s', (path, header) => {
  expect(include(path, header)).toBe(0);
});

test.each([
  ['sensors/a.ts', '../sim/index.js'],
  ['sim/a.ts', '../runtime/errors/index.js'],
  ['firmware-bridge/host/a.ts', '../../sensors/index.js'],
  ['sensors/a.test.ts', '../runtime/index.js'],
  ['runtime/errors/a.ts', '../config/index.js'],
  ['runtime/memory/a.ts', '../query/index.js'],
  ['runtime/query/a.ts', '../ingest/index.js'],
  ['runtime/ingest/mqtt/a.ts', '../../cli/index.js'],
  ['runtime/native.ts', './memory/index.js'],
  ['runtime/cli/a.ts', '../http/index.js'],
  ['runtime/cli/a.ts', '../main.js'],
  ['runtime/cli/a.ts', '../memory/types.js'],
  ['runtime/cli/a.ts', '../../sim/bearing.js'],
  ['runtime/cli/a.ts', '../../tools/dump/index.js'],
  ['runtime/cli/a.ts', '../../../elsewhere/index.js'],
  ['runtime/attic/a.ts', '../errors/index.js'],
])('%s may not import %s', (path, target) => {
  expect(imports(path, target)).toBe(1);
});

test.each([
  ['sensors/a.ts', './fft.js'],
  ['runtime/config/a.ts', '../errors/index.js'],
  ['runtime/memory/a.ts', '../native.js'],
  ['runtime/memory/a.ts', '../limits/limits.js'],
  ['runtime/ingest/mqtt/a.ts', '../../memory/index.js'],
  ['runtime/cli/commands/a.ts', '../../../sim/index.js'],
  ['runtime/cli/a.ts', '../ingest/replay/index.js'],
  ['runtime/main.ts', './cli/index.js'],
  ['runtime/main.test.ts', './cli/index.js'],
  ['bench/a.ts', '../runtime/index.js'],
])('%s may import %s', (path, target) => {
  expect(imports(path, target)).toBe(0);
});

test('every way to write an import is seen, with its line', () => {
  const up = '../cli/index.js';
  for (const text of [
    `export * from "${up}"`,
    `import '${up}'`,
    `const x = await import('${up}')`,
    `import type { A } from '${up}'`,
    `import {\n  a,\n} from '${up}'`,
  ]) {
    const found = checkArrows('runtime/memory/a.ts', `// first\n${text};\n`);
    expect(found).toHaveLength(1);
    expect(found[0].line).toBe(text.includes('\n') ? 4 : 2);
  }
});

test('make tidy exits 1 on a broken arrow, and 0 on a mere point of style', () => {
  const root = mkdtempSync(join(tmpdir(), 'rve-tidy-'));
  const put = (path, text) => {
    mkdirSync(join(root, dirname(path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  const run = () => {
    const args = [join(ROOT, 'tools/tidy.mjs'), root];
    return spawnSync(process.execPath, args, { encoding: 'utf8' });
  };
  try {
    put('native/base/a.cpp', `// ${'x'.repeat(120)}\n`);
    const fine = run();
    expect(fine.stdout).toContain('native/base/a.cpp:1: 123 columns');
    expect(fine.status).toBe(0);
    put('native/base/b.cpp', '#include "engine/tail.hpp"\n');
    const bad = run();
    expect(bad.stdout).toContain('native/base/b.cpp:1: engine/tail.hpp: base may not know engine');
    expect(bad.status).toBe(1);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
});

test('this project has no broken arrow', () => {
  execFileSync(process.execPath, [join(ROOT, 'tools/tidy.mjs')], { stdio: 'pipe' });
});

test.each([
  ['runtime/a.ts', 'const t = Date.now();'],
  ['sim/a.ts', 'const r = Math.random();'],
  ['native/engine/a.cpp', 'auto t = std::chrono::steady_clock::now();'],
  ['native/engine/a.cpp', 'std::random_device device;'],
  ['runtime/a.ts', '// TODO later'],
  ['native/base/a.hpp', '// TODO(me): later'],
])('%s with "%s" is a point of style', (path, line) => {
  expect(checkStyle(path, `${line}\n`)).toHaveLength(1);
});

test.each([
  ['runtime/main.ts', 'const t = Date.now();'],
  ['native/base/env_posix.cpp', 'clock_gettime(CLOCK_REALTIME, &now);'],
  ['runtime/a.ts', "const text = 'Date.now()'; // Date.now()"],
  ['runtime/a.ts', '// TODO(#12) later'],
])('%s with "%s" is none', (path, line) => {
  expect(checkStyle(path, `${line}\n`)).toHaveLength(0);
});

test('long functions and files are found where they begin', () => {
  const body = '  f();\n'.repeat(75);
  const [cpp] = checkStyle('native/base/a.cpp', `\nvoid g(int a) const {\n${body}}\n`);
  expect(cpp).toMatchObject({ line: 2, text: 'a function of 77 lines, above 70' });
  const [ts] = checkStyle('sim/a.ts', `const g = () => {\n${body}};\n`);
  expect(ts).toMatchObject({ line: 1 });
  expect(checkStyle('native/base/a.cpp', `namespace rve {\n${body}}\n`)).toHaveLength(0);
  expect(checkStyle('sim/a.ts', '\n'.repeat(700))).toHaveLength(1);
});

test('built files in git are named', () => {
  const files = ['a.cpp', 'build/host/x', 'native/a.o', 'x.node', 'pkg.deb', 'runtime/data.ts'];
  expect(builtFiles(files)).toEqual(['build/host/x', 'native/a.o', 'x.node', 'pkg.deb']);
});
