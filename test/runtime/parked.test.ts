import { expect, test } from 'vitest'
import { setup } from 'xstate'
import { z } from 'zod'
import { invoked, performed } from '../../src/runtime/intent.ts'
import type { ActorDef } from '../../src/runtime/types.ts'
import { bed } from './bed.ts'

const machine = setup({
  types: { context: {} as object, events: {} as { readonly type: 'job.Go' } },
  actors: { fetch: invoked<void, object>() },
  actions: { log: performed<{ readonly line: string }>() },
}).createMachine({
  id: 'job',
  context: {},
  initial: 'idle',
  states: {
    idle: { on: { 'job.Go': { target: 'fetching', actions: { type: 'log', params: { line: 'go' } } } } },
    fetching: { invoke: { src: 'fetch', input: {}, onDone: 'done' } },
    done: {},
  },
})

const self = { type: 'job', id: 'one' }
const stage = () => {
  const world = { isDown: true, runs: [] as { readonly key: string; readonly attempt: number }[], probes: 0 }
  const definition: ActorDef<typeof machine> = {
    type: 'job',
    version: 1,
    machine,
    events: { 'job.Go': { schema: z.strictObject({}), v: 1, command: true } },
    effects: {
      fetch: {
        reach: 'internal',
        idempotency: 'probe',
        timeoutMs: 1_000,
        probe: async () => {
          world.probes++
          return undefined
        },
        run: async (_, { key, attempt }) => {
          world.runs.push({ key, attempt })
          if (world.isDown) throw new Error('the world is down')
        },
      },
      log: { reach: 'internal', idempotency: 'natural', timeoutMs: 1_000, run: async () => {} },
    },
  }
  return { world, ...bed([definition], self) }
}
const parkedKey = (facts: readonly { readonly type: string }[]): string =>
  (facts.find(({ type }) => type === 'job.EffectParked') as unknown as { key: string }).key

test('parked: an effect that failed for good and has no onError waits, is told, and survives a restart', async () => {
  const { inbox, clock, process, facts, world } = stage()
  const first = await process('a')
  await inbox.call('job', 'Go', {})
  await clock.advance(2_000)
  expect(facts(self).at(-1)).toMatchObject({ type: 'job.EffectParked', effect: 'fetch', error: 'the world is down' })
  await first.stop()
  await process('b')
  await clock.advance(60_000)
  expect(world.runs).toHaveLength(1) // nobody tries it again by himself
})

test('parked: RetryEffect tries it again, asking the world first, and the machine goes on', async () => {
  const { inbox, clock, process, facts, world, journal } = stage()
  await process('a')
  await inbox.call('job', 'Go', {})
  await clock.advance(2_000)
  world.isDown = false
  const key = parkedKey(facts(self))
  expect(await inbox.call('job', 'RetryEffect', { key }, 'again')).toMatchObject({ ok: true })
  await clock.advance(2_000)
  expect(world.runs).toEqual([
    { key, attempt: 1 },
    { key, attempt: 2 },
  ])
  expect(world.probes).toBe(1)
  expect(journal.of(self).at(-1)?.to).toBe('done')
  expect(facts(self).map(({ type }) => type)).toContain('job.EffectRetried')
  expect(await inbox.call('job', 'RetryEffect', { key }, 'again')).toMatchObject({ why: 'duplicate' })
})

test('parked: one that fails again is parked again; DiscardEffect ends it for ever', async () => {
  const { inbox, clock, process, facts, world } = stage()
  const first = await process('a')
  await inbox.call('job', 'Go', {})
  await clock.advance(2_000)
  const key = parkedKey(facts(self))
  await inbox.call('job', 'RetryEffect', { key })
  await clock.advance(2_000)
  expect(facts(self).filter(({ type }) => type === 'job.EffectParked')).toHaveLength(2)
  expect(await inbox.call('job', 'DiscardEffect', { key })).toMatchObject({ ok: true })
  expect(first.actors()[0]?.book()?.open.size).toBe(0)
  expect(world.runs).toHaveLength(2)
  expect(await inbox.call('job', 'DiscardEffect', { key }, 'late')).toMatchObject({
    ok: false,
    detail: `job/one has no parked effect ${key}`,
  })
  expect(await inbox.call('job', 'RetryEffect', { key: 7 })).toMatchObject({
    ok: false,
    detail: expect.stringMatching(/job\.RetryEffect: key/),
  })
})
