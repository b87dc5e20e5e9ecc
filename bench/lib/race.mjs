// Contenders side by side: each in a process of its own, built one after the other, then measured
// in turns, round after round at each place of their ladders of ef, so that all meet the same noise
// of the machine. Who is refused or breaks is skipped by name, with the reason.
import { rmSync } from 'node:fs';

import { Child } from './child.mjs';
import { evictFolder, folderBytes, scratchFolder } from './machine.mjs';
import { median } from './numbers.mjs';
import { reasonOf } from './profiles.mjs';
import { pointOf } from './sweep.mjs';

/** A pass of one contender ends after this, s, whatever it has asked by then. */
const PASS_SECONDS = 2;
/** Rows above which flat scans, and what takes minutes to build, stand back. */
const ROWS_MAX = { scan: 1_000_000, slow: 100_000 };
const RECALLS = [0.95, 0.99];

/** How the processes of contenders start: without what their libraries print. */
const QUIET = { stdout: 'ignore', env: { ...process.env, LANCEDB_LOG: 'off' } };

const told = (error) => reasonOf(error).replace(/^contender: (\w*Error: )?/, '');

class Contender {
  constructor(entry, where) {
    Object.assign(this, entry, { where, folder: scratchFolder(), passes: [], atRecall: [] });
    this.child = null;
    this.skipped = null;
  }

  get task() {
    const { library, variant, folder, where } = this;
    return { library, variant, folder, setName: where.setName, limits: where.limits };
  }

  /** Runs one step; a failure ends this contender, not the race. */
  async step(what, run) {
    if (this.skipped !== null) return undefined;
    try {
      return await run();
    } catch (error) {
      this.skipped = `${what}: ${told(error)}`;
      console.log(`skipped ${this.name}: ${this.skipped}`);
      if (this.child !== null) await this.child.kill().catch(() => {});
      return undefined;
    }
  }

  async build(set) {
    await this.step('build', async () => {
      const over = this.scan ? ROWS_MAX.scan : this.slow ? ROWS_MAX.slow : Infinity;
      if (set.rows > over) throw new Error(`too slow for ${set.rows} rows`);
      this.child = new Child('contender', QUIET);
      this.built = await this.child.ask('build', this.task);
      console.log(`  built ${this.name}: ${Math.round(this.built.settledRate)} vec/s`);
    });
  }

  async turn(place, round) {
    const ef = this.efs[place];
    if (ef === undefined) return;
    await this.step(`ef ${ef}`, async () => {
      if (round === 0) await this.child.ask('prepare', { ef });
      const pass = await this.child.ask('pass', { ef, secondsMax: PASS_SECONDS });
      (this.passes[place] ??= []).push(pass);
    });
  }

  /** What `recall:` in place of `ef` gives, where the contender takes it. */
  async turnAtRecall(recall) {
    if (this.skipped !== null || !this.mine) return;
    try {
      const pass = await this.child.ask('passAtRecall', { recall, secondsMax: PASS_SECONDS });
      this.atRecall.push({ recall, pass });
    } catch (error) {
      this.atRecall.push({ recall, refused: told(error) });
    }
  }

  async reopen(repeats) {
    await this.step('close', async () => {
      await this.child.ask('close');
      await this.child.end();
      this.child = null;
    });
    if (this.skipped !== null) return;
    this.bytes = folderBytes(this.folder);
    const runs = [];
    await this.step('cold open', async () => {
      for (let i = 0; i < repeats; i++) {
        evictFolder(this.folder);
        this.child = new Child('contender', { ...QUIET, execArgv: ['--expose-gc'] });
        runs.push(await this.child.ask('reopen', this.task));
        await this.child.kill();
        this.child = null;
      }
    });
    const of = (key) => runs.map((r) => r[key]);
    this.cold = { answeredMs: of('answeredMs'), rssAnonMiB: of('rssAnonMiB') };
  }

  /** What a report needs, without processes. */
  result(rows) {
    const { name, variant, mine = false, scan = false, skipped, built, atRecall, cold } = this;
    if (skipped !== null) return { name, mine, skipped };
    const points = this.passes.map((passes, place) => pointOf(this.efs[place], passes));
    const bytes = this.bytes / rows;
    return { name, variant, mine, scan, skipped, ...built, points, bytes, atRecall, cold };
  }
}

/**
 * Results of all entries on one set, in their order. `where`: { setName, limits } as setOf() takes
 * them; `set` the same set, read (and checked) here.
 */
export async function race(entries, set, where, repeats) {
  const field = entries
    .filter((entry) => entry.fits?.(set) ?? true)
    .map((entry) => new Contender(entry, where));
  for (const contender of field) await contender.build(set);
  const places = Math.max(...field.map(({ efs }) => efs.length));
  for (let place = 0; place < places; place++) {
    for (let round = 0; round < repeats; round++) {
      for (const contender of field) await contender.turn(place, round);
    }
  }
  for (const recall of RECALLS) {
    for (const contender of field) await contender.turnAtRecall(recall);
  }
  for (const contender of field) {
    await contender.reopen(repeats);
    rmSync(contender.folder, { recursive: true, force: true });
  }
  return field.map((contender) => contender.result(set.rows));
}

export const coldMs = ({ cold }) => (cold === undefined ? NaN : median(cold.answeredMs));
