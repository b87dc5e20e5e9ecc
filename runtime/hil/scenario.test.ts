import { describe, expect, it } from 'vitest';

import { parseScenario, stepsOf } from './scenario.js';

const HEAD = 'name = "s"\nabout = "a"\n';
const refused = (text: string, settings?: ReadonlyMap<string, string>): string => {
  try {
    parseScenario(text, 's.toml', settings);
  } catch (error) {
    return (error as Error).message;
  }
  return '';
};

describe('a scenario file', () => {
  it('takes its defaults', () => {
    const { machine, time_max_s } = parseScenario(`${HEAD}[[step]]\ndo = "start"`, 's.toml');
    expect(machine).toMatchObject({ memory_mib: 256, cpus: 1, bulk: false });
    expect(time_max_s).toBe(300);
  });

  it.each([
    ['[[step]]\ndo = "start"\nmemory = 3', 'step[1]: unknown key "memory"'],
    ['[[step]]\ndo = "stat"', 'Did you mean "start"?'],
    ['[[step]]\ndo = "expect"', 'either text or pattern'],
    ['[[step]]\ndo = "expect"\npattern = "("', 'must be a regular expression'],
    ['[[step]]\ndo = "send"\ntext = "${sed}"', 'nothing is called "sed"'],
    ['[[step]]\ndo = "load"', 'needs a section [broker]'],
    ['[broker]\n[[step]]\ndo = "image"', 'needs a section [disk]'],
    ['[broker]\n[disk]\n[[step]]\ndo = "replay"', 'block_log = true'],
    ['[[step]]\ndo = "bulk"\nbytes = 3', 'bulk = true'],
    ['[[step]]\ndo = "power_cut"\nwait_ms = [3, 1]', '[least, most]'],
    ['[machine]\nclock = "1970"\n[[step]]\ndo = "start"', 'like 1970-01-01T00:00:00'],
    ['[[step]\n', 'line 3'],
    ['', 'step'],
  ])('is refused with its place and what would do: %j', (text, message) => {
    expect(refused(HEAD + text)).toContain(message);
  });

  it('fills its variables in, with their types, and takes others from outside', () => {
    const text = `${HEAD}[vars]\ntimes = 2\nwho = "me"
[[step]]\ndo = "repeat"\ntimes = "\${times}"
[[step.step]]\ndo = "send"\ntext = "hi \${who} \${seed}"`;
    const titles = (settings?: Map<string, string>): string[] =>
      stepsOf(parseScenario(text, 's.toml', settings)).map(({ title }) => title);
    expect(titles()).toEqual(['send hi me ${seed} (1 of 2)', 'send hi me ${seed} (2 of 2)']);
    expect(titles(new Map([['times', '3']]))).toHaveLength(3);
    expect(titles(new Map([['time', '3']]))).toHaveLength(2);
    expect(refused(text, new Map([['times', 'x']]))).toContain('must be a number');
  });

  it('plays at most 10,000 steps', () => {
    const step = '{ do = "send", text = "x" }';
    const text = `${HEAD}[[step]]\ndo = "repeat"\ntimes = 5001\nstep = [${step}, ${step}]`;
    expect(refused(text)).toContain('more than 10000 steps');
  });
});
