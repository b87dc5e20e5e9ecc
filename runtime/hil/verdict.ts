// What came of a scenario, for programs and for CI.

export interface StepVerdict {
  readonly title: string;
  readonly outcome: 'passed' | 'failed' | 'not_reached';
  readonly seconds: number;
  /** Why it failed, or what it found. */
  readonly note: string;
}

export interface Verdict {
  readonly scenario: string;
  /** `cannot_run`: the machine lacks what the scenario needs; no step was played. */
  readonly outcome: 'passed' | 'failed' | 'cannot_run';
  readonly seconds: number;
  /** Repeats the same cuts, samples and data. */
  readonly seed: number;
  readonly figures: Readonly<Record<string, number>>;
  readonly steps: readonly StepVerdict[];
  readonly note: string;
}

/** JUnit's XML as Jenkins, GitLab and GitHub read it: a suite a scenario, a case a step. */
export function junit(verdicts: readonly Verdict[]): string {
  const lines = ['<?xml version="1.0" encoding="UTF-8"?>', '<testsuites>'];
  for (const verdict of verdicts) lines.push(...suite(verdict));
  lines.push('</testsuites>', '');
  return lines.join('\n');
}

function suite(verdict: Verdict): string[] {
  const { scenario, steps, seconds, seed, figures, outcome, note } = verdict;
  const cases =
    outcome === 'cannot_run'
      ? [{ title: 'can run here', outcome: 'failed' as const, seconds: 0, note }]
      : steps;
  const failures = cases.filter((one) => one.outcome === 'failed').length;
  const skipped = cases.filter((one) => one.outcome === 'not_reached').length;
  const lines = [
    `  <testsuite name="${xml(scenario)}" tests="${cases.length}" failures="${failures}" ` +
      `errors="0" skipped="${skipped}" time="${seconds.toFixed(3)}">`,
    '    <properties>',
    `      <property name="seed" value="${seed}"/>`,
    ...Object.entries(figures).map(
      ([name, value]) => `      <property name="${xml(name)}" value="${value}"/>`,
    ),
    '    </properties>',
  ];
  for (const one of cases) {
    const head =
      `    <testcase classname="${xml(scenario)}" name="${xml(one.title)}" ` +
      `time="${one.seconds.toFixed(3)}"`;
    if (one.outcome === 'failed') {
      const first = one.note.split('\n')[0] ?? '';
      lines.push(`${head}>`, `      <failure message="${xml(first)}">${xml(one.note)}</failure>`);
      lines.push('    </testcase>');
    } else if (one.outcome === 'not_reached') {
      lines.push(`${head}><skipped message="an earlier step failed"/></testcase>`);
    } else if (one.note === '') {
      lines.push(`${head}/>`);
    } else {
      lines.push(`${head}><system-out>${xml(one.note)}</system-out></testcase>`);
    }
  }
  lines.push('  </testsuite>');
  return lines;
}

/** Also without the control characters that XML 1.0 has no way to write. */
function xml(text: string): string {
  return text
    .replace(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd]/g, '?')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
