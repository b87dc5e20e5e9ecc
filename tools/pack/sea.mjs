// Node's own single-executable form: the official executable, and a blob in an ELF note.
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const require = createRequire(import.meta.url);
// Of Node's documentation of single executables: marks the place where Node looks for the blob.
const FUSE = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2';

/**
 * @param {{ work: string, script: string, assets: Record<string, string>, builder: string,
 *           node: string, out: string }} plan
 * `builder`: a Node of this machine, of the very version of `node`: what another one writes the
 * base cannot read. No code cache: only the board's own Node could make it, and it would be other
 * bytes each time. `node` is stripped already: later strip would take the blob for rubbish.
 */
export async function packSea(plan) {
  mkdirSync(plan.work, { recursive: true });
  const at = (name) => join(plan.work, name);
  const base = at('base');
  writeFileSync(at('app.cjs'), plan.script);
  // Node writes the name of `main` into the blob: relative, or it would tell where this was built.
  writeFileSync(
    at('sea.json'),
    JSON.stringify({
      main: 'app.cjs',
      output: 'app.blob',
      disableExperimentalSEAWarning: true,
      useSnapshot: false,
      useCodeCache: false,
      assets: plan.assets,
    }),
  );
  const options = { cwd: plan.work, stdio: 'pipe' };
  execFileSync(plan.builder, ['--experimental-sea-config', 'sea.json'], options);
  copyFileSync(plan.node, base);
  await quietly(() =>
    require('postject').inject(base, 'NODE_SEA_BLOB', readFileSync(at('app.blob')), { sentinelFuse: FUSE }),
  );
  renameSync(base, plan.out);
  rmSync(plan.work, { recursive: true });
}

/** The ELF writer below postject warns of section names that Node's own linker left out. */
async function quietly(work) {
  const { warn } = console;
  console.warn = () => {};
  try {
    await work();
  } finally {
    console.warn = warn;
  }
}
