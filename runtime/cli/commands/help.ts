import { configHelp, configMarkdown } from '../../config/index.js';
import { commandHelp } from '../args.js';
import { EXIT, print, printJson } from '../report.js';
import type { Command } from './spec.js';

/** Loaded on demand: help is made from the same specs that the parser reads. */
export function helpCommand(specsOf: () => Promise<readonly Command[]>): Command {
  return {
    spec: {
      name: 'help',
      summary: 'Explains a command, or the keys of rve.toml: rve help config.',
      positionals: ['[COMMAND]'],
      options: [
        { name: 'markdown', kind: 'flag', help: 'With config: the keys as a Markdown table.' },
      ],
    },
    async run(context, args) {
      const topic = args.positionals[0];
      const commands = await specsOf();
      let text: string;
      if (topic === undefined) text = overview(commands);
      else if (topic === 'config') text = args.flag('markdown') ? configMarkdown() : configHelp();
      else {
        const command = commands.find((one) => one.spec.name === topic);
        if (command === undefined) throw args.usage(`help: no command "${topic}".`);
        text = commandHelp(command.spec);
      }
      if (args.flag('json')) await printJson(context.stdout, { help: text });
      else await print(context.stdout, text);
      return EXIT.fine;
    },
  };
}

function overview(commands: readonly Command[]): string {
  const lines = [
    'usage: rve COMMAND [ARGUMENT...]',
    '',
    'A crash-safe vector memory for machines that lose power.',
    '',
  ];
  for (const { spec } of commands) lines.push(`  ${spec.name.padEnd(9)}${spec.summary}`);
  lines.push(
    '',
    'rve help COMMAND explains one; rve help config, the keys of rve.toml. Each takes --json.',
    'Exit: 0 fine, 1 failed, 2 wrong usage, 3 store damaged.',
  );
  return `${lines.join('\n')}\n`;
}

export const versionCommand: Command = {
  spec: { name: 'version', summary: 'Prints the version.', positionals: [], options: [] },
  async run(context, args) {
    if (args.flag('json')) await printJson(context.stdout, { version: context.version });
    else await print(context.stdout, `rve ${context.version}\n`);
    return EXIT.fine;
  },
};
