import { defineConfig } from 'vitest/config'
import { ClosingLine } from './test/closing-line.ts'

/** What waits for outages of many seconds, or runs the whole system for minutes: `npm run test:nats`. */
const slow = [
  'test/adversity/**',
  'test/scenarios/{access,actions,automation,cut-off,kill}.test.ts',
  'test/actors/evictor/long-run.test.ts',
  'test/adapters/leases.test.ts',
  'test/commands/audit.test.ts',
]
/** What a real Kubernetes control plane is built and started for: `npm run test:cluster`. */
const cluster = ['test/**/*.cluster.test.ts']

const suites = {
  quick: { include: ['test/**/*.test.ts'], exclude: [...slow, ...cluster], setup: [] },
  slow: { include: slow.map((pattern) => pattern.replace('**', '**/*.test.ts')), exclude: cluster, setup: [] },
  cluster: { include: cluster, exclude: [], setup: ['test/control-plane/binaries.setup.ts'] },
}
const isCluster = process.env['QM_TEST_CLUSTER'] !== undefined
const { include, exclude, setup } = suites[isCluster ? 'cluster' : process.env['QM_TEST_SLOW'] !== undefined ? 'slow' : 'quick']

export default defineConfig({
  test: {
    isolate: false,
    // The scenarios wait more than they compute; a control plane computes.
    maxWorkers: isCluster ? 1 : 2,
    include,
    exclude,
    globalSetup: ['test/nats-server.setup.ts', ...setup],
    reporters: ['default', new ClosingLine()],
    testTimeout: isCluster ? 180_000 : 30_000,
    hookTimeout: isCluster ? 300_000 : 60_000,
  },
})
