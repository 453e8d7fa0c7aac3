import { afterAll, beforeAll, expect, test } from 'vitest'
import type { AnyStateMachine } from 'xstate'
import { setup } from 'xstate'
import { natsGallery } from '../../src/adapters/jetstream/inspect.ts'
import { publishMachines } from '../../src/adapters/jetstream/machines.ts'
import { definitionText, introduced } from '../../src/runtime/inspect.ts'
import { type NatsForTest, natsForTest } from '../nats.ts'
import { everyShipped, shipped } from '../shipped.ts'

let nats: NatsForTest
beforeAll(async () => {
  nats = await natsForTest()
})
afterAll(() => nats.cleanup())

const lamp = (target: string): AnyStateMachine =>
  setup({}).createMachine({
    id: 'lamp',
    initial: 'off',
    states: { off: { on: { Press: target } }, on: { on: { Press: 'off' } } },
  })

test('machines: the text of every shipped machine is kept by version, functions by name', async () => {
  const js = nats.nc.jetstream()
  const { definition, refused } = await publishMachines(js, everyShipped)
  expect(refused.size).toBe(0)
  expect(definition('cluster', 99)).toBeUndefined()
  for (const { type, version, machine } of everyShipped) expect(definition(type, version)).toBe(definitionText(machine))
  const { context, initial } = JSON.parse(definition('eviction', 2) ?? '') as { context: unknown; initial: string }
  expect([context, initial]).toEqual([{ type: 'context' }, 'evicting'])
  const again = await publishMachines(js, everyShipped)
  expect([again.refused.size, again.definition('cluster', 1)]).toEqual([0, definition('cluster', 1)])
})

test('machines: another structure under the same version is refused by name, and the first one stays', async () => {
  const js = nats.nc.jetstream()
  const first = { type: 'lamp', version: 1, machine: lamp('on') }
  expect((await publishMachines(js, [first])).refused.size).toBe(0)
  const changed = { ...first, machine: lamp('off') }
  const { refused, definition } = await publishMachines(js, [changed, shipped('cluster')])
  expect([...refused]).toEqual([
    ['lamp', expect.stringMatching(/^the machine of lamp is not what was hosted as version 1 before: raise its version/)],
  ])
  expect(definition('lamp', 1)).toBe(definitionText(lamp('on')))
  expect((await publishMachines(js, [{ ...changed, version: 2 }])).refused.size).toBe(0)
})

test('gallery: messages are published under the actor, kept nowhere, and shortened rather than refused by NATS', async () => {
  const { nc, cluster } = nats
  const jsm = await nc.jetstreamManager()
  await jsm.streams.add({ name: 'JOURNAL', subjects: [`qm.${cluster}.journal.>`] })
  const gallery = natsGallery(nc, jsm, cluster)
  const self = { type: 'drain-node', id: 'a.b' }
  const inspection = { root: { type: 'cluster', id: 'demo' }, definition: () => undefined }
  const state = { status: 'active', value: 'idle', context: { text: 'x'.repeat(1_100_000) }, children: {} } as const
  const heard = nc.subscribe(`qm.${cluster}.inspect.>`, { max: 1 })
  gallery.publish(self, introduced(inspection, self, { n: 1, ts: 1, mv: 1, parent: undefined, state }))
  for await (const message of heard) {
    expect(message.subject).toBe(`qm.${cluster}.inspect.drain-node.a_b`)
    expect(message.json()).toMatchObject({
      sessionId: 'drain-node/a.b',
      snapshot: { context: { $omitted: '1100011 characters' } },
    })
  }
  expect(await gallery.newest()).toBe(0)
})
