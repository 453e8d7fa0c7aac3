/** So long may what actors decide hold one turn of the event loop, ms; one decision takes what it takes. */
const TURN_MS = 10

/**
 * Undefined as long as this turn of the event loop is young; else it resolves in a later one. After a time without a CPU
 * hundreds of timers and acknowledgements are there at once: what they lead to would be decided in one turn, and a licence,
 * a probe or a brake would wait for all of it.
 */
export type Breath = () => Promise<void> | undefined

export const createBreath = (): Breath => {
  let begunAt: number | undefined
  let next: Promise<void> | undefined
  const begin = (now: number): void => {
    begunAt = now
    setImmediate(() => {
      begunAt = undefined
    })
  }
  return () => {
    const now = performance.now()
    if (begunAt === undefined) begin(now)
    else if (now - begunAt >= TURN_MS) {
      next ??= new Promise((resolve) => {
        setImmediate(() => {
          next = undefined
          resolve()
        })
      })
      return next
    }
    return undefined
  }
}
