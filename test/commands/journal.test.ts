import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { commitText, timeOf, verdictText } from '../../src/commands/journal.ts'
import { replays } from '../../src/commands/up/replays.ts'
import { definitionText, type Inspection } from '../../src/runtime/inspect.ts'
import { Corrupt, type Entry, type Journal, type Stored } from '../../src/runtime/journal.ts'
import type { MemoryJournal } from '../../src/runtime/testing/memory-journal.ts'
import type { Address, Commit, Definition } from '../../src/runtime/types.ts'
import { recordedJournal } from '../corpus/read.ts'
import { type NatsForTest, natsForTest } from '../nats.ts'
import { everyShipped, shipped } from '../shipped.ts'

const run = promisify(execFile)
const inspection: Inspection = {
  root: { type: 'cluster', id: 'demo' },
  definition: (type) => definitionText(shipped(type).machine),
}

const actorsOf = (journal: MemoryJournal): readonly Address[] => {
  const names = new Map(journal.entries.flatMap(({ type, id }) => (id === undefined ? [] : [[`${type}/${id}`, { type, id }]])))
  return [...names].toSorted(([a], [b]) => a.localeCompare(b)).map(([, address]) => address)
}

type Changes = {
  readonly definitions?: readonly Definition[]
  readonly pageBytes?: number
  readonly archived?: readonly Stored[]
}
/** The answers of a system whose journal is this one. */
const answers = (journal: MemoryJournal, { definitions = everyShipped, pageBytes = 500_000, archived = [] }: Changes = {}) => {
  const of = ({ type, id }: Address) => archived.filter(({ actor }) => actor.type === type && actor.id === id)
  return replays({
    records: {
      journal: journal as Journal,
      archive: {
        write: async () => {},
        read: async (actor, onStored) => of(actor).forEach(onStored),
        between: async (from, to, onStored) => archived.filter(({ commit: { ts } }) => ts >= from && ts <= to).forEach(onStored),
      },
    },
    definitions,
    inspection,
    inspector: { watch: async () => ({ seconds: 15 }), stop: () => {} },
    actors: async () => actorsOf(journal),
    since: async () => 0,
    subject: 'qm.demo.inspect.>',
    pageBytes,
  })
}

/** Every page of an answer. */
const everyPage = async (ask: (question: unknown) => Promise<unknown>, question: object): Promise<readonly any[]> => {
  const found: any[] = []
  for (let after: unknown; ; ) {
    const answer = (await ask(after === undefined ? question : { ...question, after })) as { readonly next?: unknown }
    found.push(answer)
    if (answer.next === undefined) return found
    after = answer.next
  }
}

test('ask.journal: commits come in pages, each once, in the range that was asked for', async () => {
  const journal = await recordedJournal('cluster-v1.jsonl')
  const { journal: ask } = answers(journal, { pageBytes: 3_000 })
  const pages = await everyPage(ask, { actor: 'evictor/demo', from: 3, to: 30 })
  expect(pages.length).toBeGreaterThan(3)
  expect(pages.flatMap(({ commits }) => commits.map(({ record }: { record: Commit }) => record.n))).toEqual(
    Array.from({ length: 28 }, (_, index) => index + 3),
  )
  await expect(ask({ actor: 'evictor/nobody' })).rejects.toThrow('there is no evictor/nobody in the journal or the archive')
  await expect(ask({ actor: 'evictor' })).rejects.toThrow('an actor is named <type>/<id>')
})

test('ask.journal: the actors of the journal come in pages', async () => {
  const journal = await recordedJournal('cluster-v1.jsonl')
  const pages = await everyPage(answers(journal, { pageBytes: 500 }).journal, { actors: true })
  const names = pages.flatMap(({ actors }) => actors)
  expect([names.length, new Set(names).size, pages.length > 2]).toEqual([41, 41, true])
})

test('ask.journal: a verdict names the type that nobody here can judge, and an actor that is not there', async () => {
  const journal = await recordedJournal('cluster-v1.jsonl')
  const { journal: ask } = answers(journal, { definitions: [shipped('cluster')] })
  expect(await ask({ verify: ['cluster/demo', 'evictor/demo', 'cluster/other'] })).toMatchObject({
    verdicts: [
      { actor: { type: 'cluster', id: 'demo' }, commits: 35 },
      { fault: { kind: 'corrupt', reason: 'this process has no machine of type evictor: ask where it is hosted' } },
      { fault: { kind: 'corrupt', reason: 'there is no such actor in the journal or the archive' } },
    ],
  })
})

test('ask.journal: what was archived and purged is read too', async () => {
  const journal = await recordedJournal('cluster-v1.jsonl')
  const self = { type: 'evictor', id: 'demo' }
  const archived: Stored[] = []
  await journal.read(self, 0, (stored) => void archived.push(stored))
  const whole = archived.length
  await journal.purge(self, archived[40]?.seq)
  const { journal: ask } = answers(journal, { archived })
  expect(await ask({ verify: ['evictor/demo'] })).toMatchObject({ verdicts: [{ commits: whole }] })
  const { ts } = (archived[20] as Stored).commit
  const [{ actors }] = await everyPage(ask, { at: ts })
  expect(actors).toContainEqual(expect.objectContaining({ actor: 'evictor/demo', n: 21 }))
})

test('ask.journal: at a time lived those that had begun and not ended, in the state of then', async () => {
  const journal = await recordedJournal('cluster-v1.jsonl')
  const { journal: ask } = answers(journal, { pageBytes: 300 })
  const promoted = journal.of({ type: 'cluster', id: 'demo' }).find(({ ev }) => ev.type === 'cluster.Promote') as Commit
  const names = async (at: number) => (await everyPage(ask, { at })).flatMap(({ actors }) => actors)
  expect((await names(promoted.ts - 1)).map(({ actor }) => actor)).toEqual(['agent/demo', 'cluster/demo', 'evictor/demo'])
  expect(await names(promoted.ts)).toContainEqual({
    actor: 'cluster/demo',
    n: promoted.n,
    value: promoted.to,
    since: promoted.ts,
  })
  const connected = journal.of({ type: 'cluster', id: 'demo' }).findLast(({ ev }) => ev.type === 'cluster.Connect') as Commit
  expect((await names(connected.ts - 1)).map(({ actor }) => actor)).toEqual(['cluster/demo']) // the others were stopped, or are done
  expect(await names(1)).toEqual([])
})

test('ask.inspect: a range comes in pages, each message once, and introduces who began before it', async () => {
  const journal = await recordedJournal('cluster-v1.jsonl')
  const { inspect } = answers(journal, { pageBytes: 20_000 })
  const messages = (await everyPage(inspect, {})).flatMap((each) => each.messages)
  const keys = messages.map(({ id, type }: { id: string; type: string }) => `${id} ${type}`)
  expect(new Set(keys).size).toBe(keys.length)
  const seqs = new Map(journal.entries.map(({ seq, type, id, record }) => [`${type}/${id}/${'n' in record ? record.n : 0}`, seq]))
  const order = messages.map(({ id }: { id: string }) => seqs.get(id) ?? 0)
  expect(order).toEqual(order.toSorted((a: number, b: number) => a - b))
  expect(messages.filter(({ type }: { type: string }) => type === '@xstate.actor')).toHaveLength(44)

  const hold = journal.of({ type: 'cluster', id: 'demo' }).find(({ ev }) => ev.type === 'cluster.Hold') as Commit
  const [{ messages: later }] = await everyPage(inspect, { actor: 'cluster/demo', from: hold.ts, to: hold.ts })
  expect(later.map(({ type }: { type: string }) => type)).toEqual(['@xstate.actor', '@xstate.event', '@xstate.snapshot'])
  expect(later[0]).toMatchObject({ id: `cluster/demo/${hold.n - 1}`, snapshot: { value: { brake: 'released' } } })
  expect(await inspect({ watch: true })).toEqual({ seconds: 15, subject: 'qm.demo.inspect.>' })
  await expect(inspect({ watch: 1 })).rejects.toThrow('no question about the journal')
})

test('journal: a commit is printed with what it asked for and told', async () => {
  const journal = await recordedJournal('cluster-v1.jsonl')
  const connect = journal.of({ type: 'cluster', id: 'demo' })[1] as Commit
  const lines = commitText({ ...connect, who: 'people/ann' }).split('\n')
  expect(lines[0]).toMatch(/^ +2 \d{4}-\S+Z cluster\.Connect by people\/ann$/)
  expect(lines[1]).toBe('      → phase.connected.observing, security.off, brake.released')
  expect(lines).toContain('        spawn agent to agent/demo {"cluster":"demo"}')
  expect(lines).toContain('        cluster.PhaseEntered {"phase":"observing"}')
})

test('journal: names from the journal reach no terminal as they are', () => {
  const actor = { type: 'cluster', id: 'a\u001b[2Jb' }
  const text = verdictText([{ actor, commits: 1, executed: 0, older: 0, fault: { kind: 'corrupt', n: 1, reason: 'x\u001b[2J' } }])
  expect(text).toContain('cluster/ab is corrupt: x')
})

test('journal: a time is ISO 8601 or epoch milliseconds', () => {
  expect(timeOf('2026-03-01T12:00:00Z')).toBe(Date.UTC(2026, 2, 1, 12))
  expect(timeOf('1772366400000')).toBe(Date.UTC(2026, 2, 1, 12))
  expect(() => timeOf('yesterday')).toThrow('Write it as 2026-03-01T12:00:00Z')
})

let nats: NatsForTest
let journal: MemoryJournal
beforeAll(async () => {
  nats = await natsForTest()
  journal = await recordedJournal('cluster-v3.jsonl')
  const service = await nats.nc.services.add({ name: 'ask', version: '1.0.0' })
  service.addEndpoint('journal', {
    subject: 'qm.demo.ask.journal',
    handler: (_, message) => {
      const answer = answers(journal).journal(message.json())
      answer.then(
        (found) => message.respond(JSON.stringify(found)),
        (error: Error) => message.respondError(400, error.message),
      )
    },
  })
})
afterAll(() => nats.cleanup())

const command = async (
  ...args: readonly string[]
): Promise<{ readonly code: unknown; readonly out: string; readonly err: string }> => {
  const env = { ...process.env, NATS_URL: nats.url, QUARTERMASTER_CLUSTER: 'demo', NO_COLOR: '1' }
  try {
    const { stdout, stderr } = await run(process.execPath, ['src/main.ts', 'journal', ...args], { env })
    return { code: 0, out: stdout, err: stderr }
  } catch (error) {
    const { code, stdout, stderr } = error as { code: unknown; stdout: string; stderr: string }
    return { code, out: stdout, err: stderr }
  }
}

test('journal: verify, show and at as a user runs them', { timeout: 120_000 }, async () => {
  const verified = await command('verify')
  expect([verified.code, verified.err]).toEqual([0, ''])
  expect(verified.out).toMatch(/^TYPE +ACTORS +COMMITS +REPLAYED +OLDER +VERDICT\n/)
  expect(verified.out).toMatch(/^eviction +\d+ +\d+ +\d+ +0 +the same$/m)
  const shown = await command('show', 'cluster/demo', '--from', '2', '--to', '2', '--format', 'json')
  expect([shown.code, (JSON.parse(shown.out) as Commit).ev.type]).toEqual([0, 'cluster.Connect'])
  const { ts } = (journal.entries[100] as Entry).record as Commit
  const standing = await command('at', new Date(ts).toISOString())
  expect(standing.out).toMatch(/^ACTOR +COMMIT +SINCE +STATE\n/)
  expect(standing.out).toMatch(/^evictor\/demo +\d+ +\S+Z +\S/m)
  const none = await command('show', 'cluster/other')
  expect([none.code, none.err]).toEqual([
    2,
    'quartermaster: there is no cluster/other in the journal or the archive: "status" lists the actors that live\n',
  ])
  expect(await command('verify', 'cow')).toMatchObject({
    code: 2,
    err: expect.stringContaining('the journal has no actor of type "cow"; it has agent, '),
  })
  expect((await command('verify', '--help')).out).toContain('$ quartermaster journal verify evictor')
})

test('journal: verify says where a machine comes out otherwise, and ends with 1', { timeout: 60_000 }, async () => {
  const { entries } = journal
  const index = entries.findIndex(({ type, record }) => type === 'evictor' && 'n' in record && record.em.length > 0)
  const entry = entries[index]
  if (!entry || entry.record instanceof Corrupt || !('n' in entry.record)) throw new Error('no such commit')
  entries[index] = { ...entry, record: { ...entry.record, em: [] } }
  const { code, out } = await command('verify', 'evictor')
  entries[index] = entry
  expect(code).toBe(1)
  expect(out).toMatch(/^evictor +1 +\d+ +\d+ +0 +1 faulty$/m)
  expect(out).toMatch(
    new RegExp(`evictor/${entry.id} comes out otherwise from commit ${entry.record.n} on \\(\\S+\\):\\n {2}em\\.0 `),
  )
})
