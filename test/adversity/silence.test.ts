import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from 'nats'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import type { Host } from '../../src/runtime/host.ts'
import { type NatsForTest, natsForTest } from '../nats.ts'
import { proxyTo } from '../proxy.ts'
import { accounts, bed, clientOf, entriesOf, foreignCommit, freshBed, hosted, remembering } from './bed.ts'

let nats: NatsForTest
beforeAll(async () => {
  nats = await natsForTest()
})
afterAll(() => nats.cleanup())
const root = { type: 'counter', id: 'root' }

/** A host over the streams made anew, stopped after the work. */
const withHost = async (work: (given: Awaited<ReturnType<typeof begin>>) => Promise<void>): Promise<void> => {
  const given = await begin()
  try {
    await work(given)
  } finally {
    if (nats.server.pid() !== undefined) nats.thaw()
    await given.host.stop()
  }
}
const begin = async () => {
  const fresh = await freshBed(nats.nc, nats.cluster)
  const told = remembering()
  const host: Host = hosted(fresh, told.log)
  await host.ready
  return { ...fresh, host, told, client: clientOf(fresh) }
}

test('NATS down while running: commands wait, are decided once, and the log says that the journal waits and is back', async () => {
  await withHost(async ({ client, journal }) => {
    const adding = client.keepAdding()
    for (let crash = 0; crash < 3; crash++) {
      await sleep(200)
      await nats.crash()
    }
    await sleep(200)
    expect(await adding.stop()).toBeGreaterThan(5)
    expect(await accounts(journal, client.acknowledged)).toEqual([])
  })
})

test('NATS slow: pulses of silence lose and double nothing', { timeout: 120_000 }, async () => {
  await withHost(async ({ client, journal }) => {
    const adding = client.keepAdding()
    for (let pulse = 0; pulse < 8; pulse++) {
      nats.freeze()
      await sleep(pulse % 2 === 0 ? 300 : 1_400) // shorter, and longer than a publish waits
      nats.thaw()
      await sleep(100)
    }
    await adding.stop()
    expect(client.acknowledged.size).toBeGreaterThan(8)
    expect(await accounts(journal, client.acknowledged)).toEqual([])
  })
})

test('NATS over a line that delays, holds back and breaks: nothing is lost or doubled', { timeout: 120_000 }, async () => {
  const direct = await freshBed(nats.nc, nats.cluster)
  await using proxy = await proxyTo(nats.port)
  const nc = await connect({ servers: `nats://127.0.0.1:${proxy.port}`, maxReconnectAttempts: -1, reconnectTimeWait: 50 })
  const told = remembering()
  const host = hosted(await bed(nc, nats.cluster), told.log)
  await host.ready
  const client = clientOf(direct)
  const adding = client.keepAdding()
  try {
    proxy.delay(120)
    await sleep(800)
    for (let broken = 0; broken < 2; broken++) {
      await client.wait()
      proxy.hold('down') // what it writes then is stored, and the answer does not come
      await sleep(1_500)
      proxy.cut()
      await sleep(300)
      proxy.mend()
      await sleep(500)
    }
    await adding.stop()
    expect(await accounts(direct.journal, client.acknowledged)).toEqual([])
    expect(told.text()).toMatch(
      /warn the journal waits .*JOURNAL qm\.[^ ]+\.journal\.counter\.root: .*asked after until it answers/,
    )
    expect(told.text()).toContain('info the journal is written again')
  } finally {
    proxy.mend()
    await host.stop()
    await nc.close()
  }
})

test('a server silent for 12 s while a write lands: the read-back is repeated, the mailbox waits, the actor goes on', {
  timeout: 60_000,
}, async () => {
  await withHost(async ({ host, client, journal, told }) => {
    await client.add()
    await vi.waitUntil(() => host.actors()[0]?.book()?.state.context !== undefined)
    const own = host.actors()[0]?.book()?.own
    await client.wait()
    nats.freeze() // what the counter writes by itself lies in the server's socket until it goes on
    await sleep(12_000)
    nats.thaw()
    await client.add()
    expect(await accounts(journal, client.acknowledged)).toEqual([])
    expect(host.actors()[0]?.book()?.own, 'it is the same activation: silence is no fence').toBe(own)
    expect(
      (await entriesOf(journal)).filter(({ record }) => 'em' in record && record.em[0]?.ev.type === 'counter.Waited'),
    ).toHaveLength(1)
    expect(told.text()).toMatch(
      /warn the journal waits .*JOURNAL qm\.[^ ]+\.journal\.counter\.root: .*asked after until it answers/,
    )
  })
})

test('a real fence: the actor stops, somebody reopens it, and the command is decided once', { timeout: 30_000 }, async () => {
  await withHost(async ({ host, client, journal, told }) => {
    await client.add()
    await vi.waitUntil(async () => (await journal.last(root))?.commit.cmd === 'add-1')
    const before = host.actors()[0]?.book()
    await journal.append(root, foreignCommit((before?.n ?? 0) + 1), before?.seq ?? 0)
    await client.add()
    expect(await accounts(journal, client.acknowledged)).toEqual([])
    expect(told.text()).toMatch(/counter\/root.*another\.process wrote commit/)
    expect(host.actors()[0]?.book()?.own).not.toBe(before?.own)
  })
})
