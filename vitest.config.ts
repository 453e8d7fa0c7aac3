import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    isolate: false,
    include: ['test/**/*.test.ts'],
    globalSetup: 'test/nats-server.setup.ts',
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
})
