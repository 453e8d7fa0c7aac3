import { createBrowserReceiver, type StatelyInspectionEvent } from '@statelyai/inspect'
import { expect, test } from 'vitest'
import { history } from '../../src/runtime/history.ts'
import {
  definitionText,
  fitting,
  type Inspection,
  type InspectMessage,
  inspected,
  introduced,
  type Seen,
  seen,
} from '../../src/runtime/inspect.ts'
import { createInspector } from '../../src/runtime/inspecting.ts'
import type { Entry, Stored } from '../../src/runtime/journal.ts'
import { memoryJournal } from '../../src/runtime/testing/memory-journal.ts'
import { settled, virtualClock } from '../../src/runtime/testing/virtual-clock.ts'
import { type Address, addressOf, type Commit } from '../../src/runtime/types.ts'
import { recordedJournal } from '../corpus/read.ts'
import { shipped } from '../shipped.ts'

const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
const inspection: Inspection = {
  root: { type: 'cluster', id: 'demo' },
  definition: (type) => definitionText(shipped(type).machine),
}

/** Everything that the recorded journal tells inspectors. */
const toldBy = async (entries: readonly Entry[]): Promise<readonly InspectMessage[]> => {
  const states = new Map<string, Seen>()
  return entries.flatMap(({ type, id = '', record }) => {
    if (!('n' in record)) return []
    const self = { type, id }
    const after = seen(states.get(addressOf(self)), record)
    states.set(addressOf(self), after)
    return inspected(inspection, self, record, after)
  })
}
const corpus = async (): Promise<readonly InspectMessage[]> => toldBy((await recordedJournal('cluster-v1.jsonl')).entries)
const of = <T extends InspectMessage['type']>(messages: readonly InspectMessage[], type: T) =>
  messages.filter((message): message is InspectMessage & { readonly type: T } => message.type === type)

test('inspect: actors are introduced once, with parent, root and the text of their machine', async () => {
  const actors = of(await corpus(), '@xstate.actor')
  expect(new Set(actors.map(({ sessionId }) => sessionId)).size).toBe(actors.length - 3) // agent, evictor, controller: twice
  const [root] = actors
  expect(root).toMatchObject({ sessionId: 'cluster/demo', rootId: 'cluster/demo', parentId: undefined, name: 'cluster/demo' })
  const eviction = actors.find(({ sessionId }) => sessionId.startsWith('eviction/'))
  expect(eviction?.rootId).toBe('cluster/demo')
  expect(eviction?.parentId).toMatch(/^drain-node\//)
  const { initial, states } = JSON.parse(eviction?.definition ?? '') as { initial: string; states: object }
  expect([initial, Object.keys(states)]).toEqual(['evicting', expect.arrayContaining(['evicting', 'leaving'])])
})

test('inspect: an event names who sent it: another actor, the actor itself for timers, nobody for people', async () => {
  const events = of(await corpus(), '@xstate.event')
  const sourceOf = (type: string) => new Set(events.filter(({ event }) => event.type === type).map(({ sourceId }) => sourceId))
  expect(sourceOf('cluster.Promote')).toEqual(new Set([undefined]))
  expect(sourceOf('controller.Pause')).toEqual(new Set(['cluster/demo']))
  expect(sourceOf('xstate.after.settle.evictor.settling')).toEqual(new Set(['evictor/demo']))
  expect(sourceOf('xstate.done.actor.controller')).toEqual(new Set(['controller/demo']))
  expect(sourceOf('xstate.error.actor.scanner')).toEqual(new Set(['cluster/demo'])) // its host refused the spawn
})

test('inspect: after each event comes the state; bookkeeping is not told, a refusal is an event without one', async () => {
  const messages = await corpus()
  const told = new Set(of(messages, '@xstate.event').map(({ event }) => event.type))
  expect(['$opened', '$fx.done'].filter((type) => told.has(type))).toEqual([])
  expect([...told].filter((type) => type.startsWith('$')).toSorted()).toEqual(['$refused', '$stop'])
  const snapshots = of(messages, '@xstate.snapshot')
  expect(snapshots.some(({ event }) => event.type === '$refused')).toBe(false)
  const stop = snapshots.find(({ sessionId, event }) => sessionId === 'evictor/demo' && event.type === '$stop')
  expect(stop?.snapshot).toMatchObject({ status: 'stopped', children: {} })
  const connected = snapshots.find(({ event }) => event.type === 'cluster.Connect')
  expect(connected?.snapshot).toMatchObject({
    status: 'active',
    value: { phase: { connected: 'observing' } },
    children: { agent: { xstate$$type: 1, id: 'agent' } },
  })
  for (const { createdAt, id, _version } of messages)
    expect([Number(createdAt) > 1e12, /\/\d+$/.test(id), _version]).toEqual([true, true, '0.7.2'])
})

test("inspect: what is told arrives at Stately's own receiver, as it was sent", async () => {
  const messages = await corpus()
  const window = new EventTarget() as EventTarget & { self?: unknown; top?: unknown; opener?: unknown }
  Object.assign(window, { opener: undefined })
  window.self = window
  window.top = window
  const arrived: StatelyInspectionEvent[] = []
  createBrowserReceiver({ window: window as never }).subscribe((event) => void arrived.push(event))
  for (const message of messages) {
    const data: unknown = JSON.parse(JSON.stringify(message))
    window.dispatchEvent(Object.assign(new Event('message'), { data }))
  }
  expect(arrived).toEqual(JSON.parse(JSON.stringify(messages)))
  const actors = arrived.filter((event) => event.type === '@xstate.actor')
  expect(actors.every(({ definition }) => JSON.parse(definition ?? '').id !== undefined)).toBe(true)
  expect(arrived.filter(({ type }) => type === '@xstate.snapshot').length).toBeGreaterThan(250)
})

test('inspect: a state that is too long for a message goes without its context', () => {
  const known = {
    n: 1,
    ts: 1,
    mv: 1,
    parent: undefined,
    state: { status: 'active', value: 'idle', context: { text: 'x'.repeat(5_000) }, children: {} },
  } as const
  const message = introduced(inspection, { type: 'cluster', id: 'demo' }, known)
  expect(fitting(message, 100_000)).toBe(message)
  expect(fitting(message, 4_000)).toMatchObject({ snapshot: { value: 'idle', context: { $omitted: '5011 characters' } } })
})

test('history: what is in archive and journal comes once, in order', async () => {
  const journal = await recordedJournal('cluster-v1.jsonl')
  const self = { type: 'evictor', id: 'demo' }
  const all: Stored[] = []
  await journal.read(self, 0, (stored) => void all.push(stored))
  const archive = {
    write: async () => {},
    between: async () => {},
    read: async (_: Address, onStored: (stored: Stored) => void) => all.slice(0, 20).forEach(onStored),
  }
  await journal.purge(self, all[10]?.seq) // of what is archived, a part is not purged yet
  const found: number[] = []
  await history({ journal, archive }, self, ({ commit }) => void found.push(commit.n))
  expect(found).toEqual(all.map(({ commit }) => commit.n))
})

/** A journal with an inspector on it. */
const live = () => {
  const journal = memoryJournal()
  const clock = virtualClock()
  const told: [string, InspectMessage][] = []
  let followers = 0
  const counted = {
    ...journal,
    follow: (after: number, signal: AbortSignal) => {
      followers++
      signal.addEventListener('abort', () => void followers--)
      return journal.follow(after, signal)
    },
  }
  const gallery = {
    publish: (self: Address, message: InspectMessage) => void told.push([addressOf(self), message]),
    newest: async () => journal.entries.at(-1)?.seq ?? 0,
  }
  const inspector = createInspector({ journal: counted, gallery, inspection, clock, log: silent })
  const append = async ({ type, id = '', record }: Entry): Promise<void> => {
    const last = await journal.last({ type, id })
    await journal.append({ type, id }, record as Commit, last?.seq ?? 0)
    await settled()
  }
  return { journal, clock, inspector, append, told, followers: () => followers }
}

test('inspector: nothing is read or told until somebody watches, and nothing any more when nobody does', async () => {
  const { entries } = await recordedJournal('cluster-v1.jsonl')
  const commits = entries.filter(({ record, type }) => 'n' in record && type === 'cluster')
  const { inspector, append, told, clock, followers } = live()
  for (const entry of commits.slice(0, 3)) await append(entry)
  expect([told, followers()]).toEqual([[], 0])

  expect(await inspector.watch()).toEqual({ seconds: 15 })
  await settled()
  for (const entry of commits.slice(3, 8)) await append(entry)
  const types = told.map(([, { type }]) => type)
  expect(types[0]).toBe('@xstate.actor') // it began before: introduced with the state that it had
  expect(told[0]?.[1].id).toBe('cluster/demo/3')
  expect(types.filter((type) => type === '@xstate.actor')).toHaveLength(1)
  expect(types).toContain('@xstate.snapshot')

  await clock.advance(10_000)
  await inspector.watch() // perhaps somebody else, who has not heard of it
  for (const entry of commits.slice(8, 9)) await append(entry)
  expect(told.filter(([, { type }]) => type === '@xstate.actor')).toHaveLength(2)
  await clock.advance(10_000)
  expect(followers()).toBe(1)
  await clock.advance(6_000)
  expect(followers()).toBe(0)
  const before = told.length
  for (const entry of commits.slice(9, 12)) await append(entry)
  expect(told).toHaveLength(before)
})

test('inspector: what is told live is what the journal tells later', async () => {
  const { entries } = await recordedJournal('cluster-v1.jsonl')
  const { inspector, append, told } = live()
  await inspector.watch()
  await settled()
  const commits = entries.filter(({ record }) => 'n' in record).slice(0, 60)
  for (const entry of commits) await append(entry)
  expect(told.map(([, message]) => message)).toEqual(await toldBy(commits))
  inspector.stop()
})
