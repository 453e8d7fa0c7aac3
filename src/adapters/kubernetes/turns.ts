import type { Evicted, Waiter } from '../../ports.ts'

/** What of a budget decides who may go; undefined: there is no such budget any more. */
export type Allowance = { readonly disruptionsAllowed: number } | undefined

/** Where a budget's allowance comes from. */
type AllowanceSource = {
  /** The truth. May reject: it is asked again. */
  read(namespace: string, budget: string): Promise<Allowance>
  /** Hints, in order. @returns ends them */
  follow(namespace: string, budget: string, heard: (allowance: Allowance) => void): () => void
}

type Turns = {
  /** Resolves when the waiter may ask again; rejects with the signal's reason. */
  await(waiter: Waiter, signal: AbortSignal): Promise<void>
  /** What became of an eviction that was asked for; `granted` undefined: nobody knows. */
  settled(uid: string, granted: boolean | undefined): void
  /** A budget has refused the pod; what its owner makes is alike, and under the same budget. */
  refused(pod: Evicted, refusal: Refusal): void
  /**
   * What the budget would answer now, as it did to another pod of the owner: as many as it allows wait for their turn
   * already, and this one would only get behind them. Undefined: ask the API.
   */
  refusal(pod: Evicted): Refusal | undefined
}

type Refusal = { readonly budget: string; readonly message: string }

/** Without news the budget is read so often, and one waiter asks although nothing seems to be allowed. */
export const LOOK_MS = 15_000
/** A turn that is not used within this time is another's. */
const TURN_MS = 20_000
/** Whoever was refused on his turn waits so long at least: an API that says yes and does no is not asked in a circle. */
const AGAIN_MS = 1_000

type Waiting = Waiter & { readonly go: () => void }
type Queue = {
  readonly waiting: Map<string, Waiting>
  /** Turns given and not settled: uid → when they lapse. */
  readonly given: Map<string, number>
  /** When each was last given a turn. */
  readonly last: Map<string, number>
  allowed: number
  isReading: boolean
  rereads: boolean
  end: () => void
}

/**
 * Whose turn it is, for each budget: as many as it allows, in the order of their refusals, so that nobody starves and no
 * request is sent that has no prospect. Where the hints fail, a look every 15 s goes on.
 * @param wall epoch ms; the waiters' times are compared with it
 */
export const createTurns = (source: AllowanceSource, wall: () => number = Date.now): Turns => {
  const queues = new Map<string, Queue>()
  const queueOf = new Map<string, Queue>()
  /** By owner: the last refusal of one of its pods, for as long as the budget's queue is there. */
  const refusals = new Map<string, Refusal & { readonly queue: Queue }>()

  const serve = (queue: Queue): void => {
    const now = wall()
    for (const [uid, lapses] of queue.given) if (lapses <= now) forget(queue, uid)
    const ready = [...queue.waiting.values()].filter((each) => readyAt(queue, each) <= now).toSorted((a, b) => a.since - b.since)
    for (const waiter of ready.slice(0, Math.max(0, queue.allowed - queue.given.size))) give(queue, waiter)
  }
  const readyAt = ({ last }: Queue, { uid, notBefore = 0 }: Waiter): number =>
    Math.max(notBefore, (last.get(uid) ?? 0) + AGAIN_MS)
  const forget = (queue: Queue, uid: string): void => {
    queue.given.delete(uid)
    queueOf.delete(uid)
  }
  const give = (queue: Queue, { uid, go }: Waiting): void => {
    queue.waiting.delete(uid)
    queue.given.set(uid, wall() + TURN_MS)
    queue.last.set(uid, wall())
    queueOf.set(uid, queue)
    go()
  }
  const heard = (queue: Queue, allowance: Allowance): void => {
    queue.allowed = allowance ? allowance.disruptionsAllowed : Number.POSITIVE_INFINITY
    serve(queue)
  }
  /** One reading at a time; who asks meanwhile gets another one after it. */
  const read = async (queue: Queue, namespace: string, budget: string): Promise<void> => {
    queue.rereads = queue.isReading
    if (queue.isReading) return
    queue.isReading = true
    try {
      heard(queue, await source.read(namespace, budget))
    } catch {
      // The API does not answer: the next look, or the hints, go on.
    } finally {
      queue.isReading = false
    }
    if (queue.rereads) await read(queue, namespace, budget)
  }
  const queueFor = (namespace: string, budget: string): Queue => {
    const key = `${namespace}/${budget}`
    return queues.get(key) ?? open(key, namespace, budget)
  }
  const open = (key: string, namespace: string, budget: string): Queue => {
    const queue: Queue = {
      waiting: new Map(),
      given: new Map(),
      last: new Map(),
      allowed: 0,
      isReading: false,
      rereads: false,
      end: () => {},
    }
    const look = setInterval(() => {
      void read(queue, namespace, budget).then(() => {
        serve(queue)
        const [longest] = [...queue.waiting.values()].toSorted((a, b) => a.since - b.since)
        // A pod that is not ready may go beside its budget, and no word of that comes.
        if (longest && queue.given.size === 0 && readyAt(queue, longest) <= wall()) give(queue, longest)
        closeIfIdle(queue)
      })
    }, LOOK_MS)
    const unfollow = source.follow(namespace, budget, (allowance) => heard(queue, allowance))
    queue.end = () => {
      clearInterval(look)
      unfollow()
      queues.delete(key)
      for (const [owner, refusal] of refusals) if (refusal.queue === queue) refusals.delete(owner)
    }
    queues.set(key, queue)
    return queue
  }
  const closeIfIdle = (queue: Queue): void => {
    if (queue.waiting.size === 0 && queue.given.size === 0) queue.end()
  }

  return {
    await: (waiter, signal) =>
      new Promise((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason as Error)
        const { namespace, budget, uid } = waiter
        const queue = queueFor(namespace, budget)
        const waitMs = readyAt(queue, waiter) - wall()
        const later = waitMs > 0 ? setTimeout(() => serve(queue), waitMs) : undefined
        const end = (): void => {
          clearTimeout(later)
          signal.removeEventListener('abort', abort)
        }
        const abort = (): void => {
          end()
          queue.waiting.delete(uid)
          closeIfIdle(queue)
          reject(signal.reason as Error)
        }
        const go = (): void => {
          end()
          resolve()
        }
        signal.addEventListener('abort', abort, { once: true })
        queue.waiting.set(uid, { ...waiter, go })
        serve(queue)
        return void read(queue, namespace, budget)
      }),
    settled: (uid, granted) => {
      const queue = queueOf.get(uid)
      if (!queue) return
      forget(queue, uid)
      // The API counts at once what it grants, and what it refuses it has not; the news of it comes later.
      if (granted === true) queue.allowed = Math.max(0, queue.allowed - 1)
      if (granted === false) queue.allowed = 0
      serve(queue)
      closeIfIdle(queue)
    },
    refused: ({ namespace, owner }, refusal) => {
      if (owner !== undefined) refusals.set(owner, { ...refusal, queue: queueFor(namespace, refusal.budget) })
    },
    refusal: ({ uid, owner = '', unready }) => {
      const refusal = refusals.get(owner)
      // Who has the turn asks; and a pod that is not ready may go beside its budget.
      if (!refusal || queueOf.has(uid) || unready) return undefined
      const { waiting, allowed, given } = refusal.queue
      return waiting.size >= allowed - given.size ? refusal : undefined
    },
  }
}
