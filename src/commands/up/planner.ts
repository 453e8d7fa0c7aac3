import { Worker } from 'node:worker_threads'
import { z } from 'zod'
import { Planned, Verified } from '../../events/evictor.ts'
import { NotReady, type Planner } from '../../ports.ts'
import type { Log } from '../../runtime/ground.ts'

/** What the planner's thread needs to find its way. */
export type PlannerData = {
  readonly cluster: string
  readonly servers: string | string[] | undefined
  readonly seedFile: string | undefined
  readonly policy: unknown
  /** As read: what OpenCost adds is asked for again and again. */
  readonly prices: unknown
}

/** The cluster in numbers, as the planner's model has it; undefined costs: no plan yet. */
export const Figures = z.object({
  ready: z.boolean(),
  nodes: z.number(),
  pods: z.number(),
  hourlyCost: z.number(),
  planned: z.number().optional(),
  /** What making the newest plan took. */
  solveMillis: z.number().optional(),
  bound: z.number().optional(),
  waitingFor: z.string().optional(),
})
export type Figures = z.infer<typeof Figures>

export type PlannerThread = Planner & {
  figures(): Promise<Figures>
  /** What the newest plan says of a node or pod; undefined: nothing. */
  planned(kind: 'node' | 'pod', name: string): Promise<unknown>
  stop(): Promise<void>
}

/** `trouble` is said without being asked. */
const Answer = z.object({
  id: z.number().default(-1),
  trouble: z.string().optional(),
  result: z.unknown().optional(),
  error: z.object({ name: z.string(), message: z.string() }).optional(),
})
type Waiting = { readonly resolve: (result: unknown) => void; readonly reject: (error: Error) => void }

/** Starts the thread that keeps the cluster model and plans on it. It is started again if it dies. */
export const startPlanner = async (data: PlannerData, log: Log): Promise<PlannerThread> => {
  const waiting = new Map<number, Waiting>()
  let count = 0
  let stopping = false
  let worker = start()

  function start(): Worker {
    const thread = new Worker(new URL('./planner-worker.ts', import.meta.url), { workerData: data })
    thread.on('message', (message) => {
      const { id, result, error, trouble } = Answer.parse(message)
      if (trouble !== undefined) log.warn({ trouble }, 'the planner')
      const asker = waiting.get(id)
      waiting.delete(id)
      if (error)
        asker?.reject(
          Object.assign(error.name === 'NotReady' ? new NotReady(error.message) : new Error(error.message), { name: error.name }),
        )
      else asker?.resolve(result)
    })
    thread.on('error', (error) => log.error({ err: error }, 'the planner failed and is started again'))
    thread.on('exit', () => {
      for (const { reject } of waiting.values()) reject(new NotReady('the planner is being started again'))
      waiting.clear()
      if (!stopping) setTimeout(() => (worker = start()), 1_000).unref()
    })
    return thread
  }
  const ask = (question: string, input: unknown, signal?: AbortSignal): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const id = ++count
      waiting.set(id, { resolve, reject })
      signal?.addEventListener('abort', () => waiting.delete(id) && reject(signal.reason as Error), { once: true })
      worker.postMessage({ id, question, input })
    })
  return {
    plan: async (request, signal) => Planned.parse(await ask('plan', request, signal)),
    verify: async (request, signal) => Verified.parse(await ask('verify', request, signal)),
    figures: async () => Figures.parse(await ask('figures', {})),
    planned: (kind, name) => ask('planned', { kind, name }),
    stop: async () => {
      stopping = true
      await worker.terminate()
    },
  }
}
