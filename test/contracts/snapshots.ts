import { describe, expect, test } from 'vitest'
import type { CachedSnapshot, Snapshots } from '../../src/runtime/snapshots.ts'

export const snapshotAt = (n: number, context: unknown = { pods: 3 }): CachedSnapshot => ({
  f: 1,
  n,
  seq: 10 * n,
  nonce: `nonce-${n}`,
  ts: 1_700_000_000_000 + n,
  mv: 2,
  own: 'process.activation',
  state: {
    status: 'active',
    value: { phase: { connected: 'observing' } },
    context,
    children: { agent: 'agent' },
    historyValue: { hist: ['worker.busy'] },
  },
  kept: { n: 1, seq: 3, sha256: 'abc' },
  ledger: {
    parent: { type: 'cluster', id: 'demo', ref: 'agent' },
    open: [
      { i: 0, kind: 'invoke', name: 'cordon', ref: '0', key: 'worker/one/1/0', corr: 'c', attempt: 2, input: { node: 'a' } },
    ],
    timers: [{ id: 't', due: 5, ev: { type: 'xstate.after' }, after: 3, policy: 'remaining' }],
    cmds: [['cmd-1', 4]],
  },
})

/** What every cache of snapshots promises. */
export const snapshotsContract = (name: string, open: () => Promise<Snapshots>): void => {
  describe(`snapshots, ${name}`, () => {
    test('what was put is got, the newest of each actor, whatever is in their ids', async () => {
      const snapshots = await open()
      const odd = { type: 'worker', id: 'a.b*>_= ü/1' }
      await snapshots.put(odd, snapshotAt(1))
      await snapshots.put({ type: 'worker', id: '' }, snapshotAt(7))
      await snapshots.put(odd, snapshotAt(2))
      expect(await snapshots.get(odd)).toEqual(snapshotAt(2))
      expect(await snapshots.get({ type: 'worker', id: '' })).toEqual(snapshotAt(7))
    })

    test('an actor that was never put has none', async () => {
      expect(await (await open()).get({ type: 'worker', id: 'nobody' })).toBeUndefined()
    })

    test('a state larger than a message is kept', async () => {
      const snapshots = await open()
      const large = snapshotAt(
        1,
        Array.from({ length: 40_000 }, (_, index) => ({ pod: `pod-${index}`, node: 'node' })),
      )
      const actor = { type: 'worker', id: 'large' }
      await snapshots.put(actor, large)
      expect(await snapshots.get(actor)).toEqual(large)
    })
  })
}
