import { expect, test } from 'vitest'
import { askAgain, type Held, LICENCE_MS, licence } from '../../src/runtime/licence.ts'
import { type VirtualClock, virtualClock } from '../../src/runtime/testing/virtual-clock.ts'
import type { Commit, Reach } from '../../src/runtime/types.ts'

const governor = { type: 'cluster', id: 'demo' }
const permits = (value: unknown, reach: Reach): string | undefined =>
  value === 'held' && reach === 'disruptive' ? 'the brake is on' : undefined

/** A journal of which only the newest commit of one actor is asked; how it answers is up to the test. */
const asked = (clock: VirtualClock) => {
  const journal = { to: 'released' as string, n: 1, delayMs: 0, isSilent: false, questions: 0 }
  const last = async () => {
    journal.questions++
    const { isSilent, delayMs } = journal
    const commit = { n: journal.n, to: journal.to } as Commit
    if (isSilent) {
      await new Promise<void>((resolve) => clock.after(5_000, resolve))
      throw new Error('timeout')
    }
    if (delayMs > 0) await new Promise<void>((resolve) => clock.after(delayMs, resolve))
    return { seq: journal.n, actor: governor, commit }
  }
  return { journal, last }
}

const open = async () => {
  const clock = virtualClock()
  const life = new AbortController()
  const { journal, last } = asked(clock)
  let renewals = 0
  const held = licence({ last }, { actor: governor, permits }, clock, life.signal, () => void renewals++)
  /** Whether a request of that reach may start now, or why not. */
  const may = (reach: Reach = 'disruptive'): Promise<string> =>
    held.during(reach, async () => 'yes').catch((error: Held) => `${error.name}: ${error.message}`)
  await clock.advance(0)
  return { clock, life, journal, held, may, renewals: () => renewals }
}

const NO_WORD = 'Held: no word from the journal for three seconds: nothing disruptive starts'

test('licence: before the first word from the journal nothing starts, but what is internal', async () => {
  const clock = virtualClock()
  const { journal, last } = asked(clock)
  journal.isSilent = true
  const held = licence({ last }, { actor: governor, permits }, clock, new AbortController().signal)
  await expect(held.during('disruptive', async () => 'yes')).rejects.toThrow(/no word from the journal/)
  await expect(held.during('restoring', async () => 'yes')).rejects.toThrow(/no word from the journal/)
  expect(await held.during('internal', async () => 'yes')).toBe('yes')
})

test('licence: what has waited for longer than it lasts is held right before it is sent', async () => {
  const { clock, journal, held } = await open()
  const waiting = (reach: Reach): Promise<string> =>
    held
      .during(reach, async () => {
        await new Promise<void>((resolve) => clock.after(LICENCE_MS + 1_500, resolve))
        askAgain()
        return 'sent'
      })
      .catch((error: Held) => `${error.name}: ${error.message}`)
  journal.isSilent = true
  const all = Promise.all((['disruptive', 'restoring', 'internal'] as const).map(waiting))
  await clock.advance(LICENCE_MS + 2_000)
  expect(await all).toEqual([NO_WORD, NO_WORD, 'sent'])
  expect(held.inFlight()).toBe(0)
  expect(askAgain()).toBeUndefined()
})

test('licence: it is renewed every second, and follows the brake within one', async () => {
  const { clock, journal, may, held, renewals } = await open()
  expect(await may()).toBe('yes')
  await clock.advance(60_000)
  expect([await may(), renewals()]).toEqual(['yes', 61])
  journal.to = 'held'
  journal.n = 2
  await clock.advance(1_000)
  expect([await may(), await may('restoring'), held.seen()]).toEqual(['Held: the brake is on', 'yes', 2])
  journal.to = 'released'
  await clock.advance(1_000)
  expect(await may()).toBe('yes')
})

test('licence: without an answer it runs out three seconds after the last question that was answered was asked', async () => {
  const { clock, journal, may } = await open()
  await clock.advance(10_000)
  journal.isSilent = true
  await clock.advance(LICENCE_MS)
  expect(await may()).toBe('yes')
  await clock.advance(1)
  expect([await may(), await may('restoring'), await may('internal')]).toEqual([NO_WORD, NO_WORD, 'yes'])
  journal.isSilent = false
  await clock.advance(1_000)
  expect(await may()).toBe('yes')
})

test('licence: its three seconds begin with the question, not with the answer', async () => {
  const { clock, journal, may } = await open()
  journal.delayMs = 2_500
  await clock.advance(1_000) // asked at 1 s, answered at 3.5 s
  journal.isSilent = true
  await clock.advance(3_000)
  expect(await may()).toBe('yes')
  await clock.advance(1)
  expect(await may()).toBe(NO_WORD)
})

test('licence: a slow journal is asked every second all the same, and an old answer says nothing', async () => {
  const { clock, journal, may, held } = await open()
  journal.delayMs = 2_000
  for (let second = 0; second < 20; second++) {
    await clock.advance(1_000)
    expect(await may(), `after ${second + 1} s`).toBe('yes')
  }
  journal.delayMs = 900
  journal.to = 'held'
  journal.n = 2
  await clock.advance(1_950) // the younger answer is there, the older ones come behind it
  expect([await may(), held.seen()]).toEqual(['Held: the brake is on', 2])
  await clock.advance(100)
  expect([await may(), held.seen()]).toEqual(['Held: the brake is on', 2])
})

test('licence: disruptive requests are counted while they are under way, also when they fail', async () => {
  const { held } = await open()
  const ends: ((error?: Error) => void)[] = []
  const request = () =>
    held.during('disruptive', () => new Promise<void>((resolve, reject) => void ends.push((e) => (e ? reject(e) : resolve()))))
  const [first, second] = [request(), request()]
  const third = held.during('restoring', async () => {})
  expect(held.inFlight()).toBe(2)
  ends[0]?.()
  ends[1]?.(new Error('no answer'))
  await Promise.allSettled([first, second, third])
  expect(held.inFlight()).toBe(0)
})

test('licence: a process that stops starts nothing any more', async () => {
  const { life, may } = await open()
  life.abort()
  expect(await may()).toBe('Held: this process stops: nothing disruptive starts')
})
