// What a power cut left on the data disk, read without mounting it: fsck, copy the store out, open
// it on this host, and compare with what was acknowledged.

import { copyFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

import { RveError } from '../errors/index.js';
import { BlockLog, Replayer } from './block_log.js';
import type { Acknowledged, Ledger } from './ledger.js';
import { runTool } from './tool.js';
import { StepFailure, type HilWorld } from './world.js';

/** f16 keeps 11 bits of a number of at most 1. */
const VECTOR_ERROR_MAX = 1e-3;
/** Missing records named in a verdict. */
const NAMED_MAX = 5;

/** What is wrong with one image; null: nothing. */
export type Finding = string | null;

/**
 * Repairs the file system in `image` as a mount would (it replays the journal), takes the store out
 * and compares. Changes `image`.
 */
export async function checkImage(
  world: HilWorld,
  options: { image: string; store: string; folder: string; wanted: readonly Acknowledged[] },
): Promise<Finding> {
  const { image, store, folder, wanted } = options;
  const fsck = await runTool('e2fsck', ['-fy', image]);
  // 0 clean, 1 corrected; from 4 on something is left that it could not correct.
  if (fsck.code > 2) return `the file system cannot be repaired (e2fsck exit ${fsck.code})`;
  const copy = join(folder, 'copy.rve');
  await rm(copy, { force: true });
  await runTool('debugfs', ['-R', `dump ${store} ${copy}`, image]);
  const found = await stat(copy).catch(() => null);
  if (found === null) return wanted.length === 0 ? null : `${store} is not there`;
  return checkStore(world, copy, wanted);
}

/** Every wanted record must be in the store, once, with its vector; and the store must be whole. */
export async function checkStore(
  world: HilWorld,
  path: string,
  wanted: readonly Acknowledged[],
): Promise<Finding> {
  try {
    const report = await world.checkStore(path);
    if (!report.ok) return `the store is damaged: ${report.damaged.join('; ')}`;
    return await compare(world, path, wanted);
  } catch (error) {
    if (!(error instanceof RveError)) throw error;
    // A store cut short in its creation acknowledges nothing.
    if (wanted.length === 0) return null;
    return `the store does not open: ${error.code}: ${error.message}`;
  }
}

async function compare(
  world: HilWorld,
  path: string,
  wanted: readonly Acknowledged[],
): Promise<Finding> {
  const store = await world.openStore(path);
  const seen = new Map<number, Float32Array>();
  try {
    for await (const { payload, vector } of store.scan()) {
      const seq = (payload as { seq?: unknown } | null)?.seq;
      if (typeof seq !== 'number') continue;
      if (seen.has(seq)) return `record ${seq} is stored twice`;
      seen.set(seq, vector);
    }
  } finally {
    await store.close();
  }
  const missing = wanted.filter(({ sequence }) => !seen.has(sequence));
  if (missing.length > 0) {
    const names = missing.slice(0, NAMED_MAX).map(({ sequence }) => sequence);
    const list = `${names.join(', ')}${missing.length > NAMED_MAX ? ', ...' : ''}`;
    return `${missing.length} of ${wanted.length} acknowledged records are lost: ${list}`;
  }
  const changed = wanted.find(({ sequence, vector }) => !isNear(seen.get(sequence), vector));
  return changed === undefined ? null : `record ${changed.sequence} has another vector`;
}

function isNear(found: Float32Array | undefined, wanted: Float32Array): boolean {
  return (
    found !== undefined &&
    found.length === wanted.length &&
    wanted.every((value, i) => Math.abs(value - (found[i] ?? NaN)) <= VECTOR_ERROR_MAX)
  );
}

export interface ReplayOptions {
  /** The disk before the log's first entry. */
  readonly base: string;
  readonly log: string;
  /** Path of the store inside the disk. */
  readonly store: string;
  readonly folder: string;
  readonly ledger: Ledger;
  readonly cuts: number;
  readonly drops: 'unflushed' | 'nothing';
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

export interface ReplayResult {
  readonly entries: number;
  readonly cuts: number;
  /** Writes dropped, over all cuts. */
  readonly dropped: number;
  /** What was wrong at each bad cut. */
  readonly bad: readonly { cut: number; finding: string }[];
}

/**
 * Plays a block log up to many points, each as a power cut, and checks what is left. The very end
 * of the log is always among them: there the program had acknowledged most.
 */
export async function replayCuts(world: HilWorld, options: ReplayOptions): Promise<ReplayResult> {
  const { folder, ledger, drops, random } = options;
  const log = await BlockLog.open(options.log);
  const work = join(folder, 'replay-base.img');
  const image = join(folder, 'replay-cut.img');
  const bad: { cut: number; finding: string }[] = [];
  let dropped = 0;
  try {
    await copyFile(options.base, work);
    const replayer = new Replayer(log, work);
    const acknowledged = ledger.acknowledged;
    const cuts = chooseCuts(acknowledged, log.entries.length, options.cuts, random);
    for (const cut of cuts) {
      // A coin of its own for each cut: some lose nearly all, some nearly nothing.
      const share = random();
      const keeps = drops === 'nothing' ? () => true : () => random() < share;
      dropped += (await replayer.image(cut, image, keeps)).dropped;
      const wanted = acknowledged.filter(({ logEntries }) => logEntries <= cut);
      const finding = await checkImage(world, { image, store: options.store, folder, wanted });
      if (finding !== null) bad.push({ cut, finding });
    }
    return { entries: log.entries.length, cuts: cuts.length, dropped, bad };
  } finally {
    await log.close();
    for (const path of [work, image]) await rm(path, { force: true });
  }
}

function chooseCuts(
  acknowledged: readonly Acknowledged[],
  entries: number,
  count: number,
  random: () => number,
): number[] {
  if (acknowledged.length === 0) {
    throw new StepFailure('nothing was acknowledged, so nothing can be lost: load first');
  }
  let first = entries;
  for (const { logEntries } of acknowledged) first = Math.min(first, logEntries);
  // Equal: nothing reached the disk since, and the log's end is all there is to look at.
  if (first > entries) {
    throw new StepFailure('the block log ends before the first acknowledgement');
  }
  const cuts = new Set([entries]);
  for (let tried = 1; tried < count; tried++) {
    cuts.add(first + Math.floor(random() * (entries - first + 1)));
  }
  return [...cuts].sort((a, b) => a - b);
}
