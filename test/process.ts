import { type ChildProcess, spawn } from 'node:child_process'

export type Process = {
  readonly child: ChildProcess
  /** What it has written so far, to stdout and stderr. */
  readonly output: () => string
  /** Comes back when it has ended. */
  end(signal: NodeJS.Signals): Promise<void>
}

/** As `npm start` and the first line of main.ts start it. */
const NODE = ['--max-semi-space-size=4']

/** `quartermaster` as a process of its own. @param env beside our own; undefined takes a variable away */
export const startProcess = (args: readonly string[], env: Readonly<Record<string, string | undefined>>): Process => {
  const child = spawn(process.execPath, [...NODE, 'src/main.ts', ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const chunks: string[] = []
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => chunks.push(chunk.toString()))
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  return {
    child,
    output: () => chunks.join(''),
    end: async (signal) => {
      child.kill(signal)
      await exited
    },
  }
}
