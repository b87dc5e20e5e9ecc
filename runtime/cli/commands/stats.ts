import type { StoreStats } from '../context.js';
import { withReach } from '../reach.js';
import { EXIT, print, printJson } from '../report.js';
import { TIER_FIGURES, tierReport } from '../tiers.js';
import type { Command } from './spec.js';

export const statsCommand: Command = {
  spec: {
    name: 'stats',
    summary: 'Prints the figures of a store: memory.stats(). Works beside a running daemon.',
    positionals: ['STORE'],
    options: [],
    notes: [
      'Tiers: hot f32, warm f16, cool 8-bit codes, cold 4-bit codes, archive 1 bit a dimension.\n' +
        'Their bytes are those of the codes; ids, times, graph and codebooks are not in them.\n' +
        'Heat says how often a vector is asked for, decayed: 1 just now, 0 never.',
    ],
  },
  async run(context, args) {
    const stats = await withReach(context, args.positional(0), true, (reach) =>
      reach.ask('stats', {}),
    );
    if (args.flag('json')) await printJson(context.stdout, stats);
    else await print(context.stdout, report(stats as StoreStats));
    return EXIT.fine;
  },
};

function report(stats: StoreStats): string {
  const rest = Object.entries(stats).filter(([name]) => !isTierFigure(name));
  return `${asText(Object.fromEntries(rest), '')}\n${tierReport(stats)}`;
}

function isTierFigure(name: string): boolean {
  return (TIER_FIGURES as readonly string[]).includes(name);
}

/** `name  value` a line; what is nested is indented below its name. */
function asText(values: Readonly<Record<string, unknown>>, indent: string): string {
  const width = Math.max(0, ...Object.keys(values).map((name) => name.length)) + 2;
  let text = '';
  for (const [name, value] of Object.entries(values)) {
    if (Array.isArray(value)) {
      text += `${indent}${name.padEnd(width)}${value.length}\n`;
      for (const one of value) text += `${indent}  ${inline(one)}\n`;
    } else if (typeof value === 'object' && value !== null) {
      text += `${indent}${name}\n${asText(value as Record<string, unknown>, `${indent}  `)}`;
    } else {
      text += `${indent}${name.padEnd(width)}${shown(value)}\n`;
    }
  }
  return text;
}

function inline(value: unknown): string {
  if (typeof value !== 'object' || value === null) return shown(value);
  return Object.entries(value)
    .map(([name, one]) => `${name} ${shown(one)}`)
    .join(', ');
}

function shown(value: unknown): string {
  return typeof value === 'number'
    ? value.toLocaleString('en-US', { maximumFractionDigits: 3 })
    : String(value);
}
