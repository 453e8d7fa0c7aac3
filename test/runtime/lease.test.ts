import { expect, test } from 'vitest'
import { pause } from '../../src/runtime/clock.ts'
import type { Lease } from '../../src/runtime/inbox.ts'
import { createLeases, type LeaseRecord, type LeaseStore } from '../../src/runtime/lease.ts'
import { STEP_MS } from '../../src/runtime/licence.ts'
import { type VirtualClock, virtualClock } from '../../src/runtime/testing/virtual-clock.ts'

const TIMING = { leaseMs: 5_000, loseMs: 4_000, renewMs: 1_000 }
const TYPE = 'worker'
const SEEDS = 25
const STORY_MS = 90_000

/** Numbers from 0 to below 1, the same for the same seed (mulberry32). */
const seeded = (seed: number) => {
  let state = seed
  return (): number => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** What the way to the store does at the moment: nothing, or it holds everything, only the answers, or only the requests. */
type Weather = 'fair' | 'cut' | 'deaf' | 'mute'
const foul = ['cut', 'deaf', 'mute'] as const
const holds: Readonly<Record<Weather, readonly ('up' | 'down')[]>> = {
  fair: [],
  cut: ['up', 'down'],
  deaf: ['down'],
  mute: ['up'],
}

/** One record, and a way to it on which requests and answers are late or lost. */
const memoryStore = (clock: VirtualClock, random: () => number) => {
  let version = 0
  let stored: LeaseRecord | undefined
  const watching = new Set<() => void>()
  const store = (over: LeaseRecord | undefined, record: Omit<LeaseRecord, 'version'>): LeaseRecord => {
    if (over?.version !== stored?.version) throw new Error('lost race')
    stored = { ...record, version: String(++version) }
    for (const onChange of watching) onChange()
    return stored
  }
  const never = new Promise<never>(() => {})
  const wayOf = (weather: () => Weather): LeaseStore<LeaseRecord> => {
    const late = async (direction: 'up' | 'down'): Promise<void> => {
      await pause(clock, random() * 20)
      // Answers come late more often than requests: what a holder is told last has landed long before.
      if (direction === 'down' && random() < 0.3) await pause(clock, random() * 2_200)
      while (holds[weather()].includes(direction)) await pause(clock, 100)
      if (random() < 0.03) await never
    }
    const through = async <T>(work: () => T): Promise<T> => {
      await late('up')
      const result = await Promise.resolve()
        .then(work)
        .then(
          (value) => () => value,
          (error: Error) => () => {
            throw error
          },
        )
      await late('down')
      return result()
    }
    return {
      read: () => through(() => stored),
      write: (_, held, over) => through(() => store(over, held)),
      release: (_, over) => through(() => void store(over, { holder: undefined, leaseMs: 0 })),
      watch: async (_, onChange, signal) => {
        watching.add(onChange)
        signal.addEventListener('abort', () => watching.delete(onChange), { once: true })
      },
    }
  }
  return { wayOf }
}

type Tenure = { readonly own: string; readonly lease: Lease; readonly since: number; until?: number; released?: true }

/** Three processes that come by the lease, keep it for a while, give it back or are cut off, for a minute and a half. */
const story = async (seed: number) => {
  const random = seeded(seed)
  const clock = virtualClock()
  const { wayOf } = memoryStore(clock, random)
  const tenures: Tenure[] = []
  const life = new AbortController()
  const process = async (own: string): Promise<void> => {
    let weather: Weather = 'fair'
    const leases = createLeases(
      wayOf(() => weather),
      { timing: TIMING, clock },
    )
    const change = async (): Promise<void> => {
      while (!life.signal.aborted) {
        await pause(clock, random() * 15_000, life.signal)
        weather = foul[Math.floor(random() * foul.length)] ?? 'cut'
        await pause(clock, random() * 9_000, life.signal)
        weather = 'fair'
      }
    }
    void change()
    while (!life.signal.aborted) {
      const lease = await leases.acquire(TYPE, own, life.signal)
      const tenure: Tenure = { own, lease, since: clock.monotonic() }
      tenures.push(tenure)
      lease.lost.addEventListener('abort', () => {
        tenure.until = clock.monotonic()
      })
      await pause(clock, random() * 25_000, AbortSignal.any([lease.lost, life.signal]))
      if (!lease.lost.aborted) {
        tenure.until = clock.monotonic()
        tenure.released = true
      }
      await lease.release()
    }
  }
  const processes = ['a', 'b', 'c'].map((own) => process(own).catch(() => {})) // they end with the reason of `life`
  await clock.advance(STORY_MS)
  life.abort(new Error('the story is over'))
  await clock.advance(60_000)
  await Promise.all(processes)
  return tenures
}

test.each(Array.from({ length: SEEDS }, (_, index) => index + 1))(
  'leases: nobody holds what another holds, and a requests’ end is known, whatever the way to the store does (seed %i)',
  { timeout: 60_000 },
  async (seed) => {
    const tenures = await story(seed)
    expect(tenures.length).toBeGreaterThan(3)
    for (const [index, { own, lease, since }] of tenures.entries())
      for (const before of tenures.slice(0, index)) {
        expect(before.until ?? Number.POSITIVE_INFINITY, `${before.own} was over before ${own} began`).toBeLessThanOrEqual(since)
        if (!before.released) expect(lease.quietAt).toBeGreaterThanOrEqual((before.until ?? 0) + STEP_MS)
      }
  },
)

test('leases: a holder counts from when it asked, also for its first word', async () => {
  const clock = virtualClock()
  const record = { version: '1', holder: 'a', leaseMs: TIMING.leaseMs }
  let writes = 0
  const answerLate = async (): Promise<LeaseRecord> => {
    await pause(clock, writes++ === 0 ? 1_900 : Number.POSITIVE_INFINITY)
    return record
  }
  const store = { read: async () => undefined, write: answerLate, release: async () => {}, watch: async () => {} }
  const acquired = createLeases(store, { timing: TIMING, clock }).acquire(TYPE, 'a', new AbortController().signal)
  await clock.advance(1_900)
  const { lost } = await acquired
  await clock.advance(TIMING.loseMs - 1_901)
  expect(lost.aborted).toBe(false)
  await clock.advance(1)
  expect(lost.aborted).toBe(true)
})
