import { z } from 'zod'
import type { Pod } from '../../events/kubernetes.ts'
import { Blocked, type Evictions, Gone, type KubernetesWrites, type ObjectNews, Refused, Unavailable } from '../../ports.ts'
import { createSlots } from '../../runtime/slots.ts'
import type { KubernetesClient } from './client.ts'
import { budgetPath } from './paths.ts'
import { type Allowance, createTurns } from './turns.ts'

const Budget = z.object({ status: z.object({ disruptionsAllowed: z.number().default(0) }).default({ disruptionsAllowed: 0 }) })
const BUDGETS = { group: 'policy', resource: 'poddisruptionbudgets' } as const
const PODS = { group: '', resource: 'pods' } as const

/** Those who wait for pods to go look at so many at the same time. */
const LOOKS = 32
/** Usually its deletion is told sooner. */
const FIRST_LOOK_MS = 1_000
const LOOK_MS = 10_000
/** So long after its grace period a pod should be gone. */
const OVERDUE_MS = 60_000

/** Evictions over one client; the news only says when it is worth to look: what counts is what the API answers. */
export const kubernetesEvictions = (client: KubernetesClient, kubernetes: KubernetesWrites, news: ObjectNews): Evictions => {
  const slots = createSlots()
  const turns = createTurns({
    read: async (namespace, budget) => {
      try {
        const allowance = allowanceIn(await client.request('GET', budgetPath(namespace, budget)))
        if (!allowance) throw new Unavailable(`the API's answer for budget ${namespace}/${budget} makes no sense`)
        return allowance
      } catch (error) {
        if (error instanceof Gone) return undefined
        throw error
      }
    },
    follow: (namespace, budget, heard) =>
      news.follow(BUDGETS, namespace, budget, (record) => {
        const allowance = allowanceIn(record)
        if (record === undefined || allowance) heard(allowance)
      }),
  })
  const look = async (namespace: string, name: string, signal: AbortSignal): Promise<Pod | undefined> => {
    const done = await slots.take('look', LOOKS, signal)
    try {
      return await kubernetes.getPod(namespace, name, signal)
    } finally {
      done()
    }
  }

  return {
    evict: async (pod, signal) => {
      const refusal = turns.refusal(pod)
      if (refusal)
        throw new Blocked(`not asked, as another pod of its owner was refused: ${refusal.message}`, undefined, refusal.budget)
      let granted: boolean | undefined
      try {
        await kubernetes.evictPod(pod, signal)
        granted = true
      } catch (error) {
        if (error instanceof Blocked || error instanceof Refused) granted = false
        if (error instanceof Blocked && error.budget !== undefined)
          turns.refused(pod, { budget: error.budget, message: error.message })
        throw error
      } finally {
        turns.settled(pod.uid, granted)
      }
    },
    awaitTurn: turns.await,
    awaitGone: async ({ namespace, name, uid }, signal) => {
      using hints = listening(news, namespace, name)
      for (let waitMs = FIRST_LOOK_MS; ; waitMs = LOOK_MS) {
        await hints.next(waitMs, signal)
        const found = await look(namespace, name, signal).catch(unknown)
        if (found === 'unknown') continue
        if (found?.metadata.uid !== uid) return 'gone'
        if (isOverdue(found)) return 'stuck'
      }
    },
  }
}

const allowanceIn = (budget: unknown): Allowance => Budget.safeParse(budget).data?.status

// A look that failed is tried again; what is refused for good goes to the machine, and so does an abort.
const unknown = (error: unknown): 'unknown' => {
  if (error instanceof Error && error.name === 'Unavailable') return 'unknown'
  throw error
}

/** `deletionTimestamp` is when its grace period ends. */
const isOverdue = ({ metadata: { deletionTimestamp } }: Pod): boolean =>
  deletionTimestamp !== undefined && Date.now() - Date.parse(deletionTimestamp) > OVERDUE_MS

/** The deletions of one object, as they are told: `next` comes back at the next one, or after so long. */
const listening = (news: ObjectNews, namespace: string, name: string) => {
  let heard = false
  let wake = (): void => {}
  const end = news.follow(PODS, namespace, name, (record) => {
    if (record !== undefined) return
    heard = true
    wake()
  })
  return {
    next: (ms: number, signal: AbortSignal): Promise<void> =>
      new Promise((resolve, reject) => {
        const settle = (then: () => void): void => {
          clearTimeout(timer)
          signal.removeEventListener('abort', abort)
          wake = () => {}
          heard = false
          then()
        }
        const abort = (): void => settle(() => reject(signal.reason as Error))
        const timer = setTimeout(() => settle(resolve), ms)
        wake = () => settle(resolve)
        signal.addEventListener('abort', abort, { once: true })
        if (signal.aborted) abort()
        else if (heard) wake()
      }),
    [Symbol.dispose]: end,
  }
}
