import type { TestProject } from 'vitest/node'
import { findNatsServer } from '../src/adapters/nats-server/find.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    /** The binary's path, or why there is none: only the tests that need it fail then. */
    readonly natsServer: { readonly path: string } | { readonly missing: string }
  }
}

/**
 * Once per run, so that a server that has to be installed is installed once. QM_TEST_NATS_VERSION asks for exactly that
 * version; NATS_SERVER_BIN for that file.
 */
export const setup = async (project: TestProject): Promise<void> => {
  const version = process.env['QM_TEST_NATS_VERSION']
  const found = await findNatsServer({
    ...(version !== undefined && { version }),
    onProgress: (message) => process.stderr.write(`${message}\n`),
  }).catch((error: Error) => error)
  project.provide('natsServer', found instanceof Error ? { missing: found.message } : { path: found.path })
}
