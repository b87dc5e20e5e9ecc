// Looks into a block log by hand, and makes the image of one cut: to see what a failed replay saw.
//
//   node build/host/js/tools/blklog/main.js LOG                      prints its entries
//   node build/host/js/tools/blklog/main.js LOG BASE IMAGE CUT SEED  writes the disk after that cut
//
// BASE is the disk before the first entry. SEED draws which unflushed writes are dropped; `none` drops
// nothing.
import { copyFile, rm } from 'node:fs/promises';

import { BlockLog, FLAG, flushedBefore, isWrite, Replayer } from '../../runtime/hil/index.js';
import type { LogEntry } from '../../runtime/hil/index.js';
import { Rng } from '../../sim/index.js';

function entryLine(entry: LogEntry, index: number): string {
  const names = Object.entries(FLAG).filter(([, bit]) => (entry.flags & bit) !== 0);
  const what = isWrite(entry) ? `write ${entry.bytes} at ${entry.offset}` : '';
  return [String(index).padStart(6), what, ...names.map(([name]) => name)].join(' ').trimEnd();
}

async function imageOf(log: BlockLog, base: string, to: string, words: string[]): Promise<string> {
  const [cutText, seed] = words;
  const cut = Number(cutText);
  if (!Number.isInteger(cut) || cut < 0 || cut > log.entries.length) {
    throw new Error(`CUT must be 0 to ${log.entries.length}, not ${cutText}`);
  }
  const rng = seed === 'none' ? null : new Rng(Number(seed));
  const work = `${to}.work`;
  await copyFile(base, work);
  try {
    const keeps = rng === null ? () => true : () => rng.uniform() < 0.5;
    const { dropped } = await new Replayer(log, work).image(cut, to, keeps);
    const settled = flushedBefore(log.entries, cut);
    return `${to}: ${settled} entries flushed, ${cut - settled} behind, ${dropped} writes dropped`;
  } finally {
    await rm(work, { force: true });
  }
}

const [path, base, to, ...words] = process.argv.slice(2);
if (path === undefined || (base !== undefined && words.length !== 2)) {
  console.error('usage: main.js LOG [BASE IMAGE CUT SEED|none]');
  process.exit(2);
}
const log = await BlockLog.open(path);
try {
  if (base === undefined || to === undefined) {
    for (const [index, entry] of log.entries.entries()) console.log(entryLine(entry, index));
  } else {
    console.log(await imageOf(log, base, to, words));
  }
} finally {
  await log.close();
}
