import type { TestProject } from 'vitest/node'
import { type Binaries, findBinaries } from './binaries.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    /** The control plane's programs, or why there are none: every test that needs them fails with that sentence. */
    readonly controlPlane: Binaries | { readonly missing: string }
  }
}

/** Milliseconds between two lines where nobody's terminal can overwrite one. */
const LINE_MS = 20_000

/** Once per run, so that what has to be built is built once and said while it is. QM_TEST_KUBERNETES names another module. */
export const setup = async (project: TestProject): Promise<void> => {
  const kubernetes = process.env['QM_TEST_KUBERNETES']
  const found = await findBinaries({ onProgress: progress(), ...(kubernetes !== undefined && { kubernetes }) }).catch(
    (error: Error) => error,
  )
  project.provide('controlPlane', found instanceof Error ? { missing: found.message } : found)
}

/** On a terminal one line that changes; elsewhere a line for each new thing, and now and then how far it is. */
const progress = (): ((message: string) => void) => {
  let [last, toldAt] = ['', 0]
  return (message) => {
    const [thing = ''] = message.split(':')
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${message}`)
    else if (thing !== last || performance.now() - toldAt > LINE_MS) {
      toldAt = performance.now()
      process.stderr.write(`${message}\n`)
    }
    last = thing
  }
}
