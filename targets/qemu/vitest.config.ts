import { defineConfig } from 'vitest/config';

// make qemu-user TARGET=arm64|riscv64: the tests that start what a board would start.
export default defineConfig({
  test: {
    root: '.',
    include: ['targets/**/*.qemu.test.mjs', 'targets/core.test.mjs'],
    pool: 'forks',
    // One process at a time: an emulated Node takes a core for seconds.
    fileParallelism: false,
    testTimeout: 240_000,
    hookTimeout: 240_000,
    reporters: ['default', './tools/vitest_count.mjs'],
  },
});
