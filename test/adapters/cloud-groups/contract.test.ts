import { describe, expect, test } from 'vitest'
import { Gone, Refused, type RemovalRequest, type Remover, Unavailable } from '../../../src/ports.ts'
import { licence } from '../../../src/runtime/licence.ts'
import { virtualClock } from '../../../src/runtime/testing/virtual-clock.ts'
import type { Commit } from '../../../src/runtime/types.ts'
import { aws } from './aws.ts'
import { azure } from './azure.ts'
import { gcp } from './gcp.ts'
import { node, type World, world } from './world.ts'

const governor = { type: 'cluster', id: 'demo' }
const signal = new AbortController().signal
/** As the actor does it: what is unavailable is asked again, what is gone is waited for. */
const removed = async ({ shrink, awaitRemoved }: Remover, request: RemovalRequest, its: World): Promise<string> => {
  for (;;) {
    const error = await shrink(request).then(
      () => undefined,
      (reason: unknown) => reason,
    )
    if (error === undefined || error instanceof Gone) break
    if (!(error instanceof Unavailable)) throw error
    if (its.machine === 'going') its.machine = 'gone'
  }
  its.machine = 'gone'
  return await awaitRemoved(request, signal)
}

/** Runs it under a licence that is lost as soon as it has begun. */
const held = async (run: () => Promise<void>): Promise<void> => {
  const life = new AbortController()
  let isBrakeOn = false
  const clock = virtualClock()
  const permits = () => (isBrakeOn ? 'the brake is on' : undefined)
  const last = async () => ({ seq: 1, actor: governor, commit: { n: 1, to: 'released' } as Commit })
  const given = licence({ last }, { actor: governor, permits }, clock, life.signal)
  await clock.advance(0)
  try {
    await given.during('disruptive', () => {
      isBrakeOn = true
      return run()
    })
  } finally {
    life.abort()
  }
}

describe.each([aws, gcp, azure])('$name', (cloud) => {
  const opened = async (its: World) => {
    const scripted = await cloud.open(its)
    return {
      ...scripted,
      request: { owner: scripted.owner, node, action: '01a2' },
      [Symbol.asyncDispose]: scripted[Symbol.asyncDispose],
    }
  }

  test('the group that has the machine is its owner; it gets smaller by one, and the cloud proves that the machine is gone', async () => {
    const its = world()
    await using api = await opened(its)
    expect(await api.remover.claim(node)).toEqual(api.owner)
    expect(its.changes).toBe(0)
    await api.remover.shrink(api.request)
    expect(its).toMatchObject({ size: 2, machine: 'going', changes: 1 })
    const proof = api.remover.awaitRemoved(api.request, signal)
    const asked = api.asked.length
    await expect.poll(() => api.asked.length).toBeGreaterThan(asked + 2)
    expect(await Promise.race([proof, Promise.resolve('not yet')])).toBe('not yet')
    its.machine = 'gone'
    expect(await proof).toMatch(cloud.proof)
  })

  test('a group at its minimum is refused by its name, before anything is drained and right before it is asked', async () => {
    const its = world({ size: 2, least: 2 })
    await using api = await opened(its)
    for (const ask of [() => api.remover.claim(node), () => api.remover.shrink(api.request)]) {
      const refused = ask()
      await expect(refused).rejects.toBeInstanceOf(Refused)
      await expect(refused).rejects.toThrow(cloud.group)
      await expect(refused).rejects.toThrow(/2 (machines )?and may not have (less|fewer) than 2/)
    }
    expect(its).toMatchObject({ size: 2, changes: 0 })
  })

  test('for a machine that is gone nothing is asked, and its absence is the proof', async () => {
    const its = world({ machine: 'gone' })
    await using api = await opened(its)
    await expect(api.remover.shrink(api.request)).rejects.toBeInstanceOf(Gone)
    expect(await api.remover.awaitRemoved(api.request, signal)).toMatch(cloud.proof)
    expect(its).toMatchObject({ size: 3, changes: 0 })
  })

  test('for a machine that is going already the group is not made smaller', async () => {
    const its = world({ machine: 'going' })
    await using api = await opened(its)
    expect(await removed(api.remover, api.request, its)).toMatch(cloud.proof)
    expect(its).toMatchObject({ size: 3, changes: 0 })
  })

  test('an answer that got lost with a crash is asked for again, and the group is smaller by one', async () => {
    const its = world({ fault: { on: 'change', what: 'lost' } })
    await using api = await opened(its)
    await expect(api.remover.shrink(api.request)).rejects.toBeInstanceOf(Unavailable)
    expect(its).toMatchObject({ size: 2, machine: 'going', changes: 1 })
    await using next = await opened(its)
    expect(await removed(next.remover, next.request, its)).toMatch(cloud.proof)
    expect(its).toMatchObject({ size: 2, changes: 1 })
  })

  test.each(['any', 'change'] as const)(
    'throttled (%s request): it is unavailable, changes nothing, and is asked again',
    async (on) => {
      const its = world({ fault: { on, what: 'throttled' } })
      await using api = await opened(its)
      await expect(api.remover.shrink(api.request)).rejects.toBeInstanceOf(Unavailable)
      expect(its.size).toBe(3)
      expect(await removed(api.remover, api.request, its)).toMatch(cloud.proof)
      expect(its).toMatchObject({ size: 2, changes: 1 })
    },
  )

  test('throttled while it waits for the proof: it looks again', async () => {
    const its = world({ machine: 'gone', fault: { on: 'any', what: 'throttled' } })
    await using api = await opened(its)
    expect(await api.remover.awaitRemoved(api.request, signal)).toMatch(cloud.proof)
  })

  test('a missing permission is a refusal that names it', async () => {
    const its = world({ fault: { on: 'change', what: 'forbidden' } })
    await using api = await opened(its)
    const refused = api.remover.shrink(api.request)
    await expect(refused).rejects.toBeInstanceOf(Refused)
    await expect(refused).rejects.toThrow(cloud.permission)
    expect(its.size).toBe(3)
  })

  test('an answer that makes no sense proves nothing and changes nothing', async () => {
    const its = world({ fault: { on: 'any', what: 'malformed' } })
    await using api = await opened(its)
    await expect(api.remover.claim(node)).rejects.toBeInstanceOf(Unavailable)
    its.fault = { on: 'any', what: 'malformed' }
    await expect(api.remover.shrink(api.request)).rejects.toBeInstanceOf(Unavailable)
    its.fault = { on: 'any', what: 'malformed' }
    const proof = api.remover.awaitRemoved(api.request, signal)
    await expect.poll(() => api.asked.length).toBeGreaterThan(3)
    expect(await Promise.race([proof, Promise.resolve('not yet')])).toBe('not yet')
    expect(its).toMatchObject({ size: 3, changes: 0 })
    its.machine = 'gone'
    expect(await proof).toMatch(cloud.proof)
  })

  test('who is cancelled asks nothing more', async () => {
    const its = world()
    await using api = await opened(its)
    const reason = new Error('cancelled')
    await expect(api.remover.shrink(api.request, AbortSignal.abort(reason))).rejects.toBe(reason)
    expect(its.changes).toBe(0)
    const waiting = new AbortController()
    const proof = api.remover.awaitRemoved(api.request, waiting.signal)
    proof.catch(() => {})
    await expect.poll(() => api.asked.length).toBeGreaterThan(1)
    waiting.abort(reason)
    await expect(proof).rejects.toSatisfy((error: Error) => error === reason || error.cause === reason)
  })

  test('the request is not sent when it is not allowed any more', async () => {
    const its = world()
    await using api = await opened(its)
    await expect(held(() => api.remover.shrink(api.request))).rejects.toThrow(/brake/)
    expect(its).toMatchObject({ size: 3, changes: 0 })
  })

  test('another node of the name, and another owner, are not its business', async () => {
    await using api = await opened(world())
    await expect(api.remover.claim({ name: 'n1', uid: 'other' })).rejects.toBeInstanceOf(Gone)
    const others = { ...api.request, owner: { by: 'cluster-autoscaler' } as const }
    await expect(Promise.resolve().then(() => api.remover.shrink(others))).rejects.toThrow(/the owner is cluster-autoscaler/)
    expect(api.asked).toEqual([])
  })
})
