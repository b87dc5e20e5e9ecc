// A million vectors (or --rows) in one process, as they come: what it keeps resident while it
// ingests, merges and codes, how queries answer meanwhile, and the same work in 128 MiB with a
// store that is larger.
import { statSync } from 'node:fs';
import { join } from 'node:path';

import { Child } from '../lib/child.mjs';
import { bytesOnDisk, evict, scratchFolder } from '../lib/machine.mjs';
import { memoryLimit } from '../lib/memory_limit.mjs';
import { PROFILES } from '../lib/profiles.mjs';
import { folderOf, sensors } from '../lib/sets.mjs';

const NAME = '1m';
const BASE = join(folderOf(NAME), 'base.f32');
const LIMIT_MIB = 128;
const PROFILE = 'edge 0.30';
/** The rate that must be held, and queries beside it. */
const PACE = 50_000;
const RSS_SETTLED = ['<=', 64];
const RSS_WORKING = ['<=', 112];
const P50 = ['<', 1];
const P99 = ['<', 10];
const EF = 40;

/** Fills a new store in a process of its own; what each step cost. */
async function fill(path, set, rows, { perSecond, limit } = {}) {
  const child = new Child('million', { execArgv: ['--expose-gc'] });
  if (limit !== undefined) limit.take(child.pid);
  const options = { dimensions: set.dimensions, metric: set.metric, ...PROFILES[PROFILE] };
  const out = { opened: await child.ask('open', { path, options, name: NAME }) };
  out.insert = await child.ask('insert', { file: BASE, rows, perSecond });
  out.fresh = await child.ask('ask', { ef: EF });
  out.settle = await child.ask('settle');
  await child.ask('close');
  await child.end();
  return out;
}

async function ask(path, limit) {
  evict(path);
  const child = new Child('million');
  if (limit !== undefined) limit.take(child.pid);
  await child.ask('open', { path, options: { readOnly: true }, name: NAME });
  const answer = await child.ask('ask', { ef: EF });
  await child.end();
  return answer;
}

function tell(report, rows, whole, { opened, insert, fresh, settle }) {
  report.kernels(settle.stats.kernels);
  report.figure('inserted, durable and searchable', 'vec/s', [rows / insert.seconds], ['>=', PACE]);
  // The background goes on while it is asked.
  const settled = insert.seconds + fresh.seconds + settle.seconds;
  report.figure('to settled', 'vec/s', [rows / settled]);
  for (const [what, step] of [
    ['ingest', insert],
    ['merging and coding', settle],
  ]) {
    report.figure(`query beside ${what}, p50`, 'ms', [step.p50], P50);
    report.figure(`query beside ${what}, p99`, 'ms', [step.p99], P99);
    report.figure(`RssAnon during ${what}, highest`, 'MiB', [step.rssPeak], RSS_WORKING);
  }
  if (whole) report.figure(`recall@10 at ef ${EF} while most wait for links`, '', [fresh.recall]);
  report.figure('RssAnon settled', 'MiB', [settle.rssAnonMiB], RSS_SETTLED);
  report.figure('RssAnon of Node and an empty memory', 'MiB', [opened.rssAnonMiB]);
}

// The truth is that of the whole set.
function tellAnswers(report, path, answer, whole) {
  if (whole) report.figure(`recall@10 at ef ${EF}`, '', [answer.recall]);
  report.figure('query, begun cold, p50', 'ms', [answer.p50]);
  report.figure('query, begun cold, p99', 'ms', [answer.p99]);
  report.figure('store', 'MiB', [bytesOnDisk(path) / 2 ** 20]);
}

export async function run(report, { rows: wanted }) {
  const set = await sensors(NAME, { withBase: false });
  const rows = Math.min(wanted ?? set.rows, set.rows);
  if (!(statSync(BASE).size >= rows * set.dimensions * 4)) return 'the set is cut off';
  const folder = scratchFolder();
  const path = join(folder, 'free.rve');
  const whole = rows === set.rows;
  tell(report.about('full speed'), rows, whole, await fill(path, set, rows));
  const paced = join(folder, 'paced.rve');
  tell(report.about(`${PACE}/s`), rows, whole, await fill(paced, set, rows, { perSecond: PACE }));
  tellAnswers(report, path, await ask(path), whole);
  const limit = memoryLimit(LIMIT_MIB);
  if (typeof limit === 'string') {
    report.note(`skipped in ${LIMIT_MIB} MiB: ${limit}`);
    return undefined;
  }
  const small = join(folder, 'small.rve');
  const part = report.about(`in ${LIMIT_MIB} MiB`);
  try {
    tell(part, rows, whole, await fill(small, set, rows, { limit }));
    tellAnswers(part, small, await ask(small, limit), whole);
    part.figure('memory used, page cache included, highest', 'MiB', [limit.peakMiB()]);
  } finally {
    limit.end();
  }
  return undefined;
}
