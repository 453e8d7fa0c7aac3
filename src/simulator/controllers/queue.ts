import type { Clock } from '../clock.ts'

export type Queue = { add(key: string): void }

/** Calls `work` once for every key that was added since the last round, `delayMs` after the first of them. */
export const workQueue = (clock: Clock, delayMs: number, work: (key: string) => void): Queue => {
  let waiting = new Set<string>()
  const round = (): void => {
    const keys = waiting
    waiting = new Set()
    for (const key of keys) work(key)
  }
  return {
    add(key) {
      if (waiting.size === 0) clock.after(delayMs, round)
      waiting.add(key)
    },
  }
}

/** The namespace and the name of an object's key. */
export const split = (key: string): readonly [string, string] => {
  const slash = key.indexOf('/')
  return [key.slice(0, slash), key.slice(slash + 1)]
}
