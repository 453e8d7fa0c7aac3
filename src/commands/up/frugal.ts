import { WAITING } from '../../adapters/jetstream/objects.ts'
import { PAGE } from '../../adapters/kubernetes/whole-list.ts'
import type { Memory } from '../../adapters/memory/limits.ts'
import type { Pressure } from '../../adapters/memory/pressure.ts'
import { watchMemory } from '../../adapters/memory/watch.ts'
import type { Log } from '../../runtime/ground.ts'
import { RESIDENTS } from '../../runtime/host.ts'

/** What is kept in memory at a time; all of it is written, read or recovered later if it is less. */
type Allowance = {
  /** Objects of one page of a list. */
  readonly page: number
  /** Versions of one kind that wait for NATS. */
  readonly waiting: number
  /** Actors that have nothing to do. */
  readonly residents: number
}

const allowances: Readonly<Record<Pressure, Allowance>> = {
  none: { page: PAGE, waiting: WAITING, residents: RESIDENTS },
  some: { page: 100, waiting: 512, residents: 2_000 },
  high: { page: 25, waiting: 64, residents: 200 },
}

export type Frugal = {
  readonly pressure: () => Pressure
  readonly allowance: () => Allowance
  /** Whoever keeps actors in memory is told how many, from the next change on. */
  readonly govern: (host: { keep(residents: number): void }) => void
  readonly stop: () => void
}

const MIB = 2 ** 20
const mebibytes = (bytes: number | undefined): number | undefined => bytes && Math.round(bytes / MIB)

/** Near the end of its memory the process keeps less at a time. Nothing is dropped that is not stored elsewhere. */
export const startFrugal = (log: Log, looking: Parameters<typeof watchMemory>[1] = {}): Frugal => {
  const governed = new Set<{ keep(residents: number): void }>()
  const changed = (pressure: Pressure, { resident, containerLimit, heapUsed, heapLimit }: Memory): void => {
    for (const host of governed) host.keep(allowances[pressure].residents)
    const seen = {
      pressure,
      residentMiB: mebibytes(resident),
      containerLimitMiB: mebibytes(containerLimit),
      heapUsedMiB: mebibytes(heapUsed),
      heapLimitMiB: mebibytes(heapLimit),
      ...allowances[pressure],
    }
    if (pressure === 'none') log.info(seen, 'there is memory to spare again')
    else log.warn(seen, 'memory is short: lists and queues are kept smaller; give the container more if it lasts')
  }
  const watch = watchMemory(changed, looking)
  return {
    pressure: watch.pressure,
    allowance: () => allowances[watch.pressure()],
    govern: (host) => void governed.add(host),
    stop: watch.stop,
  }
}
