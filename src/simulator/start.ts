import { Worker } from 'node:worker_threads'
import { z } from 'zod'

const Started = z.object({ url: z.string(), token: z.string() })
export type StartedSimulator = z.infer<typeof Started> & {
  /** Settles when the thread ends before it was stopped, with its error. */
  readonly failed: Promise<Error>
  stop(): Promise<void>
}
export type StartOptions = {
  readonly folder: string
  readonly trace: 'openb'
  readonly seed: number
  /** Only so many nodes of the trace, and pods in the same measure. */
  readonly nodes?: number | undefined
  /** 0, the default, takes a free one. */
  readonly port?: number
}

/**
 * Starts the simulated cluster in a thread of its own, so that it shares no event loop with the actors. A folder that holds
 * the world already is gone on with.
 * @throws when the world can't be built or read, with the reason
 */
export const startSimulator = async (options: StartOptions): Promise<StartedSimulator> => {
  const worker = new Worker(new URL('./worker.ts', import.meta.url), { workerData: options })
  const ended = new Promise<number>((resolve) => worker.once('exit', resolve))
  const failed = new Promise<Error>((resolve) =>
    worker.on('error', (error) => resolve(error instanceof Error ? error : new Error(String(error)))),
  )
  const first = new Promise<unknown>((resolve) => worker.once('message', resolve))
  const failure = failed.then((error) => {
    throw error
  })
  const early = ended.then((code) => {
    throw new Error(`the simulated cluster ended before it served (exit code ${code})`)
  })
  early.catch(() => undefined) // it also ends when it is stopped; only the race below asks
  failure.catch(() => undefined) // likewise: `failed` is what tells of a later failure
  const { url, token } = Started.parse(await Promise.race([first, failure, early]))
  const stop = async (): Promise<void> => {
    worker.postMessage('stop')
    await ended
  }
  return { url, token, failed, stop }
}
