import { expect, test } from 'vitest'
import { ask, request, withSession } from '../../src/commands/session.ts'
import { ASK_SERVICE } from '../../src/commands/up/asks.ts'
import { subjects } from '../../src/events/subjects.ts'
import { type NatsForTest, natsForTest } from '../nats.ts'

/** With NATS_URL at that server, and what is said on stderr. */
const at = async <T>({ url }: NatsForTest, work: () => Promise<T>): Promise<T> => {
  const before = process.env['NATS_URL']
  process.env['NATS_URL'] = url
  try {
    return await work()
  } finally {
    if (before === undefined) delete process.env['NATS_URL']
    else process.env['NATS_URL'] = before
  }
}

/** What a system shows of itself: a service that tells whose it is, and answers. */
const hosting = async (nats: NatsForTest, cluster: string, context: string): Promise<void> => {
  const service = await nats.nc.services.add({ ...ASK_SERVICE, metadata: { cluster, context } })
  service.addEndpoint('state', {
    subject: subjects(cluster).ask('state'),
    handler: (_, message) => void message.respond(JSON.stringify({ cluster })),
  })
  await nats.nc.flush()
}

test('session: at NATS_URL the one cluster that is hosted there is found, with its context', async () => {
  await using nats = await natsForTest()
  await hosting(nats, 'prod', 'prod-admin')
  const found = await at(nats, () =>
    withSession(async (session) => ({ answer: await ask(session, 'state'), context: session.context }), { orders: true }),
  )
  expect(found).toEqual({ answer: { cluster: 'prod' }, context: 'prod-admin' })
})

test('session: an order at a NATS of several clusters has to name one, a question need not', async () => {
  await using nats = await natsForTest()
  await hosting(nats, 'prod', 'prod-admin')
  await hosting(nats, 'demo', 'simulated')
  const cluster = (wanted: Parameters<typeof withSession>[1]) =>
    at(nats, () => withSession(async (session) => session.cluster, wanted))
  await expect(cluster({ orders: true })).rejects.toThrow(
    'say with --cluster which one is meant: demo (context simulated), prod (context prod-admin)',
  )
  expect(await cluster({ orders: true, cluster: 'demo' })).toBe('demo')
  expect(await cluster({})).toBe('prod')
})

test('session: at a NATS where nobody hosts the cluster is named, and that nobody answers', async () => {
  await using nats = await natsForTest()
  const asked = (wanted: Parameters<typeof withSession>[1]) =>
    at(nats, () => withSession((session) => request(session, subjects(session.cluster).ask('state'), {}), wanted))
  await expect(asked({ cluster: 'prod', orders: true })).rejects.toThrow('the cluster "prod" is not hosted by a running process')
  await expect(asked({})).rejects.toThrow('the cluster "demo" is not hosted')
})
