import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { type AnyStateMachine, assign, emit, setup } from 'xstate'
import { z } from 'zod'
import { begin, decide } from '../../src/runtime/decide.ts'
import { type Book, book, ledgerOf } from '../../src/runtime/fold.ts'
import { invoked } from '../../src/runtime/intent.ts'
import { Corrupt } from '../../src/runtime/journal.ts'
import { hydrate, persist } from '../../src/runtime/persist.ts'
import { type Draft, recorded } from '../../src/runtime/record.ts'
import type { Commit, Definition, JournaledEvent } from '../../src/runtime/types.ts'
import { upcast } from '../../src/runtime/upcast.ts'
import { type Verdict, verdictLine, verify } from '../../src/runtime/verify.ts'

const self = { type: 'door', id: 'front' }

type Knock = { readonly type: 'door.Knock'; readonly times: number; readonly at: number }
type Changes = { readonly enough?: number; readonly grace?: number; readonly fact?: string; readonly adds?: number }

/** Opens after so many knocks, asks for a guard, and shuts by itself. */
const door = ({ enough = 3, grace = 1_000, fact = 'door.Opened', adds = 0 }: Changes = {}): AnyStateMachine =>
  setup({
    types: {
      context: {} as { heard: number; odd?: unknown },
      events: {} as Knock | { readonly type: 'door.Break' },
      emitted: {} as { readonly type: string },
    },
    actors: { guard: invoked<void, { readonly heard: number }>() },
    delays: { grace },
  }).createMachine({
    id: 'door',
    context: { heard: 0 },
    initial: 'shut',
    states: {
      shut: {
        on: {
          'door.Knock': [
            {
              guard: ({ context, event }) => context.heard + event.times >= enough,
              target: 'open',
              actions: [assign({ heard: ({ context, event }) => context.heard + event.times + adds }), emit({ type: fact })],
            },
            { actions: assign({ heard: ({ context, event }) => context.heard + event.times }) },
          ],
          'door.Break': {
            actions: () => {
              throw new Error('unreachable: actions are intents')
            },
            guard: () => {
              throw new Error('the door is broken')
            },
          },
        },
      },
      open: {
        invoke: { src: 'guard', input: ({ context }) => ({ heard: context.heard }), onDone: 'shut' },
        after: { grace: 'shut' },
      },
    },
  })

const definitionOf = (machine: AnyStateMachine, changes: Partial<Definition> = {}): Definition => ({
  type: 'door',
  version: 1,
  machine,
  events: { 'door.Knock': { schema: z.strictObject({ times: z.number() }), v: 1, command: true } },
  effects: {},
  ...changes,
})

type Written = { readonly commits: Commit[]; book: Book | undefined }

/** What an actor of that definition would journal. */
const writer = (definition: Definition, from: Written = { commits: [], book: undefined }) => {
  const written: Written = { commits: [...from.commits], book: from.book }
  const add = (draft: Omit<Draft, 'cmd'> & { cmd?: string }, finished: readonly string[] = []): Commit => {
    const { book: before } = written
    const next = draft.decision ? persist(draft.decision.next) : (draft.state ?? before?.state)
    if (!next) throw new Error('no state yet')
    const full = { cmd: `test/${written.commits.length}`, ...draft }
    const identity = { own: 'a.1', nonce: String(written.commits.length) }
    const commit = JSON.parse(JSON.stringify(recorded(definition, identity, before, next, full, finished))) as Commit
    written.commits.push(commit)
    written.book = book(before, self, commit, commit.n)
    return commit
  }
  const at = (): number => (written.book?.ts ?? 0) + 10
  return {
    written,
    add: (ev: JournaledEvent, more: Partial<Draft> = {}) => add({ ev: { ...ev, at: at() }, ...more }),
    begin: () => {
      const ev = { type: 'xstate.init', at: at() }
      return add({ ev, decision: begin(definition, self, undefined, ev.at) })
    },
    send: (event: JournaledEvent, more: Partial<Draft> = {}) => {
      const ev = { ...event, at: at() }
      const { book: before } = written
      if (!before) throw new Error('no state yet')
      const decision = decide(definition, self, hydrate(definition.machine, before.state), ev)
      if (!decision) throw new Error(`${event.type} is not accepted`)
      return add({ ev, decision, ...more })
    },
  }
}

const knock = (times: number) => ({ type: 'door.Knock', times })
const timer = 'xstate.after.grace.door.open'

/** Knocks, an opening with effect, timer and fact, bookkeeping, the effect's end, and a second opening that times out. */
const story = (definition = definitionOf(door())) => {
  const door = writer(definition)
  door.begin()
  door.send(knock(1))
  door.send(knock(2))
  door.add({ type: '$opened' })
  door.add({ type: '$refused', command: 'door.Knock', reason: 'it is open' })
  const key = 'door/front/3/0'
  const [owed] = door.written.book?.open.keys() ?? []
  door.send(
    { type: 'xstate.done.actor.0.door.open', actorId: '0.door.open', output: null },
    { cmd: owed ?? key, done: [owed ?? key] },
  )
  const opened = door.send(knock(5))
  door.send({ type: timer }, { cmd: `timer/${timer}/${opened.tset[0]?.due}`, tdel: [timer] })
  return door
}

const faultOf = ({ fault }: Verdict) => fault
const diverged = (definition: Definition, commits: readonly Commit[]) => {
  const fault = faultOf(verify(definition, self, commits))
  if (fault?.kind !== 'diverged') throw new Error(`no divergence, but ${JSON.stringify(fault)}`)
  return { n: fault.n, event: fault.event, paths: fault.differs.map(({ path }) => path), differs: fault.differs }
}

test('verify: what a machine wrote, it decides again', () => {
  const { commits } = story().written
  expect(verify(definitionOf(door()), self, commits)).toEqual({ actor: self, commits: 8, executed: 6, older: 0 })
})

test('verify: a changed guard without a new version is caught at the first commit that it changes', () => {
  const { commits } = story().written
  const found = diverged(definitionOf(door({ enough: 4 })), commits)
  expect([found.n, found.event]).toEqual([3, 'door.Knock'])
  expect(found.differs).toContainEqual({ path: 'to', journal: 'open', replay: 'shut' })
  expect(verdictLine(verify(definitionOf(door({ enough: 4 })), self, commits))).toMatch(
    /^door\/front: commit 3 \(door\.Knock\) comes out otherwise: to: journal "open", replay "shut"; /,
  )
})

test.each([
  ['a changed assign', { adds: 1 }, ['state.context.heard', 'fx.0.input.heard']],
  ['a changed delay', { grace: 2_000 }, ['tset.0.due']],
  ['a changed fact', { fact: 'door.Unlocked' }, ['em.0.ev.type']],
])('verify: %s without a new version is caught, with the path', (_, changes, paths) => {
  const found = diverged(definitionOf(door(changes)), story().written.commits)
  expect([found.n, found.paths]).toEqual([3, paths])
})

const changed = (index: number, change: Partial<Commit>): readonly Commit[] =>
  story().written.commits.map((commit, at) => (at === index ? { ...commit, ...change } : commit))

test.each<[string, number, Partial<Commit>, string]>([
  ['an effect that the machine did not ask for', 1, { fx: [{ i: 0, kind: 'action', name: 'explode' }] }, 'fx'],
  ['an effect left out', 2, { fx: [] }, 'fx'],
  ['a timer left out', 2, { tset: [] }, 'tset'],
  ['a fact left out', 2, { em: [] }, 'em'],
  ['a state that bookkeeping changed', 3, { p: { set: [[['context', 'heard'], 99]] } }, 'state.context.heard'],
  ['an effect in bookkeeping', 3, { fx: [{ i: 0, kind: 'action', name: 'explode' }] }, 'fx'],
  ['a timer in bookkeeping', 4, { tset: [{ id: 'x', due: 1, ev: { type: 'x' } }] }, 'tset'],
  ['a machine fact in bookkeeping', 4, { em: [{ i: 0, ev: { type: 'door.Opened' } }] }, 'em'],
  ['an ended effect that is not said to have ended', 5, { done: [] }, 'done'],
  ['the end of an effect that was never open', 1, { done: ['door/front/1/9'] }, 'done'],
  ['a fired timer that stays set', 7, { tdel: [] }, 'tdel'],
  ['a state value that the patch does not make', 1, { to: 'open' }, 'to'],
])('verify: %s is caught', (_, index, change, path) => {
  const found = diverged(definitionOf(door()), changed(index, change))
  expect(found.n).toBe(index + 1)
  expect(found.paths.map((each) => each.split('.').slice(0, path.split('.').length).join('.'))).toContain(path)
})

test('verify: an event that the machine does not accept any more is a divergence', () => {
  const { commits } = story().written
  const at = (commits[0]?.ts ?? 0) + 5
  const foreign = commits.map((commit) => (commit.n === 2 ? { ...commit, ev: { type: 'door.Ring', at } } : commit))
  expect(diverged(definitionOf(door()), foreign).differs).toEqual([
    { path: 'event', journal: 'door.Ring', replay: 'not accepted in the state "shut"' },
  ])
})

test('verify: a dead event throws again; one that does not is a divergence', () => {
  const { add, written } = story()
  add({ type: '$dead', event: { type: 'door.Break' }, error: { name: 'Error', message: 'the door is broken' } })
  expect(verify(definitionOf(door()), self, written.commits)).toMatchObject({ commits: 9, executed: 7 })
  add({ type: '$dead', event: knock(1), error: { name: 'Error', message: 'once' } })
  expect(diverged(definitionOf(door()), written.commits)).toMatchObject({
    n: 10,
    differs: [{ path: 'event', journal: 'the machine threw on door.Knock', replay: 'accepted: "open"' }],
  })
})

test('verify: a dead event that could not be written is taken as it is, and so is one with no payload left', () => {
  const { add, written } = story()
  add({ type: '$dead', event: { type: 'door.Knock' }, error: { name: 'NotJson', message: 'context.odd is a Date' } })
  expect(verify(definitionOf(door()), self, written.commits).fault).toBeUndefined()
})

test('verify: an ignored event has to be ignored again', () => {
  const { add, written } = story()
  add({ type: '$ignored', event: { type: 'door.Ring' } })
  expect(verify(definitionOf(door()), self, written.commits).fault).toBeUndefined()
  add({ type: '$ignored', event: knock(1) })
  expect(diverged(definitionOf(door()), written.commits).paths).toEqual(['event'])
})

test('verify: a missing commit, a record that is none, and a commit without a time are corrupt, with the reason', () => {
  const { commits } = story().written
  const definition = definitionOf(door())
  expect(faultOf(verify(definition, self, commits.toSpliced(2, 1)))).toEqual({
    kind: 'corrupt',
    n: 4,
    reason: expect.stringContaining('commit 3 is missing, found 4'),
  })
  expect(faultOf(verify(definition, self, [new Corrupt('no JSON')]))).toEqual({
    kind: 'corrupt',
    n: undefined,
    reason: 'no JSON',
  })
  const timeless = commits.map((commit) => (commit.n === 2 ? { ...commit, ev: knock(1) } : commit))
  expect(faultOf(verify(definition, self, timeless))).toMatchObject({ kind: 'corrupt', n: 2 })
})

test('verify: a journal of a newer machine is refused with the remedy', () => {
  const { commits } = story(definitionOf(door(), { version: 3 })).written
  expect(faultOf(verify(definitionOf(door()), self, commits))).toEqual({
    kind: 'corrupt',
    n: 1,
    reason: expect.stringMatching(/written by version 3 .* has version 1: verify with the newer release$/),
  })
})

test('verify: commits of an older machine are folded, and replay begins at the migration', () => {
  const old = story()
  const machine = door({ enough: 100 })
  const migrate = { 1: (state: Book['state']) => ({ ...state, context: { heard: 50 } }) }
  const definition = definitionOf(machine, { version: 2, migrate })
  const { add, send, written } = writer(definition, old.written)
  const before = written.book?.state as Book['state']
  add({ type: '$migrated', from: 1, to: 2 }, { state: migrate[1](before) })
  send(knock(49))
  expect(verify(definition, self, written.commits)).toEqual({ actor: self, commits: 10, executed: 1, older: 8 })
  const other = { ...definition, migrate: { 1: (state: Book['state']) => ({ ...state, context: { heard: 51 } }) } }
  expect(diverged(other, written.commits)).toMatchObject({ n: 9, event: '$migrated', paths: ['state.context.heard'] })
})

const hashOf = (commits: readonly Commit[]): string =>
  commits.reduce((hash, commit) => hash.update(JSON.stringify(commit)), createHash('sha256')).digest('hex')

test('verify: a checkpoint is a beginning, and has to say what the commits before it said', () => {
  const { add, send, written } = story()
  const state = written.book?.state as Book['state']
  const ledger = ledgerOf(written.book as Book)
  add({ type: '$checkpoint' }, { state, ck: { ...ledger, sha256: hashOf(written.commits) } })
  send(knock(2))
  const definition = definitionOf(door())
  expect(verify(definition, self, written.commits)).toMatchObject({ commits: 10, executed: 7 })
  expect(verify(definition, self, written.commits.slice(8))).toEqual({ actor: self, commits: 2, executed: 1, older: 0 })
  const forged = written.commits.map((commit) =>
    commit.ck ? { ...commit, ck: { ...commit.ck, timers: [{ id: 'x', due: 1, ev: { type: 'x' } }] } } : commit,
  )
  expect(diverged(definition, forged)).toMatchObject({ n: 9, paths: ['ck.timers'] })
  const tampered = written.commits.map((commit) => (commit.n === 4 ? { ...commit, own: 'b.1' } : commit))
  expect(faultOf(verify(definition, self, tampered))).toEqual({
    kind: 'corrupt',
    n: 9,
    reason: 'the hash in checkpoint 9 does not fit the records before it: one of them was changed since',
  })
})

test('verify: an event of an older schema is upcast before the machine sees it', () => {
  const { commits } = story().written
  const event = { schema: z.strictObject({ times: z.number() }), v: 3, command: true as const }
  const steps = {
    1: ({ knocks }: { knocks: number }) => ({ count: knocks }),
    2: ({ count }: { count: number }) => ({ times: count }),
  }
  const older = commits.map((commit) => {
    if (commit.ev.type !== 'door.Knock') return commit
    const { times, ...ev } = commit.ev as JournaledEvent & { times: number }
    return { ...commit, ev: { ...ev, knocks: times } }
  })
  const definition = definitionOf(door(), { events: { 'door.Knock': { ...event, upcast: steps } } })
  expect(verify(definition, self, older)).toMatchObject({ commits: 8, executed: 6 })
  expect(faultOf(verify(definitionOf(door(), { events: { 'door.Knock': event } }), self, older))).toEqual({
    kind: 'corrupt',
    n: 2,
    reason: expect.stringMatching(/^door\/front: the event door\.Knock of commit 2: .* nothing leads from 1 to 2: add upcast 1 /),
  })
})

test('upcast: goes step by step, names a missing step, and refuses what is newer than this process', () => {
  const event = { v: 3, upcast: { 2: (payload: object) => ({ ...payload, b: 2 }) } }
  expect(upcast(event, { a: 1 }, 3)).toEqual({ a: 1 })
  expect(upcast(event, { a: 1 }, 2)).toEqual({ a: 1, b: 2 })
  expect(() => upcast(event, { a: 1 }, 1)).toThrow('nothing leads from 1 to 2: add upcast 1')
  expect(() => upcast(event, { a: 1 }, 4)).toThrow('schema version 4, this process knows versions up to 3: run the release')
})
