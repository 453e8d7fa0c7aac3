import { expect, test } from 'vitest'
import { definitions, type Ports } from '../../../src/commands/up/definitions.ts'
import { Guard } from '../../../src/events/guard.ts'
import { settled } from '../../../src/runtime/testing/virtual-clock.ts'
import { bed } from '../../runtime/bed.ts'

const self = { type: 'controller', id: 'demo' }

/** A controller under a guard; each look at a node takes as long as it is told. */
const underGuard = async (guard: object, look: () => Promise<void> = () => new Promise(() => {})) => {
  const kubernetes = {
    getNode: async () => {
      await look()
      return { metadata: { name: 'n1', uid: 'u1', labels: { 'topology.kubernetes.io/zone': 'a' } }, spec: {}, status: {} }
    },
    listPodsOn: async () => [],
  }
  const ports = { kubernetes, own: { createEvent: async () => {} }, guard: Guard.parse(guard) } as unknown as Ports
  const story = bed(
    definitions(ports).filter(({ type, oneShot }) => type === 'controller' || oneShot),
    self,
  )
  await story.process('a', { root: { address: self, input: { cluster: 'demo', paused: false } } })
  await story.clock.advance(1_000)
  let sent = 0
  const call = (verb: string, payload: object) => story.inbox.call('controller', verb, payload, `call ${++sent}`)
  return { clock: story.clock, call }
}
const drain = (id: string, nodeName = 'n1') => ({ id, nodeName })

test('replies: a call says that the guard refuses, and by which rule, not that the order was taken', async () => {
  const { call } = await underGuard({ verbs: ['DrainNode'] })
  expect(await call('DrainNode', drain('a1'))).toMatchObject({ ok: true, to: 'serving' })
  expect(await call('DeleteNode', drain('a2', 'n2'))).toEqual({
    ok: false,
    why: 'refused',
    detail: 'guard rule "verbs": DeleteNode is not among DrainNode',
  })
  expect(await call('DrainNode', drain('a3'))).toMatchObject({
    ok: false,
    why: 'refused',
    detail: 'action a1 (DrainNode) is at work on this node',
  })
  expect(await call('DrainNode', drain('a1'))).toMatchObject({
    ok: false,
    why: 'duplicate',
    detail: 'it was ordered before: running',
  })
})

test('replies: what has to be looked at first is answered when it is decided', async () => {
  const seen = Promise.withResolvers<void>()
  const guard = { budgets: [{ name: 'a zone', counts: 'nodes', most: 0, per: 'zone' }] }
  const { call, clock } = await underGuard(guard, () => seen.promise)
  let answer: unknown
  void call('DrainNode', drain('a1')).then((outcome) => {
    answer = outcome
  })
  await clock.advance(1_000)
  expect(answer).toBeUndefined()
  seen.resolve()
  await settled()
  expect(answer).toEqual({
    ok: false,
    why: 'refused',
    detail: 'guard budget "a zone": 0 nodes at once in zone a, and 0 are counted',
  })
})

test('replies: what is not decided in time is said to be so, and so is what waits for approval', async () => {
  const guard = {
    budgets: [{ name: 'a zone', counts: 'nodes', most: 9, per: 'zone', verbs: ['DeleteNode'] }],
    approval: { verbs: ['DrainNode'], expirySeconds: 60 },
    signatures: { keys: {}, verbs: ['Approve'] },
  }
  const { call, clock } = await underGuard(guard)
  const deletion = call('DeleteNode', drain('a1', 'n2'))
  await clock.advance(4_000)
  expect(await deletion).toMatchObject({ ok: true, detail: 'taken, and not decided yet: a fact says what becomes of it' })
  expect(await call('DrainNode', drain('a2'))).toMatchObject({
    ok: true,
    detail: expect.stringMatching(/^it waits for somebody's approval until \d{4}-/),
  })
  expect(await call('Approve', { id: 'a2' })).toMatchObject({
    ok: false,
    why: 'refused',
    detail: expect.stringMatching(/^guard rule "signatures": /),
  })
  // Events that no fact answers are answered as they are taken.
  expect(await call('CancelAction', { id: 'a2' })).toMatchObject({ ok: true })
})
