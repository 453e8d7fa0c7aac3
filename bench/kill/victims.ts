import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import type { Beginning } from './victim.ts'

export type Victim = {
  readonly pid: number
  readonly begin: () => void
  /** Resolves when it serves commands; never, when it is killed before. */
  readonly ready: Promise<void>
  /** kill -9; resolves when it is gone. */
  readonly kill: () => Promise<void>
  /** Why it ended by itself; undefined while it lives or when it was killed. */
  readonly failure: () => string | undefined
}

/** A process that has everything loaded and waits for the word to begin. `compileCache` is a folder that all share. */
export const raise = async (beginning: Beginning, compileCache: string): Promise<Victim> => {
  const child = fork(new URL('./victim.ts', import.meta.url), {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    env: { ...process.env, NODE_COMPILE_CACHE: compileCache },
  })
  const said: string[] = []
  child.stderr?.on('data', (chunk: Buffer) => said.push(chunk.toString()))
  const exited = once(child, 'exit')
  const early = exited.then(([code]) => {
    throw new Error(`a process ended with ${String(code)} while it was loading: ${said.join('').slice(-2_000)}`)
  })
  early.catch(() => {}) // it ends later too: that is told by `failure`
  await Promise.race([heard(child, 'loaded'), early])
  const ready = heard(child, 'ready')
  let killed = false
  return {
    pid: child.pid ?? 0,
    begin: () => void child.send(beginning),
    ready,
    kill: async () => {
      killed = true
      child.kill('SIGKILL')
      await exited
    },
    failure: () =>
      killed || child.exitCode === null ? undefined : `it ended with ${child.exitCode}: ${said.join('').slice(-2_000)}`,
  }
}

const heard = (child: ChildProcess, word: string): Promise<void> =>
  new Promise((resolve) => {
    const hear = (message: unknown): void => {
      if (message !== word) return
      child.off('message', hear)
      resolve()
    }
    child.on('message', hear)
  })
