// A vitest reporter whose last line is the one that .ci/run adds up: `N passed, N failed`.
// A test file that fails to load counts as one failure, and so does an error outside any test:
// neither must pass for green.

/** Sums the states of all tests under vitest's result modules. */
export function countTests(modules, unhandledErrors) {
  const count = { passed: 0, failed: 0, skipped: 0 };
  for (const module of modules) {
    let failedInside = 0;
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      if (state === 'passed') count.passed += 1;
      else if (state === 'failed') failedInside += 1;
      else count.skipped += 1; // 'skipped', or 'pending' where the run was cut short
    }
    if (module.state() === 'failed' && failedInside === 0) failedInside = 1;
    count.failed += failedInside;
  }
  count.failed += unhandledErrors.length;
  return count;
}

/** The line itself: `3 passed, 0 failed`, with `, 1 skipped` where a test was skipped. */
export function countLine({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}

export default class CountReporter {
  onTestRunEnd(modules, unhandledErrors) {
    console.log(countLine(countTests(modules, unhandledErrors)));
  }
}
