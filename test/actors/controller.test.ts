import { expect, test } from 'vitest'
import { NO_GUARD } from '../../src/events/guard.ts'
import { found } from '../../src/runtime/buckets.ts'
import { decide } from '../../src/runtime/decide.ts'
import { type Book, book } from '../../src/runtime/fold.ts'
import { hydrate } from '../../src/runtime/persist.ts'
import { born, done, failed, given } from '../../src/runtime/testing/given.ts'
import { migrated } from '../../src/runtime/versions.ts'
import { recording } from '../corpus/read.ts'
import { shipped } from '../shipped.ts'

const guardSet = { type: 'controller.GuardSet', guard: NO_GUARD }
type Event = { readonly type: string; readonly [field: string]: unknown }
/** A controller under its default guard. What it writes beside nodes and pods is a test of its own. */
const story = (...events: readonly Event[]) => {
  const told = given(shipped('controller'), born({ cluster: 'demo', paused: false }), guardSet, ...events)
  return {
    when: (event: Event) => {
      const { decided } = told.when(event)
      if (decided === 'refused') throw new Error(`${event.type} is not accepted`)
      const effects = decided.effects.filter(([name]) => name !== 'record')
      const notes = decided.effects.flatMap(([name, note]) => (name === 'record' ? [note] : []))
      // biome-ignore lint/suspicious/noThenProperty: given, when, then; nobody waits for it
      return { then: (expected: object) => expect({ ...decided, effects, notes }).toMatchObject(expected) }
    },
  }
}
const drain = {
  type: 'controller.DrainNode',
  id: 'a1',
  nodeName: 'n1',
  drainTimeoutSeconds: 60,
  force: false,
  requester: 'evictor/demo',
}

test('controller: an admitted action gets an actor of its own, named by its id', () => {
  story()
    .when(drain)
    .then({
      effects: [['spawn drain-node/a1', { order: { id: 'a1', nodeName: 'n1', drainTimeoutSeconds: 60, force: false } }]],
      emitted: [{ type: 'controller.ActionAccepted', action: 'a1', verb: 'DrainNode', node: 'n1' }],
    })
})

test('controller: whoever asked hears how it ended, and the child is forgotten', () => {
  const decided = story(drain).when(done('a1', { outcome: 'done', evicted: 3 }))
  decided.then({
    effects: [
      ['stop drain-node/a1', undefined],
      ['evictor.ActionEnded', { action: 'a1', verb: 'DrainNode', nodeName: 'n1', outcome: 'done', evicted: 3 }],
    ],
  })
})

test('controller: an end is told by the commit that frees what the action was at work on, and once', () => {
  const told = { type: 'controller.ActionDone', action: 'a1', node: 'n1', evicted: 3, alreadyGone: false }
  const end = done('a1', { outcome: 'done', evicted: 3, told })
  story(drain)
    .when(end)
    .then({ emitted: [told] })
  story(drain, end)
    .when({ ...drain, id: 'a2' })
    .then({ emitted: [{ type: 'controller.ActionAccepted', action: 'a2' }] })
  story(drain)
    .when({ ...end, repeated: true })
    .then({ emitted: [{ type: 'controller.ActionRepeated', outcome: 'done' }] })
})

test('controller: an order that is given again while it is carried out is begun once', () => {
  const again = story(drain).when(drain)
  again.then({ effects: [], emitted: [{ type: 'controller.ActionRepeated', action: 'a1', outcome: 'running' }] })
  story(drain)
    .when({ ...drain, drainTimeoutSeconds: 61 })
    .then({
      emitted: [{ type: 'controller.ActionRefused', reason: 'an action with this id is running, and its order was another' }],
    })
})

test('controller: of an action that had ended before, the outcome is said again', () => {
  story(drain)
    .when({ ...done('a1', { outcome: 'done', evicted: 3 }), repeated: true })
    .then({
      emitted: [{ type: 'controller.ActionRepeated', action: 'a1', verb: 'DrainNode', node: 'n1', outcome: 'done' }],
      effects: [
        ['stop drain-node/a1', undefined],
        ['evictor.ActionEnded', { outcome: 'done', evicted: 3 }],
      ],
    })
})

test('controller: an action that never began is refused, and its place is free', () => {
  const reason = 'drain-node/a1 was begun before, and with another input'
  const told = failed('a1', 'Refused', reason)
  story(drain)
    .when(told)
    .then({
      emitted: [{ type: 'controller.ActionRefused', action: 'a1', reason }],
      effects: [
        ['stop drain-node/a1', undefined],
        ['evictor.ActionEnded', { outcome: 'refused', reason }],
      ],
    })
  story(drain, told)
    .when({ ...drain, id: 'a2' })
    .then({ emitted: [{ type: 'controller.ActionAccepted' }] })
})

test('controller: what begins, is refused and ends is written beside its node, each time with its own type and reason', () => {
  const regarding = { kind: 'Node', name: 'n1' }
  const note = (eventType: string, reason: string) => ({ regarding, eventType, reason, action: 'DrainNode' })
  story()
    .when(drain)
    .then({ notes: [note('Normal', 'ActionAccepted')] })
  story(drain)
    .when({ ...drain, id: 'a2' })
    .then({ notes: [{ ...note('Warning', 'ActionRefused'), message: expect.stringMatching(/^DrainNode a2: action a1/) }] })
  story(drain)
    .when(done('a1', { outcome: 'failed', reason: 'a budget' }))
    .then({ notes: [{ ...note('Warning', 'ActionFailed'), message: 'DrainNode a1: a budget' }] })
  story(drain)
    .when(done('a1', { outcome: 'done' }))
    .then({ notes: [note('Normal', 'ActionDone')] })
  story().when({ type: 'controller.CheckNodeDeleted', id: 'c1', nodeName: 'n1' }).then({ notes: [] })
})

test('controller: two actions on one node are not admitted', () => {
  story(drain)
    .when({ ...drain, id: 'a2' })
    .then({
      emitted: [{ type: 'controller.ActionRefused', reason: 'action a1 (DrainNode) is at work on this node' }],
      effects: [['evictor.ActionEnded', { action: 'a2', outcome: 'refused' }]],
    })
})

test('controller: under the brake nothing is admitted, and running actions are rolled back or go on by policy', () => {
  const pause = (policy: string) => ({ type: 'controller.Pause', policy })
  story(drain)
    .when(pause('rollback'))
    .then({ effects: [['drain-node.Cancel', { reason: 'the brake is on' }]] })
  story(drain).when(pause('finish')).then({ effects: [] })
  story(pause('finish'))
    .when(drain)
    .then({
      emitted: [{ type: 'controller.ActionRefused', reason: 'the brake is on' }],
    })
  story(pause('finish'), { type: 'controller.Resume' })
    .when(drain)
    .then({
      emitted: [{ type: 'controller.ActionAccepted' }],
    })
})

test('controller: retired, it rolls back what runs, still gives back, and ends when nobody asks any more', () => {
  const retire = { type: 'controller.Retire', policy: 'rollback' }
  const uncordon = { type: 'controller.UncordonNode', id: 'u1', nodeName: 'n2', action: 'a0' }
  story()
    .when(retire)
    .then({ to: { retiring: 'lingering' }, timers: [2_000] })
  story(drain)
    .when(retire)
    .then({ to: { retiring: 'waiting' }, effects: [['drain-node.Cancel', {}]] })
  story(drain, retire)
    .when({ ...drain, id: 'a2', nodeName: 'n3' })
    .then({
      emitted: [{ type: 'controller.ActionRefused', reason: 'the cluster leaves the phase automating' }],
    })
  story(drain, retire)
    .when(done('a1', { outcome: 'failed' }))
    .then({ to: { retiring: 'lingering' } })
  story(retire)
    .when(uncordon)
    .then({ to: { retiring: 'waiting' }, effects: [['spawn uncordon-node/u1', {}]] })
})

test('controller: the brake does not hold back what gives something back', () => {
  const uncordon = { type: 'controller.UncordonNode', id: 'u1', nodeName: 'n2', action: 'a0' }
  const pause = { type: 'controller.Pause', policy: 'rollback' }
  story(pause)
    .when(uncordon)
    .then({
      effects: [['spawn uncordon-node/u1', {}]],
    })
  story(uncordon).when(pause).then({ effects: [] })
})

test('controller: what version 1 had under way is known to this version, and its end is heard', () => {
  const definition = shipped('controller')
  const old = recording('cluster-v1.jsonl').actors.find(({ actor }) => actor.type === 'controller')
  if (!old) throw new Error('no controller is in the recording')
  let known: Book | undefined
  let seen = 0
  for (const commit of old.commits) {
    known = book(known, old.actor, commit, commit.n)
    const state = migrated(definition, old.actor, known)
    const snapshot = hydrate(definition.machine, state)
    for (const action of Object.keys(state.children)) {
      const heard = decide(definition, old.actor, snapshot, { ...done(action, { outcome: 'done' }), at: 1 })
      expect(heard?.fx[0], action).toMatchObject({ kind: 'stop', to: { id: action } })
      expect(found(heard?.next.context.running, action)).toBeUndefined()
      seen++
    }
  }
  expect(seen).toBeGreaterThan(10)
})

test('controller: what version 4 kept in one bag is known to this version, and what one alone may be at work on', () => {
  const entry = { verb: 'DrainNode', node: 'n1', since: 1, digest: '', alone: 'node n1' }
  const waiting = { ...entry, node: 'n2', alone: 'node n2', stage: 'waiting', order: { id: 'a2', nodeName: 'n2' } }
  const spent = { a1: { verb: 'DrainNode', node: 'n1', pods: 0, at: 1 } }
  const definition = shipped('controller')
  const self = { type: 'controller', id: 'demo' }
  const old = {
    status: 'active' as const,
    value: 'serving',
    context: { cluster: 'demo', closed: '', guard: NO_GUARD, running: { a1: entry }, pending: { a2: waiting }, spent },
    children: { followGuard: 'followGuard', a1: 'DrainNode' },
  }
  const snapshot = hydrate(definition.machine, migrated(definition, self, { mv: 4, state: old } as unknown as Book))
  const told = (event: Event) => decide(definition, self, snapshot, { ...event, at: 2 })?.em[0]?.ev
  expect(told({ ...drain, id: 'a3' })).toMatchObject({ reason: 'action a1 (DrainNode) is at work on this node' })
  expect(told({ ...drain, id: 'a3', nodeName: 'n2' })).toMatchObject({ type: 'controller.ActionRefused' })
  expect(told({ type: 'controller.Approve', id: 'a2' })).toMatchObject({ type: 'controller.ActionApproved', action: 'a2' })
  expect(told(done('a1', { outcome: 'refused' }))).toMatchObject({ type: 'controller.ActionRefused', action: 'a1' })
})

test('controller: under the brake thousands are cancelled and refused, some in each commit, and each once', () => {
  const definition = shipped('controller')
  const self = { type: 'controller', id: 'demo' }
  const events: Event[] = []
  for (let index = 0; index < 1_000; index++) events.push({ ...drain, id: `a${index}`, nodeName: `n${index}` })
  events.push({ ...guardSet, guard: { ...NO_GUARD, approval: { verbs: ['DrainNode'], expirySeconds: 60 } } })
  for (let index = 1_000; index < 2_000; index++) events.push({ ...drain, id: `a${index}`, nodeName: `n${index}` })
  let snapshot = given(definition, born({ cluster: 'demo', paused: false }), guardSet, ...events).state
  const heard: string[] = []
  let commits = 0
  for (let event: Event | undefined = { type: 'controller.Pause', policy: 'rollback' }; event; commits++) {
    const decision = decide(definition, self, snapshot, { ...event, at: 1 })
    if (!decision) throw new Error(`${event.type} is not accepted`)
    const cancelled = decision.fx.flatMap(({ kind, name, to }) =>
      kind === 'send' && name === 'drain-node.Cancel' ? [to?.id ?? ''] : [],
    )
    const refused = decision.em.map(({ ev }) => String(ev['action']))
    expect(cancelled.length + refused.length).toBeLessThan(300)
    heard.push(...cancelled, ...refused)
    snapshot = decision.next
    event = decision.tset.find(({ id }) => id === 'clearing')?.ev as Event | undefined
  }
  expect(heard.toSorted()).toEqual(Array.from({ length: 2_000 }, (_, index) => `a${index}`).toSorted())
  expect(commits).toBeGreaterThan(7)
  expect(snapshot.context.pending.size).toBe(0)
})

test('controller: released in the middle of it, the others go on', () => {
  const events: Event[] = []
  for (let index = 0; index < 500; index++) events.push({ ...drain, id: `a${index}`, nodeName: `n${index}` })
  const pause = { type: 'controller.Pause', policy: 'rollback' }
  const told = given(shipped('controller'), born({ cluster: 'demo', paused: false }), guardSet, ...events, pause)
  told.when({ type: 'controller.ClearNext' }).then({ to: 'serving' })
  const released = given(shipped('controller'), born({ cluster: 'demo', paused: false }), guardSet, ...events, pause, {
    type: 'controller.Resume',
  })
  released.when({ type: 'controller.ClearNext' }).then('refused')
})
