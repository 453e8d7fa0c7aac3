import { expect, test } from 'vitest'
import { kvLeases } from '../../src/adapters/jetstream/leases.ts'
import { kvProcesses } from '../../src/adapters/jetstream/processes.ts'
import { frozen, natsForTest } from '../nats.ts'

const state = (seen: number, inFlight = 0) => ({ types: ['cluster'], seen, inFlight })

const open = async () => {
  const nats = await natsForTest()
  const processes = await kvProcesses(nats.nc.jetstream({ timeout: 1_000 }))
  return { nats, processes, [Symbol.asyncDispose]: nats.cleanup }
}
/** What has come of a promise so far. */
const watched = <T>(promise: Promise<T>) => {
  const seen: { value?: T } = {}
  void promise.then((value) => {
    seen.value = value
  })
  return { seen, promise }
}
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

test('processes: the brake waits for everybody to have seen it, and for what is under way', async () => {
  await using bed = await open()
  const { processes } = bed
  await processes.announce('a', state(7))
  await processes.announce('b', state(6, 2))
  const { seen, promise } = watched(processes.awaitSeen(7))
  await pause(1_000)
  expect(seen.value).toBeUndefined()
  await processes.announce('b', state(7, 1))
  await pause(1_000)
  expect(seen.value).toBeUndefined()
  await processes.announce('b', state(8))
  expect(await promise).toEqual({ processes: 2, unanswered: 0, inFlight: 0 })
})

test('processes: one that ended in order is not waited for', async () => {
  await using bed = await open()
  const { processes } = bed
  await processes.announce('a', state(7))
  await processes.announce('b', state(6))
  const { seen, promise } = watched(processes.awaitSeen(7))
  await pause(1_000)
  expect(seen.value).toBeUndefined()
  await processes.withdraw('b')
  expect(await promise).toEqual({ processes: 1, unanswered: 0, inFlight: 0 })
})

test('processes: while NATS is silent nothing is said; then it is asked again', async () => {
  await using bed = await open()
  const { nats, processes } = bed
  await processes.announce('a', state(7))
  await frozen(nats)
  const { seen, promise } = watched(processes.awaitSeen(7))
  await pause(2_500)
  expect(seen.value).toBeUndefined()
  nats.thaw()
  expect(await promise).toEqual({ processes: 1, unanswered: 0, inFlight: 0 })
})

test('processes: who waits is not held up by a brake that is no longer wanted', async () => {
  await using bed = await open()
  const { processes } = bed
  await processes.announce('a', state(6))
  const life = new AbortController()
  const waiting = processes.awaitSeen(7, life.signal)
  life.abort(new Error('the state was left'))
  await expect(waiting).rejects.toThrow(/abort|the state was left/)
})

test('a start that is alone clears every process and every lease, not just the first', async () => {
  await using bed = await open()
  const { processes, nats } = bed
  for (const own of ['a', 'b', 'c']) await processes.announce(own, state(1))
  await processes.clear()
  expect(await processes.awaitSeen(7)).toEqual({ processes: 0, unanswered: 0, inFlight: 0 })
  const leases = await kvLeases(nats.nc.jetstream())
  const dead = new AbortController()
  const types = ['cluster', 'agent', 'evictor']
  for (const type of types) await leases.acquire(type, 'dead', dead.signal)
  dead.abort() // it renews nothing and gives nothing back
  await leases.clear()
  for (const type of types) {
    const { quietAt, release } = await leases.acquire(type, 'next', new AbortController().signal)
    expect(quietAt).toBeLessThanOrEqual(performance.now())
    await release()
  }
})
