import { defineConfig } from 'vitest/config';

// Tests run straight from source. A test that needs the addon waits for `make build`, which
// `make test-js` does first.
export default defineConfig({
  test: {
    include: [
      'sensors/**/*.test.ts',
      'sim/**/*.test.ts',
      'runtime/**/*.test.ts',
      'firmware-bridge/host/**/*.test.ts',
      'targets/**/*.test.{ts,mjs}',
      'tools/**/*.test.{ts,mjs}',
    ],
    // What runs on a board's CPU, emulated: make qemu-user (targets/qemu/vitest.config.ts).
    exclude: ['**/node_modules/**', 'build/**', 'bench/**', 'targets/**/*.qemu.test.mjs'],
    pool: 'forks', // An addon is loaded once a process: worker threads would share its globals.
    testTimeout: 20_000,
    hookTimeout: 20_000,
    // Daemons and brokers share two busy cores in CI; what fails twice has failed.
    retry: process.env['CI'] === undefined ? 0 : 1,
    reporters: ['default', './tools/vitest_count.mjs'],
    passWithNoTests: false,
  },
});
