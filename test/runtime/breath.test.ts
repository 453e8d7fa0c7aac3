import { expect, test } from 'vitest'
import { assign, setup } from 'xstate'
import { z } from 'zod'
import { createActor } from '../../src/runtime/actor.ts'
import { type Breath, createBreath } from '../../src/runtime/breath.ts'
import { systemChance } from '../../src/runtime/chance.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { unrestricted } from '../../src/runtime/licence.ts'
import { memoryInbox } from '../../src/runtime/testing/memory-inbox.ts'
import { memoryJournal } from '../../src/runtime/testing/memory-journal.ts'
import { createTimers } from '../../src/runtime/timers.ts'
import type { ActorDef } from '../../src/runtime/types.ts'

const spend = (ms: number): void => {
  for (const until = performance.now() + ms; performance.now() < until; );
}
const slow = setup({
  types: { context: {} as { readonly count: number }, events: {} as { readonly type: 'slow.Go' } },
}).createMachine({
  id: 'slow',
  context: { count: 0 },
  on: {
    'slow.Go': {
      actions: assign({
        count: ({ context }) => {
          spend(2)
          return context.count + 1
        },
      }),
    },
  },
})
const definition: ActorDef<typeof slow> = {
  type: 'slow',
  version: 1,
  machine: slow,
  events: { 'slow.Go': { schema: z.strictObject({}), v: 1, command: true } },
  effects: {},
}
const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

/** How often the event loop turned while fifty actors decided what had come for all of them at once. */
const turnsOver = async (breath: Breath | undefined): Promise<number> => {
  const ground = {
    process: 'test',
    journal: memoryJournal(),
    inbox: memoryInbox(),
    clock: systemClock,
    chance: systemChance,
    timers: createTimers(systemClock),
    licence: unrestricted,
    log: silent,
    breath,
  }
  const actors = Array.from({ length: 50 }, (_, index) => createActor(ground, definition, { type: 'slow', id: String(index) }))
  const command = { type: 'slow', id: '', payload: {}, sentAt: Date.now() }
  for (const { receive } of actors) await receive({ ...command, verb: '$Spawn', cmd: 'spawn' })
  let [turns, isOver] = [0, false]
  const turn = (): void => {
    turns++
    if (!isOver) setImmediate(turn)
  }
  setImmediate(turn)
  const outcomes = await Promise.all(actors.map(({ receive }) => receive({ ...command, verb: 'Go', cmd: 'go' })))
  isOver = true
  expect(outcomes.every(({ ok }) => ok)).toBe(true)
  for (const { snapshot } of actors) expect(snapshot()?.context).toEqual({ count: 1 })
  return turns
}

test('breath: between what many actors decide the event loop turns', async () => {
  expect(await turnsOver(createBreath())).toBeGreaterThanOrEqual(5)
  expect(await turnsOver(undefined)).toBe(0)
})

test('breath: a turn that has lasted is left, and the next one is young', async () => {
  const breath = createBreath()
  expect(breath()).toBeUndefined()
  spend(15)
  await breath()
  expect(breath()).toBeUndefined()
})
