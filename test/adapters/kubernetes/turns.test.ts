import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type Allowance, createTurns, LOOK_MS } from '../../../src/adapters/kubernetes/turns.ts'

beforeEach(() => void vi.useFakeTimers({ now: 1_000_000 }))
afterEach(() => void vi.useRealTimers())

/** A budget in a box: `tell` is the news of it, `truth` what the API says when it is asked. */
const budgetBox = () => {
  let heard: (allowance: Allowance) => void = () => {}
  const box = {
    truth: { disruptionsAllowed: 0 } as Allowance,
    reads: 0,
    follows: 0,
    isAway: false,
    tell: (allowed: number) => heard({ disruptionsAllowed: allowed }),
    vanish: () => heard(undefined),
  }
  const turns = createTurns({
    read: async () => {
      box.reads++
      if (box.isAway) throw new Error('no answer')
      return box.truth
    },
    follow: (_, __, listener) => {
      box.follows++
      heard = listener
      return () => void box.follows--
    },
  })
  const life = new AbortController()
  const gone: string[] = []
  const wait = (uid: string, since: number, notBefore?: number): void =>
    void turns
      .await({ namespace: 'web', uid, budget: 'front', since, notBefore }, life.signal)
      .then(() => gone.push(uid))
      .catch(() => {})
  return { box, turns, wait, gone, life, passing: (ms: number) => vi.advanceTimersByTimeAsync(ms) }
}

test('turns: as many go as the budget allows, those who were refused first', async () => {
  const { box, wait, gone, turns, passing } = budgetBox()
  wait('late', 30)
  wait('early', 10)
  wait('middle', 20)
  await passing(0)
  expect(gone).toEqual([])
  box.tell(2)
  await passing(0)
  expect(gone).toEqual(['early', 'middle'])
  // Two turns are given and not used yet: the same news again lets nobody go.
  box.tell(2)
  await passing(0)
  expect(gone).toHaveLength(2)
  turns.settled('early', true)
  turns.settled('middle', true)
  box.tell(1)
  await passing(0)
  expect(gone).toEqual(['early', 'middle', 'late'])
})

test('turns: many who are refused together are one question to the API', async () => {
  const { box, wait, passing } = budgetBox()
  for (let pod = 0; pod < 100; pod++) wait(`p${pod}`, pod)
  await passing(100)
  expect(box.reads).toBeLessThanOrEqual(2)
  expect(box.follows).toBe(1)
})

test('turns: nobody asks before the server wishes it, also when the budget allows it sooner', async () => {
  const { box, wait, gone, passing } = budgetBox()
  box.truth = { disruptionsAllowed: 1 }
  wait('a', 10, Date.now() + 10_000)
  box.tell(1)
  await passing(9_900)
  expect(gone).toEqual([])
  await passing(200)
  expect(gone).toEqual(['a'])
})

test('turns: a turn that ends in a refusal is no turn more, and the API is asked again', async () => {
  const { box, turns, wait, gone, passing } = budgetBox()
  wait('a', 10)
  wait('b', 20)
  box.tell(1)
  await passing(0)
  turns.settled('a', false)
  wait('a', 30)
  await passing(0)
  expect(gone).toEqual(['a'])
  box.tell(1)
  await passing(0)
  expect(gone).toEqual(['a', 'b'])
})

test('turns: what a budget refused to one pod of an owner it need not be asked for another, until it has room for both', async () => {
  const { box, turns, wait, gone, passing } = budgetBox()
  const pod = (uid: string, more: object = {}) => ({ namespace: 'web', name: uid, uid, owner: 'front-7d', ...more })
  expect(turns.refusal(pod('a'))).toBeUndefined()
  turns.refused(pod('a'), { budget: 'front', message: 'needs 5 and has 5' })
  wait('a', 10)
  await passing(0)
  expect(turns.refusal(pod('b'))).toMatchObject({ budget: 'front', message: 'needs 5 and has 5' })
  // Of another owner nothing is known, and beside its budget goes what is not ready.
  expect(turns.refusal(pod('c', { owner: 'back-5c' }))).toBeUndefined()
  expect(turns.refusal(pod('d', { owner: undefined }))).toBeUndefined()
  expect(turns.refusal(pod('e', { unready: true }))).toBeUndefined()
  wait('b', 20)
  box.tell(1)
  await passing(0)
  expect(gone).toEqual(['a'])
  expect(turns.refusal(pod('a'))).toBeUndefined() // it is its turn
  expect(turns.refusal(pod('f'))).toBeDefined()
  turns.settled('a', true)
  box.tell(3)
  await passing(0)
  expect(gone).toEqual(['a', 'b'])
  expect(turns.refusal(pod('f'))).toBeUndefined()
})

test('turns: with the last one who waits it is forgotten who was refused', async () => {
  const { box, turns, wait, life, passing } = budgetBox()
  const pod = { namespace: 'web', name: 'a', uid: 'a', owner: 'front-7d' }
  turns.refused(pod, { budget: 'front', message: 'needs 5 and has 5' })
  wait('a', 10)
  await passing(0)
  life.abort(new Error('the drain is cancelled'))
  await passing(0)
  expect(box.follows).toBe(0)
  expect(turns.refusal({ ...pod, uid: 'b' })).toBeUndefined()
  // Refused, and cancelled before it waited: the look finds nobody.
  turns.refused(pod, { budget: 'front', message: 'needs 5 and has 5' })
  expect(box.follows).toBe(1)
  await passing(LOOK_MS + 10)
  expect(box.follows).toBe(0)
})

test('turns: an API that says yes and does no is asked once a second, not in a circle', async () => {
  const { box, turns, wait, gone, passing } = budgetBox()
  box.truth = { disruptionsAllowed: 5 }
  for (let second = 0; second < 5; second++) {
    wait('a', Date.now())
    await passing(1_000)
    turns.settled('a', false)
  }
  expect(gone.length).toBeLessThanOrEqual(5)
})

test('turns: without news one asks all the same every fifteen seconds, and with the API away none is lost', async () => {
  const { box, turns, wait, gone, passing } = budgetBox()
  box.isAway = true
  wait('a', 10)
  wait('b', 20)
  await passing(LOOK_MS + 10)
  expect(gone).toEqual(['a'])
  turns.settled('a', undefined)
  box.isAway = false
  box.truth = { disruptionsAllowed: 1 }
  await passing(LOOK_MS)
  expect(gone).toEqual(['a', 'b'])
})

test('turns: a turn that nobody uses is another one’s after a while', async () => {
  const { box, wait, gone, passing } = budgetBox()
  wait('a', 10)
  wait('b', 20)
  box.truth = { disruptionsAllowed: 1 }
  box.tell(1)
  await passing(0)
  expect(gone).toEqual(['a'])
  await passing(2 * LOOK_MS)
  expect(gone).toEqual(['a', 'b'])
})

test('turns: where the budget is deleted everybody goes', async () => {
  const { box, wait, gone, passing } = budgetBox()
  for (const uid of ['a', 'b', 'c']) wait(uid, 1)
  box.vanish()
  await passing(0)
  expect(gone).toHaveLength(3)
})

test('turns: who does not wait any more is forgotten, and with the last one the budget', async () => {
  const { box, wait, gone, life, passing } = budgetBox()
  wait('a', 10)
  await passing(0)
  life.abort(new Error('the drain is cancelled'))
  box.tell(5)
  await passing(2 * LOOK_MS)
  expect(gone).toEqual([])
  expect(box.follows).toBe(0)
  const reads = box.reads
  await passing(10 * LOOK_MS)
  expect(box.reads).toBe(reads)
})
