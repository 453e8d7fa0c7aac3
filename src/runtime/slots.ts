/** How many effects of one name run at once in this process; the others wait in the order in which they came. */
export type Slots = {
  /** Waits for a place among `limit`; the result gives it back. An aborted wait rejects with the signal's reason. */
  take(name: string, limit: number, signal: AbortSignal): Promise<() => void>
}

export const createSlots = (): Slots => {
  const used = new Map<string, number>()
  const queues = new Map<string, Set<() => void>>()
  const give = (name: string): void => {
    const [next] = queues.get(name) ?? []
    const taken = used.get(name) ?? 1
    if (next) next()
    else if (taken > 1) used.set(name, taken - 1)
    else used.delete(name)
  }
  const waited = (name: string, signal: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      const queue = queues.get(name) ?? new Set()
      queues.set(name, queue)
      const end = (settle: () => void) => () => {
        queue.delete(granted)
        if (queue.size === 0) queues.delete(name)
        signal.removeEventListener('abort', aborted)
        settle()
      }
      const granted = end(resolve)
      const aborted = end(() => reject(signal.reason as Error))
      queue.add(granted)
      signal.addEventListener('abort', aborted, { once: true })
    })
  return {
    take: async (name, limit, signal) => {
      signal.throwIfAborted()
      const taken = used.get(name) ?? 0
      if (taken < limit) used.set(name, taken + 1)
      else await waited(name, signal)
      return () => give(name)
    },
  }
}
