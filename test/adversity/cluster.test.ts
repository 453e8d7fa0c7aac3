import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { type NatsCluster, natsCluster } from '../nats-cluster.ts'
import { accounts, bed, clientOf, hosted, remembering } from './bed.ts'

const KILLS = 3
/** A replicated commit is written through to three disks: what was stored meanwhile takes its time, milliseconds. */
const DRAIN_MS = 120_000
let cluster: NatsCluster
beforeAll(async () => {
  cluster = await natsCluster()
}, 120_000)
afterAll(() => cluster.cleanup(), 60_000)

test('three servers: the leader of JOURNAL is killed with -9 under load, again and again; nothing acknowledged is lost or doubled', {
  timeout: 300_000,
}, async () => {
  const replicated = { replicas: 3 }
  const given = await vi.waitFor(async () => bed(await cluster.connection(), 'demo', replicated), {
    timeout: 60_000,
    interval: 500,
  })
  expect((await given.jsm.streams.info('JOURNAL')).config).toMatchObject({ num_replicas: 3 })
  const told = remembering()
  const host = hosted(await bed(await cluster.connection(), 'demo', replicated), told.log)
  await host.ready
  const client = clientOf(given)
  const adding = client.keepAdding()
  try {
    for (let kill = 0; kill < KILLS; kill++) {
      await sleep(1_000)
      const before = client.acknowledged.size
      const leader = await vi.waitUntil(() => cluster.leaderOf('JOURNAL'), { timeout: 30_000, interval: 100 })
      await cluster.kill(leader)
      await vi.waitUntil(() => client.acknowledged.size > before + 5, { timeout: 60_000, interval: 100 })
      const next = await vi.waitUntil(() => cluster.leaderOf('JOURNAL'), { timeout: 30_000, interval: 100 })
      expect(next).not.toBe(leader)
      cluster.revive(leader)
      await vi.waitUntil(
        async () => (await given.jsm.streams.info('JOURNAL')).cluster?.replicas?.every(({ current }) => current),
        {
          timeout: 60_000,
          interval: 200,
        },
      )
    }
    await adding.stop()
    expect(await accounts(given.journal, client.acknowledged, DRAIN_MS)).toEqual([])
  } finally {
    await adding.stop()
    await host.stop()
  }
})
