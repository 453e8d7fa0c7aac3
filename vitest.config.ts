import { defineConfig } from 'vitest/config'
import { ClosingLine } from './test/closing-line.ts'

export default defineConfig({
  test: {
    isolate: false,
    // The scenarios wait more than they compute.
    maxWorkers: 2,
    include: ['test/**/*.test.ts'],
    globalSetup: 'test/nats-server.setup.ts',
    reporters: ['default', new ClosingLine()],
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
})
