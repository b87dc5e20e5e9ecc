// A window of 1,000 live vectors slides over 50,000 inserts and deletes; then the true top 50 of
// queries are deleted from a larger memory. k must stay full, recall high, file and memory bounded.
// What is then nearest lies in the thick of the set, where codes of few bits rank least well: the
// recall of edge is told beside its recall before, that of precise must hold.
import { join } from 'node:path';

import { Memory } from '../lib/door.mjs';
import { exactTop } from '../lib/exact.mjs';
import { filled } from '../lib/fill.mjs';
import { rssAnonMiB, scratchFolder } from '../lib/machine.mjs';
import { slope } from '../lib/numbers.mjs';
import { TRUTH_K, rowOf, sensors } from '../lib/sets.mjs';

const K = 10,
  LIVE = 1_000,
  TURNOVER = 50_000,
  STEP = 10;
/** Rows between two looks at recall and size. */
const LOOK = 500,
  QUERIES = 20;
const DELETED = 50;
const TOP_QUERIES = 100;

/**
 * Worst answer length and recall of QUERIES queries against the exact top of rows [first, last).
 */
function look(memory, set, first, last, at) {
  const live = set.base.subarray(first * set.dimensions, last * set.dimensions);
  let full = K,
    hits = 0;
  for (let i = 0; i < QUERIES; i++) {
    const vector = rowOf(set.query, (at + i) % set.queries, set.dimensions);
    const { ids } = memory.querySync({ vector, k: K });
    const wanted = new Set(exactTop(live, last - first, vector, set.dimensions, K));
    full = Math.min(full, ids.length);
    for (const id of ids) if (wanted.has(id - first)) hits++;
  }
  return { full, recall: hits / (QUERIES * K) };
}

async function slide(set, folder) {
  const memory = await Memory.open(join(folder, 'churn.rve'), { dimensions: set.dimensions });
  const looks = [];
  const start = performance.now();
  for (let row = 0; row < LIVE + TURNOVER; row += STEP) {
    await memory.insert(set.base.subarray(row * set.dimensions, (row + STEP) * set.dimensions));
    const last = row + STEP,
      first = Math.max(0, last - LIVE);
    if (first > 0) await memory.forget(Array.from({ length: STEP }, (_, i) => first - STEP + i));
    if (first > 0 && first % LOOK === 0) {
      const { fileBytes, live, tailRows, deadRows } = memory.stats();
      looks.push({
        done: first,
        ...look(memory, set, first, last, first),
        fileBytes,
        live,
        tailRows,
        deadRows,
        rss: rssAnonMiB(),
      });
    }
  }
  const seconds = (performance.now() - start) / 1000;
  await memory.settle();
  const { fileBytes, kernels, live } = memory.stats();
  await memory.close();
  return { looks, seconds, fileBytes, kernels, live };
}

/** Of TOP_QUERIES queries: shortest answer, recall of all rows but `gone`, and the gone in them. */
function askAbout(memory, set, gone) {
  let full = K,
    hits = 0,
    dead = 0;
  for (let q = 0; q < TOP_QUERIES; q++) {
    const vector = rowOf(set.query, q, set.dimensions);
    const { ids } = memory.querySync({ vector, k: K });
    const wanted = new Set(exactTop(set.base, set.rows, vector, set.dimensions, K, { skip: gone }));
    full = Math.min(full, ids.length);
    for (const id of ids) {
      if (wanted.has(id)) hits++;
      if (gone.has(id)) dead++;
    }
  }
  return { full, recall: hits / (TOP_QUERIES * K), dead };
}

/** Deletes the true top 50 of each query; the answers before and then. */
async function deleteTop(set, folder, profile) {
  const memory = await filled(Memory, join(folder, `top-${profile}.rve`), set, { profile });
  const before = askAbout(memory, set, new Set());
  const gone = new Set();
  for (let q = 0; q < TOP_QUERIES; q++) {
    for (let i = 0; i < DELETED; i++) gone.add(set.truth[q * TRUTH_K + i]);
  }
  await memory.forget([...gone]);
  const after = askAbout(memory, set, gone);
  await memory.close();
  return { before, after, gone: gone.size };
}

function topFigures(report, profile, { before, after, gone }) {
  const what = `k after deleting the true top ${DELETED} (60,000 rows, ${profile})`;
  const least = profile === 'precise' ? ['>=', 0.95] : null;
  report.figure(what, '', [after.full], ['=', K]);
  report.figure('  recall@10 of the rest', '', [after.recall], least);
  report.figure('  recall@10 before', '', [before.recall], ['>=', 0.95]);
  report.figure(`  deleted rows among the answers (${gone} deleted)`, '', [after.dead], ['=', 0]);
}

function sizeFigures(report, looks) {
  const later = looks.slice(looks.length >> 1);
  const of = (key, scale = 1) => later.map((l) => l[key] / scale);
  const growth = (key) => slope(of('done'), of(key)) * 1000;
  const perThousand = 'slope, second half, per 1,000 inserts';
  report.figure('file, second half', 'MiB', of('fileBytes', 2 ** 20), ['<=', 32], 'worst');
  report.figure(`file ${perThousand}`, 'KiB', [growth('fileBytes') / 1024], ['<=', 64]);
  report.figure('RssAnon of the process, second half', 'MiB', of('rss'));
  report.figure(`RssAnon ${perThousand}`, 'KiB', [growth('rss') * 1024], ['<=', 64]);
  report.plot('churn-bytes', {
    title: 'Churn: bytes in the file, 1,000 live vectors',
    x: { title: 'inserted and deleted', from: 0 },
    y: { title: 'MiB', from: 0 },
    series: [
      { name: 'file', points: looks.map((l) => [l.done, l.fileBytes / 2 ** 20]) },
      { name: 'RssAnon', points: looks.map((l) => [l.done, l.rss]) },
    ],
  });
}

function recallFigures(report, looks) {
  const of = (key) => looks.map((l) => l[key]);
  report.figure('results for k = 10, every look', '', of('full'), ['=', K], 'worst');
  report.figure('recall@10, every look', '', of('recall'), ['>=', 0.95], 'worst');
  report.plot('churn-recall', {
    title: `Churn: recall@10 of ${QUERIES} queries at each look`,
    x: { title: 'inserted and deleted', from: 0 },
    y: { title: 'recall@10', from: 0.9, to: 1.005 },
    series: [{ name: 'ruvector-edge', points: looks.map((l) => [l.done, l.recall]) }],
    target: { y: 0.95, text: 'target 0.95' },
  });
}

export async function run(report) {
  const set = await sensors('60k');
  const folder = scratchFolder();
  const { looks, seconds, fileBytes, kernels, live } = await slide(set, folder);
  report.kernels(kernels);
  recallFigures(report, looks);
  sizeFigures(report, looks);
  report.figure('live at the end', '', [live], ['=', LIVE]);
  report.figure('file when settled', 'MiB', [fileBytes / 2 ** 20]);
  report.figure('vectors in and out', '1/s', [TURNOVER / seconds]);
  report.note(
    `${looks.length} looks of ${QUERIES} queries; inserts and deletes in steps of ${STEP}, awaited`,
  );
  for (const profile of ['precise', 'edge']) {
    topFigures(report, profile, await deleteTop(set, folder, profile));
  }
}
