import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)
export type Ran = { readonly code: number; readonly out: string; readonly err: string }

/** The environment of a user whose home is this folder. */
export const environment = (home: string): NodeJS.ProcessEnv => ({
  ...process.env,
  QUARTERMASTER_HOME: home,
  NATS_URL: undefined,
  NO_COLOR: '1',
})

/** One of our commands as a user would run it. */
export const command = async (home: string, args: readonly string[], more: NodeJS.ProcessEnv = {}): Promise<Ran> => {
  const env = { ...environment(home), ...more }
  try {
    const { stdout, stderr } = await run(process.execPath, ['src/main.ts', ...args], { env, timeout: 60_000 })
    return { code: 0, out: stdout, err: stderr }
  } catch (error) {
    const { code, stdout, stderr } = error as { code: unknown; stdout: string; stderr: string }
    return { code: typeof code === 'number' ? code : 0, out: stdout, err: stderr }
  }
}
