// make tidy: fails on a broken import arrow (tidy_arrows.mjs); reports points of style
// (tidy_style.mjs).
import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';

import { ROOT } from './generated.mjs';
import { checkArrows } from './tidy_arrows.mjs';
import { builtFiles, checkStyle } from './tidy_style.mjs';

const SKIPPED = new Set(['node_modules', 'build', 'data', 'coverage', '.git']);
const READ = /\.(cpp|hpp|c|h|ts|mjs|mk)$|^Makefile$/;

function* walk(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (SKIPPED.has(entry.name)) continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* walk(path);
    else if (entry.isFile() && READ.test(entry.name)) yield path;
  }
}

function trackedFiles(root) {
  try {
    const options = { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] };
    return execFileSync('git', ['ls-files', '-z'], options).split('\0');
  } catch {
    return []; // No git, or a copy without its history: nothing can be said.
  }
}

function print(findings) {
  for (const { path, line, text } of findings) console.log(`  ${path}:${line}: ${text}`);
}

const root = resolve(process.argv[2] ?? ROOT);
const arrows = [];
const style = [];
let fileCount = 0;
for (const file of [...walk(root)].sort()) {
  const path = relative(root, file);
  const source = readFileSync(file, 'utf8');
  fileCount += 1;
  arrows.push(...checkArrows(path, source));
  style.push(...checkStyle(path, source));
}
for (const path of builtFiles(trackedFiles(root))) {
  style.push({ path, line: 1, text: 'a built file in git' });
}

if (style.length > 0) console.log('Points of style (reported only):');
print(style);
if (arrows.length > 0) console.log('Broken import arrows (DESIGN.md section 3):');
print(arrows);
console.log(`${fileCount} files, ${arrows.length} broken arrows, ${style.length} points of style`);
process.exitCode = arrows.length > 0 ? 1 : 0;
