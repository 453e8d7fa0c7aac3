import { monitorEventLoopDelay } from 'node:perf_hooks'

/** What a process spent. */
export type Effort = {
  readonly ms: number
  /** Of all its threads. On a busy machine only CPU time can be compared. */
  readonly cpuMs: number
  /** The longest time without a turn of the event loop. */
  readonly blockedMs: number
  /** The most CPU time of the main thread between two turns. */
  readonly blockedCpuMs: number
  /** The most memory that was ever resident. */
  readonly rssMib: number
}

const total = ({ user, system }: NodeJS.CpuUsage): number => (user + system) / 1_000

/** Begins to measure; the result says what was spent since. */
export const effort = (): (() => Effort) => {
  const loop = monitorEventLoopDelay({ resolution: 1 })
  loop.enable()
  let [longest, last] = [0, total(process.threadCpuUsage())]
  const look = (): void => {
    const now = total(process.threadCpuUsage())
    longest = Math.max(longest, now - last)
    last = now
  }
  const timer = setInterval(look, 1)
  const from = performance.now()
  const cpu = process.cpuUsage()
  return () => {
    const spent = { ms: performance.now() - from, cpuMs: total(process.cpuUsage(cpu)) }
    clearInterval(timer)
    return { ...spent, blockedMs: loop.max / 1e6, blockedCpuMs: longest, rssMib: process.resourceUsage().maxRSS / 1_024 }
  }
}
