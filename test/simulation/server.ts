import type { Command } from '../../src/runtime/inbox.ts'
import { Conflict, type Entry } from '../../src/runtime/journal.ts'
import type { LeaseRecord } from '../../src/runtime/lease.ts'
import type { EventLog, Position } from '../../src/runtime/projector.ts'
import type { CachedSnapshot } from '../../src/runtime/snapshots.ts'
import { type MemoryStore, memoryStore } from '../../src/runtime/testing/memory-store.ts'
import type { Outcome } from '../../src/runtime/types.ts'
import { type Commands, commands } from './commands.ts'
import type { Faults } from './faults.ts'
import type { Schedule } from './schedule.ts'

type CloudEvent = Parameters<EventLog['append']>[0]
type Published = { readonly event: CloudEvent; readonly position: Position }
/** Somebody who answers synchronous commands. */
export type Responder = (command: Command, answer: (outcome: Outcome) => void) => void

/** Everything that one nats-server holds. It never fails; whatever is between it and the processes does. */
export type Server = {
  readonly journal: MemoryStore
  /** Every record that was ever stored, purged ones too. */
  readonly history: readonly Entry[]
  readonly commands: Commands
  readonly leases: Map<string, LeaseRecord>
  /** By `<process>/<actor type>`: when the process got the lease, ms of the world. */
  readonly takenAt: Map<string, number[]>
  readonly snapshots: Map<string, CachedSnapshot>
  readonly events: Published[]
  /** @throws Conflict when the newest event is not the one that was expected */
  readonly publishEvent: (published: Published, expected: number) => number
  readonly responders: Map<string, Set<Responder>>
}

export const server = (world: Schedule, faults: Faults): Server => {
  const journal = memoryStore(world.time)
  const history: Entry[] = []
  journal.onStored((entry) => history.push(entry))
  const events: Published[] = []
  return {
    journal,
    history,
    commands: commands(world, faults),
    leases: new Map(),
    takenAt: new Map(),
    snapshots: new Map(),
    events,
    publishEvent: (published, expected) => {
      if (events.length !== expected) throw new Conflict(`wrong last sequence: ${events.length}, not ${expected}`)
      return events.push(published)
    },
    responders: new Map(),
  }
}
