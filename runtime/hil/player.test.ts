import { describe, expect, it } from 'vitest';

import { FakeMachine, fakeWorld, type FakeFaults } from './fake.fixture.js';
import { play } from './player.js';
import { parseScenario } from './scenario.js';
import type { Verdict } from './verdict.js';

const SEED = Number(process.env['RVE_SEED'] ?? 4711);

async function playText(
  text: string,
  faults: FakeFaults = {},
  late = false,
  sleep?: (machine: FakeMachine, ms: number) => Promise<void>,
): Promise<{ verdict: Verdict; machine: FakeMachine; said: string[] }> {
  const scenario = parseScenario(`name = "s"\nabout = "a"\n${text}`, 's.toml');
  const machine = new FakeMachine(faults);
  const said: string[] = [];
  const verdict = await play({
    scenario,
    machine,
    world: {
      ...fakeWorld(said, late),
      ...(sleep && { sleep: (ms: number) => sleep(machine, ms) }),
    },
    seed: SEED,
    target: 'fake',
    folder: '/nonexistent',
    signal: new AbortController().signal,
  });
  return { verdict, machine, said };
}

const steps = (...list: string[]): string => list.map((one) => `[[step]]\n${one}\n`).join('');
const BROKER = '[broker]\n[machine]\nappend = "rve.broker=${broker_url}"\n';
const CUTS = `${BROKER}
[[step]]
do = "start"
[[step]]
do = "load"
background = true
[[step]]
do = "repeat"
times = 3
  [[step.step]]
  do = "power_cut"
  acks = [5, 20]
  [[step.step]]
  do = "start"
  [[step.step]]
  do = "query"
  sample = 0
[[step]]
do = "load_stop"
`;

describe('a scenario', () => {
  it('passes when every step does, and gives its figures', async () => {
    const { verdict, machine } = await playText(
      steps(
        'do = "start"\nappend = "rve.x=${seed}"\nclock = "1970-01-01T00:00:00"',
        'do = "expect"\npattern = "up ([0-9.]+) s"\nfigures = ["up_s"]',
        'do = "bound"\nfigure = "up_s"\nmax = 2',
        'do = "send"\ntext = "poweroff"',
        'do = "ended"',
      ),
    );
    expect(verdict.note).toBe('');
    expect(verdict.outcome).toBe('passed');
    expect(verdict.figures).toEqual({ up_s: 1.25 });
    expect(machine.typed).toEqual(['poweroff\n']);
    expect(machine.starts).toEqual([{ append: `rve.x=${SEED}`, clock: '1970-01-01T00:00:00' }]);
    expect(machine.closed).toBe(1);
  });

  it('stops at the first step that fails, and counts the rest as not reached', async () => {
    const { verdict, machine } = await playText(
      steps('do = "start"', 'do = "expect"\ntext = "never said"\nwithin_s = 0.5', 'do = "ended"'),
      {},
      true,
    );
    expect(verdict.outcome).toBe('failed');
    const outcomes = verdict.steps.map(({ outcome }) => outcome);
    expect(outcomes).toEqual(['passed', 'failed', 'not_reached']);
    expect(verdict.note).toContain('waited 0.5 s');
    expect(verdict.note).toContain('up 1.25 s');
    expect(machine.closed).toBe(1);
  });

  it('fails a wait at once when the console says what must not come', async () => {
    const { verdict } = await playText(
      steps('do = "start"', 'do = "expect"\ntext = "never"\nnot = "up .* s"'),
    );
    expect(verdict.note).toContain('the console said "up 1.25 s"');
  });

  it('fails whatever step is in hand when the console says what is fatal', async () => {
    const { verdict } = await playText(
      '[machine]\nfatal = "up 1"\n' + steps('do = "start"', 'do = "expect"\ntext = "never"'),
    );
    expect(verdict.note).toContain('start: the console said "up 1.25 s"');
  });

  it('fails a bound that is exceeded, or that nothing measured', async () => {
    const measured = await playText(
      steps(
        'do = "start"',
        'do = "expect"\npattern = "up ([0-9.]+)"\nfigures = ["up_s"]',
        'do = "bound"\nfigure = "up_s"\nmax = 1',
      ),
    );
    expect(measured.verdict.note).toContain('up_s is 1.25, above 1');
    const unmeasured = await playText(steps('do = "bound"\nfigure = "up_s"\nmax = 1'));
    expect(unmeasured.verdict.note).toContain('no earlier step measured up_s');
  });
});

describe('power cuts under load', () => {
  it('pass when all that was acknowledged is found again after each', async () => {
    console.log(`seed ${SEED}`);
    const { verdict } = await playText(CUTS);
    expect(verdict.note).toBe('');
    expect(verdict.steps.filter(({ title }) => title.startsWith('power cut'))).toHaveLength(3);
    const last = verdict.steps.at(-1);
    expect(last?.note).toMatch(/^\d+ acknowledged, all that was sent$/);
  });

  it('fail when the machine acknowledges what it has not stored', async () => {
    const { verdict } = await playText(CUTS, { forgets: true });
    expect(verdict.outcome).toBe('failed');
    expect(verdict.note).toContain('acknowledged records are not found');
  });

  it('are the same cuts for the same seed', async () => {
    const cutsOf = ({ steps }: Verdict): string[] =>
      steps.flatMap(({ note }) => /^after \d+ more .* and \d+ ms/.exec(note) ?? []);
    const [first, second] = [await playText(CUTS), await playText(CUTS)];
    expect(cutsOf(first.verdict)).toHaveLength(3);
    expect(cutsOf(first.verdict)).toEqual(cutsOf(second.verdict));
  });
});

describe('the other steps', () => {
  it('a load waits for its acknowledgements, and a query is answered', async () => {
    const { verdict } = await playText(
      BROKER +
        steps(
          'do = "start"\nmark = "on"',
          'do = "load"\ncount = 20\nfigure = "rate"',
          'do = "ask"\ntimes = 3\nk = 1\nsince = "on"\nfigure = "first_ms"',
        ),
    );
    expect(verdict.note).toBe('');
    expect(Object.keys(verdict.figures)).toEqual(['rate', 'first_ms']);
  });

  it('stalled passes when acknowledgements end, and only then', async () => {
    const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
    // One in flight: when the machine has taken two more, one more is acknowledged.
    const sleepOf = (deafAfter?: number) => async (machine: FakeMachine, ms: number) => {
      const goal = machine.stored + 2;
      do await tick();
      while (ms >= 1000 && machine.stored < goal && machine.stored !== deafAfter);
    };
    const stalls = (faults: FakeFaults): ReturnType<typeof playText> => {
      const load = 'do = "load"\nin_flight = 1\nbackground = true';
      const stalled = 'do = "stalled"\nfor_s = 1\nwithin_s = 10';
      const text = BROKER + steps('do = "start"', load, stalled);
      return playText(text, faults, false, sleepOf(faults.deafAfter));
    };
    expect((await stalls({ deafAfter: 5 })).verdict.outcome).toBe('passed');
    const { verdict } = await stalls({});
    expect(verdict.note).toMatch(/were acknowledged in 10 s/);
    const idle = BROKER + steps('do = "start"', 'do = "stalled"\nfor_s = 1');
    expect((await playText(idle)).verdict.note).toContain('nothing was sent');
  });

  it('bulk bytes must come back as they went', async () => {
    const text = '[machine]\nbulk = true\n' + steps('do = "start"', 'do = "bulk"\nbytes = 1000');
    expect((await playText(text)).verdict.outcome).toBe('passed');
    const flipped = await playText(text, { flipsBulk: true });
    expect(flipped.verdict.note).toContain('they are not the 1000 sent');
  });

  it('a query before anything was stored is a mistake, and says so', async () => {
    const { verdict } = await playText(BROKER + steps('do = "start"', 'do = "query"'));
    expect(verdict.note).toContain('load first');
  });
});
