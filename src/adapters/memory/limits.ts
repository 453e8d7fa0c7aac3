import { totalmem } from 'node:os'
import { getHeapSpaceStatistics, getHeapStatistics } from 'node:v8'

/** Bytes. */
export type Memory = {
  /** What the container may use before the kernel kills it (cgroup v2 or v1); undefined: it has no limit. */
  readonly containerLimit: number | undefined
  /** What V8's old generation may use before V8 gives up: `--max-old-space-size` or its default. */
  readonly heapLimit: number
  readonly resident: number
  /** The main thread's old generation; the young one is emptied all the time and has room of its own. */
  readonly heapUsed: number
}

/** What is used now and what may be. A container's limit is read each time: it can be changed while the container runs. */
export const memoryNow = (): Memory => {
  const containerLimit = limitIn(process.constrainedMemory(), totalmem())
  const old = getHeapSpaceStatistics().filter(({ space_name }) => !space_name.startsWith('new_'))
  return {
    containerLimit,
    heapLimit: oldGenerationIn(getHeapStatistics().heap_size_limit, containerLimit ?? totalmem(), flags()),
    resident: process.memoryUsage.rss(),
    heapUsed: old.reduce((sum, { space_used_size }) => sum + space_used_size, 0),
  }
}

/** Pure: without a limit a cgroup says nothing (0), or a number that no machine has. */
export const limitIn = (constrained: number | undefined, installed: number): number | undefined =>
  constrained !== undefined && constrained > 0 && constrained < installed ? constrained : undefined

const MIB = 2 ** 20
/**
 * Pure: V8's limit counts three semi-spaces too, each as large as `--max-semi-space-size` says, else of 32 MiB, or less
 * where there is less than 8 GiB (V8, `YoungGenerationSizeFromOldGenerationSize`).
 * @param flags what node was started with
 */
export const oldGenerationIn = (heapSizeLimit: number, memory: number, flags = ''): number => {
  const [, mebibytes] = /--max[-_]semi[-_]space[-_]size[= ](\d+)/.exec(flags) ?? []
  return heapSizeLimit - (mebibytes === undefined ? Math.min(96 * MIB, (memory * 3) / 256) : 3 * Number(mebibytes) * MIB)
}

const flags = (): string => [process.env['NODE_OPTIONS'], ...process.execArgv].join(' ')

/** Pure: the nearer of both ends, as a share of 1. */
export const shareOf = ({ containerLimit, heapLimit, resident, heapUsed }: Memory): number =>
  Math.max(containerLimit === undefined ? 0 : resident / containerLimit, heapUsed / heapLimit)
