import type { Delivery, Inbox, Leases } from '../../src/runtime/inbox.ts'
import { type Entry, type Journal, Unanswered } from '../../src/runtime/journal.ts'
import { createLeases, type LeaseRecord } from '../../src/runtime/lease.ts'
import type { EventLog } from '../../src/runtime/projector.ts'
import type { Snapshots } from '../../src/runtime/snapshots.ts'
import { commandIn } from '../../src/runtime/testing/memory-inbox.ts'
import { addressOf, type Outcome } from '../../src/runtime/types.ts'
import type { Faults } from './faults.ts'
import { EPOCH, type SimulatedProcess } from './process.ts'
import type { Schedule } from './schedule.ts'
import type { Responder, Server } from './server.ts'
import type { Wire } from './wire.ts'

/** What a process stands on: a server, and an unreliable way to it. */
export type Surroundings = {
  readonly world: Schedule
  readonly server: Server
  readonly wire: Wire
  readonly faults: Faults
}
type Ports<Port> = (around: Surroundings, process: SimulatedProcess) => Port

export const journalPort: Ports<Journal> = ({ server: { journal }, wire }, process) => {
  const ask = <Answer>(apply: () => Answer): Promise<Answer> => wire.ask(process, apply)
  return {
    append: (actor, commit, expected) => ask(() => journal.append(actor, commit, expected)),
    last: (actor) => ask(() => journal.last(actor)),
    at: (seq) => ask(() => journal.at(seq)),
    read: async (actor, after, onStored) => (await ask(() => journal.of(actor, after))).forEach(onStored),
    refuse: (refusal) => ask(() => journal.refuse(refusal)),
    readAll: async (after, onEntry) => {
      for (const entry of await ask(() => journal.since(after))) if (onEntry(entry) === false) return
    },
    purge: (actor, before) => ask(() => journal.purge(actor, before)),
    follow: async function* (after, signal) {
      for (let at = after; !signal.aborted; ) {
        let more: Promise<void> | undefined
        const entries = await ask(() => {
          const found = journal.since(at)
          // Asked for in the same moment: nothing is stored unheard in between.
          if (found.length === 0) more = nextStored(journal.onStored, (run) => wire.tell(process, run))
          return found
        })
        for (const entry of entries) {
          at = entry.seq
          yield entry
        }
        await more
      }
    },
  }
}

const nextStored = (onStored: (listener: (entry: Entry) => void) => () => void, tell: (run: () => void) => void): Promise<void> =>
  new Promise((resolve) => {
    const unheard = onStored(() => {
      unheard()
      tell(resolve)
    })
  })

/** How long a process takes to notice that its consumer is no more. */
const UNHEARD_MS = 3_000

export const inboxPort: Ports<Inbox> = ({ world, server, wire }, process) => ({
  send: (message) =>
    wire.ask(process, () =>
      server.commands.publish(commandIn(JSON.parse(JSON.stringify(message)), EPOCH + Math.floor(world.time()))),
    ),
  consume: async (type, onDelivery, signal) => {
    let isOver: (lost: boolean) => void = () => {}
    const ended = new Promise<boolean>((resolve) => {
      isOver = resolve
    })
    const inOrder = queued(process)
    const cancel = await wire.ask(process, () =>
      server.commands.consume(type, {
        deliver: ({ command }, ack) => {
          const done: Delivery['done'] = () => wire.say(process, ack)
          inOrder(() => !signal.aborted && onDelivery({ command, done }))
        },
        lost: () => process.later(UNHEARD_MS, () => isOver(true)),
      }),
    )
    signal.addEventListener('abort', () => isOver(false), { once: true })
    if (signal.aborted) isOver(false)
    const isLost = await ended
    cancel()
    if (isLost) throw new Unanswered(`COMMANDS: the consumer cmd-${type} is gone`)
  },
  serve: async (type, onCall, signal) => {
    const responders = server.responders.get(type) ?? new Set<Responder>()
    server.responders.set(type, responders)
    const responder: Responder = (command, answer) =>
      wire.tell(process, () => {
        const fenced = (error: Error): Outcome => ({ ok: false, why: 'fenced', detail: error.message })
        void onCall(command)
          .catch(fenced)
          .then((outcome) => wire.say(process, () => answer(outcome)))
      })
    wire.say(process, () => responders.add(responder))
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
    responders.delete(responder)
  },
})

/** One connection delivers in order, whatever the way takes. */
const queued = (process: SimulatedProcess): ((run: () => void) => void) => {
  const waiting: (() => void)[] = []
  return (run) => {
    waiting.push(run)
    process.later(0.5, () => waiting.shift()?.())
  }
}

const TIMING = { leaseMs: 1_500, loseMs: 1_200, renewMs: 500 }

/** @param isCareless gives up a lease only when told that somebody else has it: two owners at once */
export const leasesPort = (
  { world, server: { leases, takenAt }, wire }: Surroundings,
  process: SimulatedProcess,
  isCareless: boolean,
): Leases => {
  let writes = 0
  const write = (type: string, holder: string | undefined, over: LeaseRecord | undefined): Promise<LeaseRecord> => {
    const version = `${process.name}/${++writes}`
    return wire.ask(process, () => {
      if (leases.get(type)?.version !== over?.version) throw new Error(`the lease of ${type} was written meanwhile`)
      const taken = `${holder}/${type}`
      if (holder !== undefined && over?.holder !== holder) takenAt.set(taken, [...(takenAt.get(taken) ?? []), world.time()])
      const record = { version, holder, leaseMs: TIMING.leaseMs }
      leases.set(type, record)
      return record
    })
  }
  const store: Parameters<typeof createLeases<LeaseRecord>>[0] = {
    read: (type) => wire.ask(process, () => leases.get(type)),
    write: (type, { holder }, over) => write(type, holder, over),
    release: async (type, over) => void (await write(type, undefined, over)),
    watch: async () => {},
  }
  const timing = isCareless ? { ...TIMING, loseMs: 3_600_000 } : TIMING
  return createLeases(store, { timing, clock: process.clock })
}

export const snapshotsPort: Ports<Snapshots> = ({ server: { snapshots }, wire, faults }, process) => ({
  put: (actor, snapshot) => {
    const sent = JSON.stringify(snapshot)
    return wire.ask(process, () => {
      if (faults.strikes('snapshot refused', 0.1)) throw new Error('the bucket is full')
      snapshots.set(addressOf(actor), JSON.parse(sent))
    })
  },
  get: (actor) =>
    wire.ask(process, () => {
      if (faults.strikes('snapshot lost', 0.1)) snapshots.delete(addressOf(actor))
      return snapshots.get(addressOf(actor))
    }),
})

export const eventsPort: Ports<EventLog> = ({ server, wire }, process) => {
  let newest = 0
  return {
    keptMs: 30 * 24 * 3_600_000,
    last: async () => {
      newest = await wire.ask(process, () => server.events.length)
      return server.events[newest - 1]?.position
    },
    append: async (event, position) => {
      const expected = newest
      newest = await wire.ask(process, () => server.publishEvent({ event, position }, expected))
    },
  }
}
