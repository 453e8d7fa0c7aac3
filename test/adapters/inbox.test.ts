import { headers } from 'nats'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { jetstreamInbox } from '../../src/adapters/jetstream/inbox.ts'
import { ensureStreams } from '../../src/adapters/jetstream/streams.ts'
import type { Command, Delivery } from '../../src/runtime/inbox.ts'
import type { Outcome } from '../../src/runtime/types.ts'
import { type NatsForTest, natsForTest } from '../nats.ts'

let nats: NatsForTest
const life = new AbortController()
const heard: Command[] = []
beforeAll(async () => {
  nats = await natsForTest()
  const { nc, cluster } = nats
  const inbox = jetstreamInbox(nc, nc.jetstream(), await ensureStreams(nc, cluster, ['worker']), cluster)
  const hear = (command: Command): Outcome => {
    heard.push(command)
    return { ok: false, why: 'refused', detail: 'heard' }
  }
  const delivered = ({ command, done }: Delivery): void => {
    hear(command)
    done()
  }
  void inbox.consume('worker', delivered, life.signal)
  void inbox.serve('worker', async (command) => hear(command), life.signal)
  await vi.waitFor(() => nc.request(`qm.${cluster}.call.worker.Ready`))
})
afterAll(async () => {
  life.abort()
  await nats.cleanup()
})

/** What `qm.<c>.cmd.<rest>` becomes. */
const stored = async (rest: string, hdrs = headers()): Promise<Command | undefined> => {
  const { nc, cluster } = nats
  heard.length = 0
  await nc.jetstream().publish(`qm.${cluster}.cmd.${rest}`, PAYLOAD, { headers: hdrs })
  await vi.waitUntil(() => heard.length === 1)
  return heard.pop()
}
/** The same for what is stored and for what is called. */
const received = async (
  rest: string,
  fields: Readonly<Record<string, string>> = {},
): Promise<readonly (Command | undefined)[]> => {
  const hdrs = headers()
  for (const [name, value] of Object.entries(fields)) hdrs.set(name, value)
  const command = await stored(rest, hdrs)
  await nats.nc.request(`qm.${nats.cluster}.call.${rest}`, PAYLOAD, { headers: hdrs, timeout: 5_000 })
  return [command, heard.pop()]
}
const PAYLOAD = '{"node":"n1"}'

test.each([
  ['worker.Begin', { id: undefined, who: undefined }],
  ['worker.Begin.a=20b', { id: 'a b', who: undefined }],
  ['worker.Begin.by.OPERATOR.UABC', { id: undefined, who: 'OPERATOR/UABC' }],
  ['worker.Begin.a=20b.by.ci.UABC', { id: 'a b', who: 'ci/UABC' }],
  ['worker.Begin.by.by.ci.UABC', { id: 'by', who: 'ci/UABC' }],
])('inbox: %s tells whom it is for and who sent it', async (rest, wanted) => {
  for (const command of await received(rest))
    expect(command).toMatchObject({
      type: 'worker',
      verb: 'Begin',
      ...wanted,
      payload: { node: 'n1' },
      malformed: undefined,
      schema: undefined,
    })
})

const LETTERS = ['$Spawn', '$Stop', '$Send', '$Child']
test.each(LETTERS)('inbox: a %s that comes from outside is no letter, and nothing of it is read', async (verb) => {
  for (const command of await received(`worker.${verb}.x.by.OPERATOR.UABC`))
    expect(command).toMatchObject({
      verb,
      who: 'OPERATOR/UABC',
      payload: undefined,
      malformed: `${verb} is what actors send each other, and OPERATOR/UABC is none`,
    })
})

test('inbox: a command can not say that it is its own cause, by which the journal knows a letter', async () => {
  const caused = (key: string) => ({ 'Nats-Msg-Id': key, 'Qm-Cause': key })
  for (const command of await received('worker.Begin.x', caused('worker/x/1/0')))
    expect(command?.malformed).toBe('Qm-Cause names the command itself: leave it out, or name what caused it')
  for (const command of await received('worker.$Stop.x', caused('worker/x/2/0'))) expect(command?.malformed).toBe(undefined)
})

test.each(['1', '12'])('inbox: Qm-Schema %s is the version of the payload', async (text) => {
  for (const command of await received('worker.Begin.x', { 'Qm-Schema': text }))
    expect(command).toMatchObject({ schema: Number(text), malformed: undefined })
})

test.each(['0', '-1', '1.5', 'new', '1e400', '0x1'])('inbox: Qm-Schema %s is malformed', async (text) => {
  for (const command of await received('worker.Begin.x', { 'Qm-Schema': text }))
    expect(command).toMatchObject({
      schema: undefined,
      payload: undefined,
      malformed: `Qm-Schema: "${text}" is no schema version (1, 2, 3 …)`,
    })
})

test('inbox: a subject with too many parts is malformed, and its sender known', async () => {
  const command = await stored('worker.Begin.x.y.by.OPERATOR.UABC')
  expect(command).toMatchObject({ who: 'OPERATOR/UABC', malformed: expect.stringContaining('has too many parts') })
})
