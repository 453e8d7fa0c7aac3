import { defineConfig } from 'vitest/config'
import { ClosingLine } from './test/closing-line.ts'

/** What waits for outages of many seconds, or runs the whole system for minutes: `npm run test:nats`. */
const slow = [
  'test/adversity/**',
  'test/scenarios/{access,cut-off,automation}.test.ts',
  'test/adapters/leases.test.ts',
  'test/commands/audit.test.ts',
]
const isSlow = process.env['QM_TEST_SLOW'] !== undefined

export default defineConfig({
  test: {
    isolate: false,
    // The scenarios wait more than they compute.
    maxWorkers: 2,
    include: isSlow ? slow.map((pattern) => pattern.replace('**', '**/*.test.ts')) : ['test/**/*.test.ts'],
    exclude: isSlow ? [] : slow,
    globalSetup: 'test/nats-server.setup.ts',
    reporters: ['default', new ClosingLine()],
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
})
