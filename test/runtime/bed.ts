import { systemChance } from '../../src/runtime/chance.ts'
import type { Ground, Log } from '../../src/runtime/ground.ts'
import { type Host, type HostOptions, startHost } from '../../src/runtime/host.ts'
import { unrestricted } from '../../src/runtime/licence.ts'
import type { Meter } from '../../src/runtime/meter.ts'
import { type MemoryArchive, memoryArchive } from '../../src/runtime/testing/memory-archive.ts'
import { type MemoryInbox, memoryInbox } from '../../src/runtime/testing/memory-inbox.ts'
import { type MemoryJournal, memoryJournal } from '../../src/runtime/testing/memory-journal.ts'
import { freeLeases } from '../../src/runtime/testing/memory-leases.ts'
import { type MemorySnapshots, memorySnapshots } from '../../src/runtime/testing/memory-snapshots.ts'
import { settled, type VirtualClock, virtualClock } from '../../src/runtime/testing/virtual-clock.ts'
import { createTimers } from '../../src/runtime/timers.ts'
import type { Address, Definition } from '../../src/runtime/types.ts'

const silent: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

export type Bed = {
  readonly journal: MemoryJournal
  readonly inbox: MemoryInbox
  readonly clock: VirtualClock
  readonly snapshots: MemorySnapshots
  readonly archive: MemoryArchive
  /** A process of its own; `definitions` replace those of the bed: another release. */
  readonly process: (name: string, options?: Partial<HostOptions> & { readonly meter?: Meter }) => Promise<Host>
  /** The facts that an actor has told, oldest first. */
  readonly facts: (self: Address) => readonly { readonly type: string }[]
}

/** One journal, inbox, archive and clock for any machines; processes come and go. */
export const bed = (definitions: readonly Definition[], root: Address): Bed => {
  const journal = memoryJournal()
  const clock = virtualClock()
  const inbox = memoryInbox(clock.now)
  const snapshots = memorySnapshots()
  const archive = memoryArchive()
  return {
    journal,
    inbox,
    clock,
    snapshots,
    archive,
    process: async (name, { meter, ...options } = {}) => {
      const ground: Ground = {
        process: name,
        journal,
        inbox,
        clock,
        chance: systemChance,
        timers: createTimers(clock),
        licence: unrestricted,
        log: silent,
        snapshots,
        archive,
        meter,
      }
      const host = startHost({ ground, leases: freeLeases, definitions, root: { address: root }, ...options })
      await host.ready
      await settled()
      return host
    },
    facts: (self) => journal.of(self).flatMap(({ em }) => em.map(({ ev }) => ev)),
  }
}
