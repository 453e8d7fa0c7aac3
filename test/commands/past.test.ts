import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { jetstreamJournal } from '../../src/adapters/jetstream/journal.ts'
import { publishMachines } from '../../src/adapters/jetstream/machines.ts'
import { ensureStreams } from '../../src/adapters/jetstream/streams.ts'
import { openPast } from '../../src/commands/up/past.ts'
import type { InspectMessage } from '../../src/runtime/inspect.ts'
import type { Entry, Journal } from '../../src/runtime/journal.ts'
import type { Commit } from '../../src/runtime/types.ts'
import { recordedJournal } from '../corpus/read.ts'
import { type NatsForTest, natsForTest } from '../nats.ts'
import { everyShipped } from '../shipped.ts'

const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
let nats: NatsForTest
let journal: Journal
let past: ReturnType<typeof openPast>
beforeAll(async () => {
  nats = await natsForTest()
  const { nc, cluster } = nats
  const jsm = await ensureStreams(nc, cluster)
  const js = nc.jetstream()
  journal = jetstreamJournal(nc, jsm, cluster)
  const machines = await publishMachines(js, everyShipped)
  past = openPast({ nc, jsm, cluster, journal, definitions: everyShipped, machines, log: silent })
})
afterAll(async () => {
  past.stop()
  await nats.cleanup()
})

const written = new Map<string, number>()
const append = async (entries: readonly Entry[]): Promise<void> => {
  for (const { type, id = '', record } of entries) {
    const seq = await journal.append({ type, id }, record as Commit, written.get(`${type}/${id}`) ?? 0)
    written.set(`${type}/${id}`, seq)
  }
}

test('past: on a real server, what is told while it happens is what is told when it is asked for later', {
  timeout: 60_000,
}, async () => {
  const { nc, cluster } = nats
  const commits = (await recordedJournal('cluster-v2.jsonl')).entries.filter(({ record }) => 'n' in record)
  const heard: InspectMessage[] = []
  nc.subscribe(`qm.${cluster}.inspect.>`, { callback: (_, message) => void heard.push(message.json<InspectMessage>()) })
  await append(commits.slice(0, 40))
  await nc.flush()
  expect(heard).toEqual([])

  expect(await past.answers.inspect({ watch: true })).toEqual({ seconds: 15, subject: `qm.${cluster}.inspect.>` })
  await append(commits.slice(40, 80))
  const last = commits[79]?.record as Commit
  await vi.waitFor(() => expect(heard.at(-1)?.createdAt).toBe(String(last.ts)), { timeout: 10_000 })
  const actors = heard.filter(({ type }) => type === '@xstate.actor')
  // Machines that are older by now are not here any more to be shown; those of evictions are.
  expect(actors.find(({ id }) => id.startsWith('eviction/'))).toMatchObject({
    _version: '0.7.2',
    definition: expect.stringContaining('"initial"'),
  })

  const later = (await past.answers.inspect({})) as { readonly messages: readonly InspectMessage[] }
  const known = new Set(later.messages.map(({ id, type }) => `${id} ${type}`))
  const told = heard.filter(({ type }) => type !== '@xstate.actor')
  expect(told.length).toBeGreaterThan(10)
  expect(told.filter(({ id, type }) => !known.has(`${id} ${type}`))).toEqual([])
})

test('past: the journal is listed, verified and shown on a real server', async () => {
  const { actors } = (await past.answers.journal({ actors: true })) as { readonly actors: readonly string[] }
  expect(actors).toEqual([...written.keys()].toSorted((a, b) => a.localeCompare(b)))
  const { verdicts } = (await past.answers.journal({ verify: actors })) as {
    readonly verdicts: readonly { readonly fault?: unknown; readonly commits: number }[]
  }
  expect([verdicts.filter(({ fault }) => fault), verdicts.reduce((sum, { commits }) => sum + commits, 0)]).toEqual([[], 80])
  const from = Date.now() + 3_600_000
  expect(await past.answers.inspect({ from })).toEqual({ messages: [] })
})
