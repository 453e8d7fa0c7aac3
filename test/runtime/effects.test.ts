import fc from 'fast-check'
import { expect, test } from 'vitest'
import { systemChance } from '../../src/runtime/chance.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { perform } from '../../src/runtime/effects.ts'
import { unrestricted } from '../../src/runtime/licence.ts'
import { createSlots } from '../../src/runtime/slots.ts'
import type { EffectDef } from '../../src/runtime/types.ts'
import { bed } from './bed.ts'
import { shopDefinitions, shopSelf } from './shop.ts'

test('effects: no more of one name run at once than its concurrency, and all of them run', async () => {
  let running = 0
  let most = 0
  const ends: (() => void)[] = []
  const count = async (): Promise<void> => {
    most = Math.max(most, ++running)
    await new Promise<void>((resolve) => ends.push(resolve))
    running--
  }
  const { process, inbox, clock, journal } = bed(shopDefinitions({ concurrency: 3, count }), shopSelf)
  await process('a')
  const names = Array.from({ length: 10 }, (_, index) => `t${index}`)
  for (const name of names) await inbox.call('shop', 'Open', { name })
  await clock.advance(100)
  for (const name of names) await inbox.call('till', 'Shut', {}, `shut/${name}`, name)
  for (let turn = 0; turn < names.length; turn++) {
    await clock.advance(100)
    ends.shift()?.()
  }
  await clock.advance(1_000)
  expect(most).toBe(3)
  expect(journal.of(shopSelf).filter(({ ev }) => ev.type.startsWith('xstate.done.actor.'))).toHaveLength(names.length)
})

test('effects: of one key they run one by one in their order, and who waits for that takes no place from others', async () => {
  const begun: string[] = []
  const ends = new Map<string, () => void>()
  const effect: EffectDef<string, void> = {
    reach: 'internal',
    idempotency: 'natural',
    timeoutMs: 10_000,
    concurrency: 2,
    oneByOne: (input) => input[0] ?? '',
    run: (input) => {
      begun.push(input)
      return new Promise((resolve) => ends.set(input, resolve))
    },
  }
  const means = { licence: unrestricted, clock: systemClock, chance: systemChance, slots: createSlots() }
  const actor = { type: 'till', id: 't' }
  const context = { key: 'till/t/1/0', actor, signal: new AbortController().signal, attempt: 1, trace: undefined }
  const report = async (): Promise<void> => {}
  const performed = ['a1', 'a2', 'a3', 'b1', 'c1'].map((input) => perform('ask', effect, input, { ...context, report }, means))
  for (const [ended, running] of [
    [undefined, 'a1 b1'],
    ['a1', 'a1 b1 c1'], // it came before a2, which had to wait for a1
    ['b1', 'a1 b1 c1 a2'],
    ['a2', 'a1 b1 c1 a2 a3'],
  ] as const) {
    if (ended !== undefined) ends.get(ended)?.()
    await new Promise((resolve) => setImmediate(resolve))
    expect(begun.join(' ')).toBe(running)
  }
  for (const end of ends.values()) end()
  await Promise.all(performed)
})

test('slots: whoever gives up waiting takes no place, and every place comes back', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.boolean(), { maxLength: 20 }), fc.integer({ min: 1, max: 4 }), async (givesUp, limit) => {
      const slots = createSlots()
      const held = await Promise.all(Array.from({ length: limit }, () => slots.take('x', limit, new AbortController().signal)))
      const order: number[] = []
      const waits = givesUp.map(async (gives, index) => {
        const abort = new AbortController()
        const taken = slots.take('x', limit, abort.signal).then((give) => {
          order.push(index)
          give()
        })
        if (gives) abort.abort(new Error('no longer'))
        await taken.catch(() => {})
      })
      for (const give of held) give()
      await Promise.all(waits)
      expect(order).toEqual(givesUp.flatMap((gives, index) => (gives ? [] : [index])))
      for (let index = 0; index < limit; index++) await slots.take('x', limit, new AbortController().signal)
    }),
  )
})
