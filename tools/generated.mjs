// What the generators share: files below the project root, written only when they change.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');

export function readText(path) {
  return readFileSync(join(ROOT, path), 'utf8');
}

/**
 * Writes each file that differs; with `check` only names it. Returns the names of those that differ.
 * @param {Record<string, string>} files text by path below the root
 */
export function generate(files, check = process.argv.includes('--check')) {
  const stale = [];
  for (const [path, text] of Object.entries(files)) {
    const full = join(ROOT, path);
    if (existsSync(full) && readFileSync(full, 'utf8') === text) continue;
    stale.push(path);
    if (check) continue;
    mkdirSync(dirname(full), { recursive: true });
    writeFileSync(full, text);
  }
  return { check, stale };
}

/** Runs `make` when the module at `url` is the program itself, and not imported by a test. */
export function runGenerator(url, make) {
  if (process.argv[1] !== fileURLToPath(url)) return;
  const { check, stale } = make();
  for (const path of stale) {
    if (check) console.error(`Stale: ${path}. Try: make generate`);
    else console.log(`  GEN   ${path}`);
  }
  if (check && stale.length > 0) process.exitCode = 1;
}
