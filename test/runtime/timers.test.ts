import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Clock } from '../../src/runtime/clock.ts'
import { createTimers } from '../../src/runtime/timers.ts'

/** Node's longest timer: whatever is longer fires at once. */
const LONGEST_NODE_MS = 2 ** 31 - 1
const HOUR = 3_600_000
const DAY = 24 * HOUR

type Wall = Clock & {
  /** Time passes. */
  readonly pass: (ms: number) => void
  /** Somebody sets the wall clock; no time passes. */
  readonly jump: (ms: number) => void
  readonly sleeps: number[]
  readonly sleeping: () => number
}

/** A wall clock that can be set, over a monotonic one that only passes; sleeps are counted by the latter, as Node does. */
const wall = (): Wall => {
  let passed = 0
  let offset = Date.UTC(2026, 0, 1)
  const sleepers = new Set<{ readonly at: number; readonly wake: () => void }>()
  const sleeps: number[] = []
  return {
    now: () => passed + offset,
    monotonic: () => passed,
    sleeps,
    sleeping: () => sleepers.size,
    jump: (ms) => {
      offset += ms
    },
    after: (ms, wake) => {
      sleeps.push(ms)
      const sleeper = { at: passed + (ms > LONGEST_NODE_MS ? 1 : ms), wake }
      sleepers.add(sleeper)
      return () => sleepers.delete(sleeper)
    },
    pass: (ms) => {
      const end = passed + ms
      for (;;) {
        const [next] = [...sleepers].filter(({ at }) => at <= end).toSorted((a, b) => a.at - b.at)
        if (!next) break
        sleepers.delete(next)
        passed = Math.max(passed, next.at)
        next.wake()
      }
      passed = end
    },
  }
}

type Fired = { readonly name: number; readonly due: number; readonly at: number }

/** What may happen to a host's timers, in any order. */
const step = fc.oneof(
  fc.record({ do: fc.constant('arm' as const), ms: fc.integer({ min: -DAY, max: 2 * DAY }) }),
  fc.record({ do: fc.constant('arm' as const), ms: fc.integer({ min: 0, max: 5_000 }) }),
  fc.record({ do: fc.constant('cancel' as const), which: fc.nat(30) }),
  fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 0, max: 2 * DAY }) }),
  fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 0, max: 3_000 }) }),
  fc.record({ do: fc.constant('jump' as const), ms: fc.integer({ min: -DAY, max: DAY }) }),
)
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never

/** The steps; timers in due order, each with what became of it. */
const run = (steps: readonly Step[]) => {
  const clock = wall()
  const timers = createTimers(clock)
  const fired: Fired[] = []
  const armed: { readonly due: number; readonly disarm: () => void; cancelledAt?: number }[] = []
  for (const each of steps) {
    if (each.do === 'pass') clock.pass(each.ms)
    else if (each.do === 'jump') clock.jump(each.ms)
    else if (each.do === 'arm') {
      const due = clock.now() + each.ms
      const name = armed.length
      armed.push({ due, disarm: timers.arm(due, () => fired.push({ name, due, at: clock.now() })) })
    } else {
      const timer = armed[each.which]
      timer?.disarm()
      if (timer) timer.cancelledAt ??= fired.length
    }
  }
  return { clock, fired, armed }
}

test('timers: whatever happens, none is early, none comes twice, and none after it was cancelled', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const { fired, armed } = run(steps)
      for (const { due, at } of fired) expect(at).toBeGreaterThanOrEqual(due)
      expect(new Set(fired.map(({ name }) => name)).size).toBe(fired.length)
      armed.forEach(({ cancelledAt }, name) => {
        if (cancelledAt !== undefined) expect(fired.slice(cancelledAt).some((each) => each.name === name)).toBe(false)
      })
    }),
    { numRuns: 200 },
  )
})

test('timers: whatever happens, all come at last, within an hour of being due', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const { clock, fired, armed } = run(steps)
      const pending = armed.filter(
        ({ cancelledAt }, name) => cancelledAt === undefined && !fired.some((each) => each.name === name),
      )
      const last = Math.max(clock.now(), ...pending.map(({ due }) => due))
      clock.pass(last - clock.now() + HOUR)
      const left = armed.filter(({ cancelledAt }, name) => cancelledAt === undefined && !fired.some((each) => each.name === name))
      expect(left).toEqual([])
    }),
    { numRuns: 200 },
  )
})

test('timers: while nobody sets the clock, they come in the order in which they are due, at the moment they are due', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 2 * DAY }), { maxLength: 200 }), (delays) => {
      const { clock, fired } = run(delays.map((ms) => ({ do: 'arm', ms })))
      clock.pass(3 * DAY)
      expect(fired.map(({ due }) => due)).toEqual(fired.map(({ due }) => due).toSorted((a, b) => a - b))
      for (const { due, at } of fired) expect(at).toBe(due)
      expect(fired).toHaveLength(delays.length)
    }),
  )
})

test('timers: a sleep is never longer than an hour, so that none overflows after 24.8 days', () => {
  const clock = wall()
  const fired: number[] = []
  createTimers(clock).arm(clock.now() + 60 * DAY, () => fired.push(clock.now()))
  clock.pass(60 * DAY - 1)
  expect(fired).toEqual([])
  clock.pass(1)
  expect(fired).toHaveLength(1)
  expect(Math.max(...clock.sleeps)).toBeLessThanOrEqual(HOUR)
})

test('timers: one sleep for all of them, however many', () => {
  const clock = wall()
  const timers = createTimers(clock)
  let fired = 0
  for (let i = 0; i < 10_000; i++) timers.arm(clock.now() + ((i * 7919) % 10_000), () => fired++)
  expect(clock.sleeping()).toBe(1)
  clock.pass(10_000)
  expect([fired, clock.sleeping()]).toEqual([10_000, 0])
})

test('timers: set back, the clock makes them wait; set forward, they come at the next look', () => {
  const clock = wall()
  const fired: string[] = []
  const timers = createTimers(clock)
  timers.arm(clock.now() + 10 * HOUR, () => fired.push('a'))
  clock.jump(-5 * HOUR)
  clock.pass(10 * HOUR)
  expect(fired).toEqual([])
  clock.jump(DAY)
  clock.pass(HOUR)
  expect(fired).toEqual(['a'])
})

test('timers: one armed while another fires comes too, and one cancelled by another that is due with it does not', () => {
  const clock = wall()
  const timers = createTimers(clock)
  const fired: string[] = []
  const due = clock.now() + 10
  timers.arm(due, () => {
    fired.push('first')
    timers.arm(due, () => fired.push('armed by it'))
    cancel()
  })
  const cancel = timers.arm(due + 1, () => fired.push('cancelled'))
  clock.pass(20)
  expect(fired).toEqual(['first', 'armed by it'])
})
