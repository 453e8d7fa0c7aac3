import { describe, expect, test } from 'vitest'
import type { Lease, Leases } from '../../src/runtime/inbox.ts'
import type { LeaseTiming } from '../../src/runtime/lease.ts'
import { STEP_MS } from '../../src/runtime/licence.ts'
import type { TcpProxy } from '../proxy.ts'

/** One process's way to the leases, which can be cut. */
export type LeaseBed = AsyncDisposable & {
  open(timing: LeaseTiming): Promise<{ readonly leases: Leases; readonly proxy: TcpProxy }>
  /** Takes the record away, as somebody with access may do. */
  wipe(type: string): Promise<void>
}

const TIMING: LeaseTiming = { leaseMs: 3_000, loseMs: 2_000, renewMs: 400 }
const TYPE = 'worker'
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

type Acquired = { readonly lease: Promise<Lease>; readonly done: () => Lease | undefined; readonly life: AbortController }

/** Acquires, and tells what has come of it so far. */
const acquiring = (leases: Leases, own: string): Acquired => {
  const life = new AbortController()
  let got: Lease | undefined
  const lease = leases.acquire(TYPE, own, life.signal).then((each) => {
    got = each
    return each
  })
  lease.catch(() => {}) // a test that ends aborts it
  return { lease, done: () => got, life }
}
const lostOf = ({ lost }: Lease): Promise<void> =>
  new Promise((resolve) => (lost.aborted ? resolve() : lost.addEventListener('abort', () => resolve(), { once: true })))

/** What every kind of lease promises. */
export const leasesContract = (name: string, bed: () => Promise<LeaseBed>): void => {
  describe.concurrent(`leases, ${name}`, { timeout: 30_000 }, () => {
    test('one process holds it and keeps it; the other waits', async () => {
      await using world = await bed()
      const [a, b] = [await world.open(TIMING), await world.open(TIMING)]
      const first = await acquiring(a.leases, 'a').lease
      expect(first.quietAt).toBeLessThanOrEqual(performance.now())
      const second = acquiring(b.leases, 'b')
      await pause(TIMING.leaseMs * 1.5)
      expect([second.done(), first.lost.aborted]).toEqual([undefined, false])
      second.life.abort(new Error('the test is over'))
      await first.release()
    })

    test('released, it is free at once and quiet, long before its holder would have been outlived', async () => {
      await using world = await bed()
      const patient = { leaseMs: 120_000, loseMs: 100_000, renewMs: 1_000 }
      const [a, b] = [await world.open(patient), await world.open(patient)]
      const first = await acquiring(a.leases, 'a').lease
      const second = acquiring(b.leases, 'b')
      await pause(patient.renewMs * 2)
      expect(second.done()).toBeUndefined()
      await first.release()
      const given = await second.lease
      expect(given.quietAt).toBeLessThanOrEqual(performance.now())
      expect(first.lost.aborted).toBe(false)
      await given.release()
    })

    test.each(['cut', 'hold'] as const)(
      'a holder behind a %s connection gives up before it is outlived, and its requests may last one step longer',
      async (fault) => {
        await using world = await bed()
        const [a, b] = [await world.open(TIMING), await world.open(TIMING)]
        const first = await acquiring(a.leases, 'a').lease
        const second = acquiring(b.leases, 'b')
        await pause(TIMING.renewMs * 2)
        a.proxy[fault]()
        await lostOf(first)
        expect(second.done(), 'not taken before it was lost').toBeUndefined()
        const lostAt = performance.now()
        const given = await second.lease
        expect(given.quietAt).toBeGreaterThanOrEqual(lostAt + STEP_MS)
        a.proxy.mend()
        await first.release()
        await pause(TIMING.renewMs * 2)
        expect(given.lost.aborted, 'who has lost it does not take it away').toBe(false)
        second.life.abort()
      },
    )

    test('a holder that is gone is outlived', async () => {
      await using world = await bed()
      const [a, b] = [await world.open(TIMING), await world.open(TIMING)]
      const first = acquiring(a.leases, 'a')
      await first.lease
      first.life.abort()
      const given = await acquiring(b.leases, 'b').lease
      expect((await first.lease).lost.aborted).toBe(true)
      // Released before it is quiet, it has to be outlived again: the next one must not believe that all is quiet.
      await given.release()
      const third = await acquiring(a.leases, 'c').lease
      expect(third.quietAt).toBeGreaterThan(performance.now() + STEP_MS / 2)
    })

    test('of two that wait for a silent holder one gets it, and the other goes on waiting', async () => {
      await using world = await bed()
      const [a, b, c] = [await world.open(TIMING), await world.open(TIMING), await world.open(TIMING)]
      const first = acquiring(a.leases, 'a')
      await first.lease
      const waiting = [acquiring(b.leases, 'b'), acquiring(c.leases, 'c')]
      await pause(TIMING.renewMs)
      first.life.abort()
      await Promise.race(waiting.map(({ lease }) => lease))
      await pause(TIMING.leaseMs * 1.3)
      expect(waiting.filter(({ done }) => done()?.lost.aborted === false)).toHaveLength(1)
      expect(waiting.filter(({ done }) => done() === undefined)).toHaveLength(1)
      for (const { life } of waiting) life.abort(new Error('the test is over'))
    })

    test('a renewal that landed and whose answer was lost does not lose it', async () => {
      await using world = await bed()
      const { leases, proxy } = await world.open(TIMING)
      const first = await acquiring(leases, 'a').lease
      for (let round = 0; round < 2; round++) {
        proxy.hold('down')
        await pause(TIMING.renewMs * 1.5)
        proxy.cut()
        proxy.mend()
        await pause(TIMING.leaseMs)
        expect(first.lost.aborted).toBe(false)
      }
      await first.release()
    })

    test('an acquisition that landed and whose answer was lost is his who sent it', async () => {
      await using world = await bed()
      const [a, b] = [await world.open(TIMING), await world.open(TIMING)]
      const warm = await acquiring(a.leases, 'a').lease
      await warm.release()
      const first = acquiring(a.leases, 'a')
      a.proxy.hold('down')
      await pause(TIMING.renewMs)
      a.proxy.cut()
      a.proxy.mend()
      await first.lease
      const second = acquiring(b.leases, 'b')
      await pause(TIMING.leaseMs * 1.3)
      expect([second.done(), first.done()?.lost.aborted]).toEqual([undefined, false])
      second.life.abort(new Error('the test is over'))
      await (await first.lease).release()
    })

    test('slow answers are waited for', async () => {
      await using world = await bed()
      const { leases, proxy } = await world.open(TIMING)
      const first = await acquiring(leases, 'a').lease
      proxy.delay(TIMING.renewMs / 2)
      await pause(TIMING.leaseMs * 1.5)
      expect(first.lost.aborted).toBe(false)
      proxy.mend()
      await first.release()
    })

    test('taken away, it is lost', async () => {
      await using world = await bed()
      const { leases } = await world.open(TIMING)
      const first = await acquiring(leases, 'a').lease
      await world.wipe(TYPE)
      await lostOf(first)
      await first.release()
    })

    test('who has not noticed yet that another one has it does not give that one’s back', async () => {
      await using world = await bed()
      const [a, b] = [await world.open({ ...TIMING, renewMs: 1_500 }), await world.open(TIMING)]
      const first = await acquiring(a.leases, 'a').lease
      await world.wipe(TYPE)
      const given = await acquiring(b.leases, 'b').lease
      expect(first.lost.aborted).toBe(false)
      await first.release()
      await pause(TIMING.renewMs * 3)
      expect(given.lost.aborted).toBe(false)
      await given.release()
    })

    test('an acquisition that is given up ends with the reason', async () => {
      await using world = await bed()
      const [a, b] = [await world.open(TIMING), await world.open(TIMING)]
      const first = await acquiring(a.leases, 'a').lease
      const second = acquiring(b.leases, 'b')
      await pause(TIMING.renewMs)
      second.life.abort(new Error('the host stops'))
      await expect(second.lease).rejects.toThrow('the host stops')
      await first.release()
    })
  })
}
