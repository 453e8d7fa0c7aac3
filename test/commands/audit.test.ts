import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { connect, headers, nkeys } from 'nats'
import { expect, test, vi } from 'vitest'
import { auditLine, sinceOf } from '../../src/commands/audit.ts'
import { connectionOptions } from '../../src/commands/session.ts'
import { auditPage } from '../../src/commands/up/audit-trail.ts'
import { type Audited, audited } from '../../src/commands/up/audited.ts'
import type { Archive } from '../../src/runtime/archive.ts'
import { Corrupt, type Stored } from '../../src/runtime/journal.ts'
import type { Commit, Refusal } from '../../src/runtime/types.ts'
import { natsForTest } from '../nats.ts'
import { startUp, systemSeedFile, type Up, withHome } from '../up.ts'

const AT = Date.parse('2026-11-25T21:00:00Z')
const WHO = 'OPERATOR/UABC'

const commitOf = (n: number, part: Partial<Commit>): Commit => ({
  f: 1,
  n,
  mv: 1,
  sv: 1,
  own: 'o',
  nonce: `nonce-${n}`,
  ts: AT + n,
  cmd: `c${n}`,
  corr: `c${n}`,
  ev: { type: 'worker.Begin', at: AT + n, node: 'n1' },
  to: 'idle',
  p: {},
  fx: [],
  done: [],
  tdel: [],
  tset: [],
  em: [],
  ...part,
})
const entry = (part: Partial<Commit>) => ({ seq: 7, type: 'worker', id: 'one', record: commitOf(3, { ext: true, ...part }) })
const refusal = (part: Partial<Refusal['refused']>, who?: string) => ({
  seq: 7,
  type: 'worker',
  id: undefined,
  record: {
    f: 1,
    refused: { type: 'worker', verb: 'Begin', reason: 'no', ...part },
    own: 'o',
    ts: AT,
    cmd: 'c1',
    ...(who !== undefined && { who }),
  } satisfies Refusal,
})

test('audit: an accepted command is told with who, when, to whom, what and the commit that it became', () => {
  expect(audited(entry({ who: WHO, corr: 'ticket', trace: '00-a-b-01' }))).toEqual({
    time: '2026-11-25T21:00:00.003Z',
    who: WHO,
    command: 'worker.Begin',
    actor: 'worker/one',
    outcome: 'accepted',
    payload: { node: 'n1' },
    id: 'c3',
    correlationid: 'ticket',
    traceparent: '00-a-b-01',
    commit: 'worker/one/3',
    seq: 7,
  } satisfies Audited)
})

test('audit: what was refused, by the actor or at the door, and what the actor failed on, is told with why', () => {
  const refused = { type: '$refused', command: 'worker.Begin', reason: 'it is busy' }
  expect(audited(entry({ ev: refused }))).toMatchObject({
    who: 'unauthenticated',
    command: 'worker.Begin',
    outcome: 'refused',
    reason: 'it is busy',
    commit: 'worker/one/3',
  })
  const dead = { type: '$dead', event: { type: 'worker.Begin' }, error: { name: 'Error', message: 'a guard threw' } }
  expect(audited(entry({ ev: dead }))).toMatchObject({ command: 'worker.Begin', outcome: 'failed', reason: 'a guard threw' })
  const atTheDoor = audited(refusal({ verb: '$Spawn', id: 'x' }, WHO))
  expect(atTheDoor).toMatchObject({ who: WHO, command: 'worker.$Spawn', actor: 'worker/x', outcome: 'refused', reason: 'no' })
  expect(atTheDoor).not.toHaveProperty('commit')
  expect(audited(refusal({}))).toMatchObject({ who: 'unauthenticated', actor: 'worker' })
})

test('audit: a retry or discard of an effect is told as the command that it was', () => {
  const key = 'worker/one/2/0'
  expect(audited(entry({ ev: { type: '$fx.retried', key } }))).toMatchObject({ command: 'worker.RetryEffect', payload: { key } })
  expect(audited(entry({ ev: { type: '$fx.discarded', key } }))).toMatchObject({ command: 'worker.DiscardEffect' })
})

test('audit: timers, effects, the root’s beginning and what actors send each other are no commands', () => {
  const { ext: _, ...inside } = commitOf(3, {})
  expect(audited({ ...entry({}), record: inside })).toBe(undefined)
  expect(audited(entry({ cause: 'c3' }))).toBe(undefined)
  expect(audited(entry({ ev: { type: 'xstate.init' }, cmd: 'root/one' }))).toBe(undefined)
  expect(audited(refusal({ verb: '$Send' }))).toBe(undefined)
})

test('audit: a damaged record is said, not passed over; a long payload is left out', () => {
  expect(audited({ ...entry({}), record: new Corrupt('JOURNAL 7: no JSON') })).toMatchObject({
    outcome: 'unreadable',
    reason: 'JOURNAL 7: no JSON',
    actor: 'worker/one',
    seq: 7,
  })
  expect(audited(entry({ corr: 5 as never }))?.outcome).toBe('unreadable')
  expect(audited(entry({ ev: { type: 'worker.Begin', text: 'x'.repeat(5_000) } }))).not.toHaveProperty('payload')
})

test('audit: a line for people has no control characters and a short name', () => {
  const told = audited(
    entry({ who: `ci/U${'A'.repeat(55)}`, ev: { type: '$refused', command: 'worker.Begin', reason: '\u001b[2Jno' } }),
  )
  const line = auditLine(told as Audited)
  expect(line).toContain('ci/UAAAAAAA…')
  expect(line).toMatch(/worker\.Begin → worker\/one: no$/)
})

test.each([
  ['2026-11-25T20:00:00Z', AT - 3_600_000],
  ['30s', AT - 30_000],
  ['24h', AT - 86_400_000],
  ['7d', AT - 7 * 86_400_000],
])('audit: --since %s', (text, at) => expect(sinceOf(text, AT)).toBe(at))
test.each(['soon', '', '5', '5w'])('audit: --since "%s" is refused', (text) =>
  expect(() => sinceOf(text, AT)).toThrow('It has to be a time such as'),
)

/** Every entry, answer by answer. */
const whole = async (source: Parameters<typeof auditPage>[0], since = 0) => {
  const answers: Audited[][] = []
  for (let question: unknown = { since }; question; ) {
    const { entries, next } = await auditPage(source, question)
    answers.push([...entries])
    question = next
  }
  return { answers: answers.length, seqs: answers.flat().map(({ seq }) => seq) }
}

test('audit: the trail goes through archive and stream in answers that NATS can carry, from a time on', {
  timeout: 60_000,
}, async () => {
  await using nats = await natsForTest()
  const { nc, cluster } = nats
  const jsm = await nc.jetstreamManager()
  await jsm.streams.add({ name: 'JOURNAL', subjects: [`qm.${cluster}.journal.>`], allow_direct: true })
  expect(await whole({ nc, cluster })).toEqual({ answers: 1, seqs: [] })
  const js = nc.jetstream()
  // Before the server's own time, which says only where to begin.
  const began = Date.now() - 3_600_000
  const append = (record: object, id = 'one') => js.publish(`qm.${cluster}.journal.worker.${id}`, JSON.stringify(record))
  // The first record is a command of 4,000 bytes, and from 4,750 on every 15th: one answer ends where it has read enough,
  // one where it is full.
  const isCommand = (n: number): boolean => n === 1 || (n > 4_750 && n % 15 === 1)
  const numbers = Array.from({ length: 6_500 }, (_, index) => index + 1)
  for (let from = 0; from < numbers.length; from += 500)
    await Promise.all(
      numbers.slice(from, from + 500).map((n) => {
        const note = isCommand(n) ? 'x'.repeat(4_000) : ''
        return append(commitOf(n, { ...(isCommand(n) && { ext: true }), ts: began + n, ev: { type: 'worker.Begin', note } }))
      }),
    )
  await append({ f: 2 })
  await append({ ...refusal({}).record, ts: began + 6_502 }, '$refused')
  const commands = [...numbers.filter(isCommand), 6_501, 6_502]
  expect(await whole({ nc, cluster })).toEqual({ answers: 3, seqs: commands })
  expect((await whole({ nc, cluster }, began + 6_480)).seqs).toEqual([6_481, 6_496, 6_501, 6_502])
  expect((await whole({ nc, cluster }, Date.now() + 3_600_000)).seqs).toEqual([])

  const stored = (seq: number, ts: number): Stored => ({
    seq,
    actor: { type: 'worker', id: 'old' },
    commit: commitOf(seq, { ext: true, ts, ev: { type: 'worker.Begin', note: 'x'.repeat(4_000) } }),
  })
  const archived = Array.from({ length: 100 }, (_, index) => stored(100 - index, AT - 100 + index))
  const archive: Pick<Archive, 'between'> = {
    between: async (from, to, onStored) => {
      for (const each of archived) if (each.commit.ts >= from && each.commit.ts <= to) onStored(each)
    },
  }
  const both = await whole({ nc, cluster, archive: archive as Archive })
  expect(both).toEqual({ answers: 5, seqs: [...Array.from({ length: 100 }, (_, index) => index + 1), ...commands] })
})

/** What `quartermaster audit` prints. */
const trailOf = async (home: string, ...args: readonly string[]): Promise<readonly Audited[]> => {
  const env = { ...process.env, QUARTERMASTER_HOME: home, NATS_URL: undefined, NO_COLOR: '1' }
  const { stdout, stderr } = await promisify(execFile)(process.execPath, ['src/main.ts', 'audit', ...args], { env })
  expect(stderr).toBe('')
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Audited)
}

/** Publishes a command and waits until NATS has stored it. */
const order = async ({ nc }: Up, rest: string, id: string, payload = '{}'): Promise<void> => {
  const hdrs = headers()
  hdrs.set('Nats-Msg-Id', id)
  hdrs.set('Qm-Corr', 'ticket-1')
  hdrs.set('Nats-Request-Info', '{"acc":"QUARTERMASTER","user":"root"}')
  expect((await nc.request(`qm.demo.cmd.${rest}`, payload, { headers: hdrs, timeout: 5_000 })).json()).toMatchObject({
    stream: 'COMMANDS',
  })
}

test('audit: who gave each command reaches commit, event and trail, also after a kill', { timeout: 120_000 }, () =>
  withHome(async (home) => {
    const up = await startUp(home, '--nodes', '10')
    const who = `OPERATOR/${nkeys.fromSeed(readFileSync(up.connection.seedFile ?? '')).getPublicKey()}`
    await vi.waitUntil(async () => (await up.status()).phase === 'observing', { timeout: 30_000, interval: 100 })
    await order(up, 'cluster.Hold', 'hold-1', '{"reason":"audit me"}')
    await up.until('held', ({ fact }) => fact === 'cluster.BrakeHeld')
    await order(up, 'cluster.Demote', 'demote-1')
    await order(up, 'evictor.$Send.demo', 'letter-1', '{"event":{"type":"evictor.Pause"}}')
    await order(up, 'evictor.$Spawn.mine', 'letter-2')
    await order(up, 'scanner.$Spawn.mine', 'letter-3', '{"parent":{"type":"cluster","id":"demo","ref":"scanner"}}')
    await order(up, 'cluster.Hold.demo', 'hold-2', '{"policy":"never"}')
    const refused = (cmd: string) => up.until(cmd, ({ fact, data }) => fact.endsWith('.CommandRefused') && data['cmd'] === cmd)
    for (const cmd of ['demote-1', 'letter-1', 'letter-2', 'letter-3', 'hold-2']) await refused(cmd)
    const [before, { actors }] = [await trailOf(home), await up.status()]
    expect(actors.map(({ type, id }) => `${type}/${id}`)).toContain('evictor/demo')
    await up.kill()

    const again = await startUp(home, '--nodes', '10')
    try {
      const trail = await trailOf(home)
      expect(trail).toEqual(before)
      expect(trail.map((told) => [told.command, told.outcome, told.who])).toEqual([
        ['cluster.Connect', 'accepted', who],
        ['cluster.Hold', 'accepted', who],
        ...expectedInAnyOrder(trail.slice(2), who),
      ])
      expect(trail[1]).toMatchObject({
        id: 'hold-1',
        correlationid: 'ticket-1',
        payload: { reason: 'audit me' },
        actor: 'cluster/demo',
      })
      expect(await trailOf(home, '--since', trail[2]?.time ?? '')).toEqual(trail.slice(2))
      const system = await connect(connectionOptions(again.connection.url, systemSeedFile(again.connection)))
      const { state } = await (await system.jetstreamManager()).streams.info('JOURNAL')
      expect(state.last_seq).toBeGreaterThan(trail.at(-1)?.seq ?? 0)
      const { data } = await (await system.jetstreamManager()).streams.getMessage('JOURNAL', { seq: trail[1]?.seq ?? 0 })
      expect(JSON.parse(Buffer.from(data).toString())).toMatchObject({ cmd: 'hold-1', who })
      const event = await (await system.jetstreamManager()).streams.getMessage('EVENTS', {
        last_by_subj: 'qm.demo.evt.cluster.CommandRefused',
      })
      expect(event.json()).toMatchObject({ principal: who })
      await system.close()
    } finally {
      await again.stop()
    }
  }),
)

/** Different actor types decide at their own pace. */
const expectedInAnyOrder = (found: readonly Audited[], who: string) => {
  const expected = ['cluster.Demote', 'cluster.Hold', 'evictor.$Send', 'evictor.$Spawn', 'scanner.$Spawn']
  expect(found.map(({ command }) => command).toSorted()).toEqual(expected)
  return found.map(({ command }) => [command, 'refused', who])
}
