import { totalmem } from 'node:os'
import { getHeapStatistics } from 'node:v8'

/** Bytes. */
export type Memory = {
  /** What the container may use before the kernel kills it (cgroup v2 or v1); undefined: it has no limit. */
  readonly containerLimit: number | undefined
  /** What V8 may use before it gives up: `--max-old-space-size` or its default. */
  readonly heapLimit: number
  readonly resident: number
  readonly heapUsed: number
}

/** What is used now and what may be. A container's limit is read each time: it can be changed while the container runs. */
export const memoryNow = (): Memory => {
  const { heap_size_limit, used_heap_size } = getHeapStatistics()
  return {
    containerLimit: limitIn(process.constrainedMemory(), totalmem()),
    heapLimit: heap_size_limit,
    resident: process.memoryUsage.rss(),
    heapUsed: used_heap_size,
  }
}

/** Pure: without a limit a cgroup says nothing (0), or a number that no machine has. */
export const limitIn = (constrained: number | undefined, installed: number): number | undefined =>
  constrained !== undefined && constrained > 0 && constrained < installed ? constrained : undefined

/** Pure: the nearer of both ends, as a share of 1. */
export const shareOf = ({ containerLimit, heapLimit, resident, heapUsed }: Memory): number =>
  Math.max(containerLimit === undefined ? 0 : resident / containerLimit, heapUsed / heapLimit)
