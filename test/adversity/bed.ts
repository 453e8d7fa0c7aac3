import { headers, type JetStreamClient, type JetStreamManager, type NatsConnection } from 'nats'
import { assign, emit, setup } from 'xstate'
import { z } from 'zod'
import { jetstreamInbox } from '../../src/adapters/jetstream/inbox.ts'
import { jetstreamJournal } from '../../src/adapters/jetstream/journal.ts'
import { ensureStreams, type Storage } from '../../src/adapters/jetstream/streams.ts'
import { subjects } from '../../src/events/subjects.ts'
import { systemChance } from '../../src/runtime/chance.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import type { Log } from '../../src/runtime/ground.ts'
import { type Host, startHost } from '../../src/runtime/host.ts'
import { Corrupt, type Entry, type Journal, Unanswered } from '../../src/runtime/journal.ts'
import { unrestricted } from '../../src/runtime/licence.ts'
import { telling } from '../../src/runtime/telling.ts'
import { freeLeases } from '../../src/runtime/testing/memory-leases.ts'
import { createTimers } from '../../src/runtime/timers.ts'
import type { ActorDef, Commit } from '../../src/runtime/types.ts'

type Event = { readonly at: number } & (
  | { readonly type: 'counter.Add'; readonly amount: number; readonly note: string }
  | { readonly type: 'counter.Wait' }
)
type Context = { readonly sum: number; readonly note: string }
type Fact = { readonly type: 'counter.Added'; readonly sum: number } | { readonly type: 'counter.Waited' }

/** Milliseconds until a counter that was told to wait writes by itself, whether a command comes or not. */
const WAIT_MS = 500

/** Adds up, and tells each sum: what was added twice, or not at all, is seen in the sum. */
const counter = setup({
  types: { context: {} as Context, events: {} as Event, emitted: {} as Fact },
  delays: { patience: WAIT_MS },
}).createMachine({
  id: 'counter',
  context: { sum: 0, note: '' },
  initial: 'idle',
  on: {
    'counter.Add': {
      actions: [
        assign({ sum: ({ context, event }) => context.sum + event.amount, note: ({ event }) => event.note }),
        emit(({ context }) => ({ type: 'counter.Added', sum: context.sum })),
      ],
    },
  },
  states: {
    idle: { on: { 'counter.Wait': 'waiting' } },
    waiting: { after: { patience: { target: 'idle', actions: emit({ type: 'counter.Waited' }) } } },
  },
})

const definition = (version: number): ActorDef<typeof counter> => ({
  type: 'counter',
  version,
  machine: counter,
  events: {
    'counter.Add': { schema: z.strictObject({ amount: z.number(), note: z.string().default('') }), v: 1, command: true },
    'counter.Wait': { schema: z.strictObject({}), v: 1, command: true },
  },
  effects: {},
})

export type Bed = {
  readonly nc: NatsConnection
  readonly js: JetStreamClient
  readonly jsm: JetStreamManager
  readonly cluster: string
  readonly journal: Journal
}

/** A publish that is not answered within so many milliseconds is in doubt. */
const PUBLISH_MS = 1_000

/** Every stream made anew, over a connection of its own. */
export const freshBed = async (nc: NatsConnection, cluster: string, storage: Storage = {}): Promise<Bed> => {
  const old = await nc.jetstreamManager()
  for await (const { config } of old.streams.list()) await old.streams.delete(config.name)
  return bed(nc, cluster, storage)
}

export const bed = async (nc: NatsConnection, cluster: string, storage: Storage = {}): Promise<Bed> => {
  const jsm = await ensureStreams(nc, cluster, ['counter'], storage)
  const js = nc.jetstream({ timeout: PUBLISH_MS })
  return { nc, js, jsm, cluster, journal: jetstreamJournal(nc, jsm, cluster, { answerMs: PUBLISH_MS }) }
}

export type Said = { readonly level: string; readonly message: string; readonly fields: object }

/** As a logger writes it: of an error its name and words. */
const legible = (fields: object): object => {
  const { err = fields } = fields as { err?: object }
  return err instanceof Error ? { name: err.name, message: err.message } : err
}

/** A log that remembers what a person would have read. */
export const remembering = (): { readonly log: Log; readonly said: readonly Said[]; readonly text: () => string } => {
  const said: Said[] = []
  const at =
    (level: string) =>
    (fields: object, message: string): void =>
      void said.push({ level, message, fields: legible(fields) })
  const log = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
  return {
    log,
    said,
    text: () => said.map(({ level, message, fields }) => `${level} ${message} ${JSON.stringify(fields)}`).join('\n'),
  }
}

/** A process that hosts counters; `counter/root` is made by it. */
export const hosted = (given: Bed, log: Log, version = 1): Host => {
  const { nc, js, jsm, cluster } = given
  const journal = telling(given.journal, systemClock, log)
  return startHost({
    ground: {
      process: `p-${systemChance.unique().slice(0, 4)}`,
      journal,
      inbox: jetstreamInbox(nc, js, jsm, cluster),
      clock: systemClock,
      chance: systemChance,
      timers: createTimers(systemClock),
      licence: unrestricted,
      log,
    },
    leases: freeLeases,
    definitions: [definition(version)],
    root: { address: { type: 'counter', id: 'root' } },
  })
}

export type Client = {
  /** Stores the command; resolves with whether it was acknowledged. */
  readonly add: (amount?: number, note?: string) => Promise<boolean>
  /** Lets the counter write by itself, soon; resolves when it has begun to wait. */
  readonly wait: () => Promise<void>
  readonly acknowledged: ReadonlySet<string>
  /** Adds one after another until it is stopped; answers with how many were acknowledged. */
  readonly keepAdding: () => { readonly stop: () => Promise<number> }
}

/** Publishes commands, and counts those that were acknowledged. Each is tried under its id until NATS answers, or once. */
export const clientOf = ({ nc, js, cluster }: Pick<Bed, 'nc' | 'js' | 'cluster'>): Client => {
  const acknowledged = new Set<string>()
  let count = 0
  const add = async (amount = 1, note = ''): Promise<boolean> => {
    const id = `add-${++count}`
    const hdrs = headers()
    hdrs.set('Nats-Msg-Id', id)
    const subject = subjects(cluster).command('counter', 'Add', 'root')
    const payload = JSON.stringify({ amount, note })
    const isStored = await js.publish(subject, payload, { headers: hdrs, msgID: id }).then(
      () => true,
      () => false,
    )
    if (isStored) acknowledged.add(id)
    return isStored
  }
  const wait = async (): Promise<void> => {
    await nc.request(subjects(cluster).call('counter', 'Wait', 'root'), '{}', { timeout: 5_000 })
  }
  const keepAdding = () => {
    let isOn = !nc.isClosed()
    const running = (async () => {
      while (isOn) {
        await add()
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
    })()
    return {
      stop: async () => {
        isOn = false
        await running
        return acknowledged.size
      },
    }
  }
  return { add, wait, acknowledged, keepAdding }
}

export const entriesOf = async (journal: Journal): Promise<readonly Entry[]> => {
  const entries: Entry[] = []
  await journal.readAll(0, (entry) => void entries.push(entry))
  return entries
}

/**
 * Waits until every acknowledged command is decided, then says what is wrong: empty if nothing is. A journal that does not
 * answer, as one between two leaders, is asked again.
 */
export const accounts = async (
  journal: Journal,
  acknowledged: ReadonlySet<string>,
  withinMs = 30_000,
): Promise<readonly string[]> => {
  for (const until = performance.now() + withinMs; ; await new Promise((resolve) => setTimeout(resolve, 50))) {
    const wrong = await entriesOf(journal).then(
      (entries) => wrongs(entries, acknowledged),
      (error: unknown) => {
        if (error instanceof Unanswered) return [error.message]
        throw error
      },
    )
    if (wrong.length === 0 || performance.now() > until) return wrong
  }
}

const wrongs = (entries: readonly Entry[], acknowledged: ReadonlySet<string>): readonly string[] => {
  const numbers = new Map<string, number>()
  const decided = new Map<string, number>()
  const wrong: string[] = []
  let [sum, newest] = [0, 0]
  for (const { type, id, record, seq } of entries) {
    if (record instanceof Corrupt) wrong.push(record.message)
    else {
      if (record.cmd.startsWith('add-')) {
        decided.set(record.cmd, (decided.get(record.cmd) ?? 0) + 1)
        const nth = Number(record.cmd.slice('add-'.length))
        if (nth < newest) wrong.push(`${record.cmd} was decided after add-${newest}`)
        newest = Math.max(newest, nth)
      }
      if (!('n' in record)) continue
      const name = `${type}/${id}`
      if (record.n !== (numbers.get(name) ?? 0) + 1) wrong.push(`${name} has commit ${record.n} at ${seq}, not the next`)
      numbers.set(name, record.n)
      if (record.ev.type === 'counter.Add') sum += Number(record.ev['amount'])
      for (const { ev } of record.em)
        if (ev.type === 'counter.Added' && ev['sum'] !== sum)
          wrong.push(`${name} tells ${String(ev['sum'])} at ${seq}, not ${sum}`)
    }
  }
  for (const id of acknowledged) if (!decided.has(id)) wrong.push(`${id} was acknowledged and is not decided`)
  for (const [id, times] of decided) if (times > 1) wrong.push(`${id} was decided ${times} times`)
  return wrong
}

/** A commit such as another process would write. */
export const foreignCommit = (n: number, extra: Partial<Commit> = {}): Commit => ({
  f: 1,
  n,
  mv: 1,
  sv: 1,
  own: 'another.process',
  nonce: systemChance.unique(),
  ts: Date.now(),
  cmd: `foreign/${n}`,
  corr: `foreign/${n}`,
  ev: { type: '$opened' },
  to: {},
  p: {},
  fx: [],
  done: [],
  tdel: [],
  tset: [],
  em: [],
  ...extra,
})
