import { expect, it } from 'vitest';

import { junit, type Verdict } from './verdict.js';

const VERDICT: Verdict = {
  scenario: 's',
  outcome: 'failed',
  seconds: 2,
  seed: 7,
  figures: { boot_s: 1.5 },
  steps: [
    { title: 'start', outcome: 'passed', seconds: 0.5, note: '' },
    { title: 'expect <login>', outcome: 'failed', seconds: 1.5, note: 'not "heard" & \u0007\nend' },
    { title: 'cut', outcome: 'not_reached', seconds: 0, note: '' },
  ],
  note: '',
};

it('JUnit holds a case a step, with its reason and the figures, as well-formed XML', () => {
  const xml = junit([VERDICT]);
  expect(xml).toContain('<testsuite name="s" tests="3" failures="1" errors="0" skipped="1"');
  expect(xml).toContain('<property name="boot_s" value="1.5"/>');
  expect(xml).toContain('name="expect &lt;login&gt;"');
  expect(xml).toContain('<failure message="not &quot;heard&quot; &amp; ?">');
  expect(xml).not.toContain('\u0007');
});

it('a scenario that cannot run is a failed case in JUnit', () => {
  const xml = junit([{ ...VERDICT, outcome: 'cannot_run', steps: [], note: 'no kernel' }]);
  expect(xml).toContain('tests="1" failures="1"');
  expect(xml).toContain('<failure message="no kernel">');
});
