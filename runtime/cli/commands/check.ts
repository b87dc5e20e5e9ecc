import type { CheckReport } from '../../memory/index.js';
import { RveError } from '../../errors/index.js';
import type { Arguments } from '../args.js';
import type { CliContext } from '../context.js';
import { withReach } from '../reach.js';
import { EXIT, print, printJson } from '../report.js';
import type { Command } from './spec.js';

/** A store that fails to open with one of these is examined without opening it. */
const UNOPENABLE: ReadonlySet<string> = new Set(['ERR_CORRUPT', 'ERR_TRUNCATED']);

export const checkCommand: Command = {
  spec: {
    name: 'check',
    summary: 'Verifies every checksum of a store, writing nothing. Exit 3 when it is damaged.',
    positionals: ['STORE'],
    options: [
      { name: 'deep', kind: 'flag', inUsage: true, help: 'Audit the neighbour graphs too.' },
      {
        name: 'repair',
        kind: 'flag',
        inUsage: true,
        help: 'Save what the bytes of a damaged store allow; the old file stays as STORE.damaged.',
      },
    ],
    notes: ['--json prints { ok, damaged, lost, holes }.'],
  },
  async run(context, args) {
    const deep = args.flag('deep');
    let report = await examine(context, args);
    const repaired = args.flag('repair') && !report.ok;
    if (repaired) {
      if (!args.flag('json')) await print(context.stdout, asText(report, deep));
      report = await context.stores.repair(args.positional(0));
    }
    const { ok, damaged, lost, holes, notes } = report;
    if (args.flag('json')) {
      await printJson(context.stdout, {
        ok,
        damaged,
        lost,
        holes,
        notes,
        ...(repaired ? { repaired } : {}),
      });
    } else {
      const text = asText(report, deep && !repaired);
      await print(context.stdout, `${repaired ? 'Repaired.\n' : ''}${text}`);
    }
    return ok ? EXIT.fine : EXIT.damaged;
  },
};

async function examine(context: CliContext, args: Arguments): Promise<CheckReport> {
  const path = args.positional(0);
  try {
    return await withReach(context, path, true, async (reach) => {
      if (reach.remote && args.flag('repair')) {
        throw new RveError('ERR_BUSY', `${path} is in use by a daemon. Stop it before --repair.`);
      }
      return (await reach.ask('check', { deep: args.flag('deep') })) as CheckReport;
    });
  } catch (error) {
    if (!(error instanceof RveError) || !UNOPENABLE.has(error.code)) throw error;
    const report = await context.stores.check(path);
    // It did not open, whatever the file's own report makes of it.
    return {
      ...report,
      ok: false,
      damaged: report.damaged.length > 0 ? report.damaged : [error.message],
    };
  }
}

function asText(report: CheckReport, deep: boolean): string {
  const lines = report.ok
    ? [`ok: every checksum holds${deep ? ', and every graph is sound' : ''}`]
    : report.damaged.map((what) => `damaged: ${what}`);
  if (!report.ok) lines.push(`${report.lost} records lost, ${report.holes} holes in the log`);
  return `${[...lines, ...report.notes.map((note) => `note: ${note}`)].join('\n')}\n`;
}
