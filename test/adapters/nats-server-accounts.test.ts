import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ConnectionOptions, connect, headers, type NatsConnection, nkeyAuthenticator, nkeys } from 'nats'
import { expect, onTestFinished, test } from 'vitest'
import { type NatsServer, startNatsServer } from '../../src/adapters/nats-server/start.ts'
import { natsBinary } from '../nats.ts'

const folderForTest = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'qm-accounts-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}
const serverIn = async (storeFolder: string, options: object = {}): Promise<NatsServer> => {
  const server = await startNatsServer({ binary: natsBinary(), storeFolder, name: 'test', ...options })
  onTestFinished(() => server.stop())
  return server
}
const connected = async ({ url }: NatsServer, options: ConnectionOptions): Promise<NatsConnection> => {
  const nc = await connect({ servers: url, ...options })
  onTestFinished(() => nc.close())
  return nc
}
const withSeed = (file: string | undefined) => ({ authenticator: nkeyAuthenticator(readFileSync(file ?? '')) })
const keyIn = (file: string | undefined): string => nkeys.fromSeed(readFileSync(file ?? '')).getPublicKey()

/** The system and an operator on one server, with the streams that the system has. */
const both = async () => {
  const server = await serverIn(folderForTest())
  const system = await connected(server, withSeed(server.systemSeedFile))
  const operator = await connected(server, withSeed(server.seedFile))
  const jsm = await system.jetstreamManager()
  for (const [name, subject] of Object.entries(STREAMS)) await jsm.streams.add({ name, subjects: [subject] })
  const messagesIn = async (stream: string): Promise<number> => (await jsm.streams.info(stream)).state.messages
  return { server, system, operator, jsm, messagesIn, who: `OPERATOR.${keyIn(server.seedFile)}` }
}
const STREAMS = {
  COMMANDS: 'qm.demo.cmd.worker.>',
  JOURNAL: 'qm.demo.journal.>',
  EVENTS: 'qm.demo.evt.>',
  KV_leases: '$KV.leases.>',
}

test('accounts: NATS writes the sender into the subject of what it stores, whatever the sender says of itself', async () => {
  const { operator, jsm, messagesIn, who } = await both()
  const forged = headers()
  forged.append('Nats-Request-Info', '{"acc":"QUARTERMASTER","user":"root"}')
  const stored = (await operator.request('qm.demo.cmd.worker.Begin', '{}', { headers: forged, timeout: 5_000 })).json()
  expect(stored).toEqual({ stream: 'COMMANDS', seq: 1 })
  await operator.request('qm.demo.cmd.worker.Begin.a=20b_c', '{}')
  for (const subject of [
    'qm.demo.cmd.worker.Begin.by.OPERATOR.ROOT',
    'qm.demo.cmd.worker.Begin.x.by.OPERATOR.ROOT',
    `qm.demo.cmd.worker.Begin.x.by.${who}`,
  ])
    await expect(operator.request(subject, '{}')).rejects.toThrow('503')
  expect(await messagesIn('COMMANDS')).toBe(2)
  const subjectOf = async (seq: number) => (await jsm.streams.getMessage('COMMANDS', { seq })).subject
  expect([await subjectOf(1), await subjectOf(2)]).toEqual([
    `qm.demo.cmd.worker.Begin.by.${who}`,
    `qm.demo.cmd.worker.Begin.a=20b_c.by.${who}`,
  ])
})

test('accounts: an operator calls, asks, hears events and sees which services there are', async () => {
  const { system, operator, who } = await both()
  const service = await system.services.add({ name: 'worker', version: '1.0.0' })
  const handler = (_: Error | null, message: { subject: string; respond(text: string): boolean }) =>
    void message.respond(message.subject)
  for (const [name, subject] of Object.entries({ call: 'qm.demo.call.worker.*.by.*.*', ask: 'qm.demo.ask.state' }))
    service.addEndpoint(name, { subject, handler })
  const heard = operator.subscribe('qm.demo.evt.>', { max: 1 })
  await Promise.all([system.flush(), operator.flush()])

  expect((await operator.request('qm.demo.call.worker.Begin')).string()).toBe(`qm.demo.call.worker.Begin.by.${who}`)
  expect((await operator.request('qm.demo.ask.state')).string()).toBe('qm.demo.ask.state')
  await system.jetstream().publish('qm.demo.evt.worker.Begun', 'hello')
  for await (const event of heard) expect([event.subject, event.string()]).toEqual(['qm.demo.evt.worker.Begun', 'hello'])
  const names: string[] = []
  for await (const { name } of await operator.services.client().ping()) names.push(name)
  expect(names).toEqual(['worker'])
})

test('accounts: an operator reaches neither journal, events, buckets nor JetStream, not even by the reply of a command', async () => {
  const { operator, messagesIn, system } = await both()
  const forbidden = ['qm.demo.journal.worker.a', 'qm.demo.evt.worker.Begun', '$KV.leases.worker', '$JS.API.STREAM.NAMES']
  for (const subject of forbidden)
    await expect(operator.request(subject, '{}')).rejects.toThrow(`Permissions Violation for Publish to "${subject}"`)
  for (const reply of forbidden) operator.publish('qm.demo.cmd.worker.Begin', '{}', { reply })
  await operator.flush()
  await operator.request('qm.demo.cmd.worker.Begin', '{}')
  await system.flush()
  expect(await Promise.all(Object.keys(STREAMS).map(messagesIn))).toEqual([forbidden.length + 1, 0, 0, 0])
})

test('accounts: another operator has a name of its own, by its public key alone; a file that holds none is said', async () => {
  const folder = folderForTest()
  mkdirSync(join(folder, 'operators'))
  const ci = nkeys.createUser()
  writeFileSync(join(folder, 'operators', 'ci.pub'), `${ci.getPublicKey()}\n`)
  const server = await serverIn(folder)
  const system = await connected(server, withSeed(server.systemSeedFile))
  const operator = await connected(server, { authenticator: nkeyAuthenticator(ci.getSeed()) })
  const heard = system.subscribe('qm.demo.cmd.>', { max: 1 })
  await system.flush()
  operator.publish('qm.demo.cmd.worker.Begin')
  for await (const { subject } of heard) expect(subject).toBe(`qm.demo.cmd.worker.Begin.by.ci.${ci.getPublicKey()}`)
  await server.stop()

  const account = join(folder, 'operators', 'ci.pub')
  for (const text of [nkeys.createAccount().getPublicKey(), 'SU123', '']) {
    writeFileSync(account, text)
    await expect(serverIn(folder)).rejects.toThrow(`${account} holds no public nkey of a user`)
  }
  rmSync(account)
  const odd = join(folder, 'operators', 'OPERATOR.pub')
  writeFileSync(odd, ci.getPublicKey())
  await expect(serverIn(folder)).rejects.toThrow(`${odd}: an operator is called by`)
})

test('accounts: the streams of a store from before there were accounts are the system’s, and the old seed the operator’s', async () => {
  const folder = folderForTest()
  const old = nkeys.createUser()
  writeFileSync(join(folder, 'user.seed'), old.getSeed())
  const before = await serverIn(folder, { auth: 'none' })
  const writer = await connected(before, {})
  await (await writer.jetstreamManager()).streams.add({ name: 'JOURNAL', subjects: ['qm.demo.journal.>'] })
  const js = writer.jetstream()
  for (let n = 1; n <= 3; n++) await js.publish('qm.demo.journal.worker.a', String(n))
  await (await js.views.kv('plans')).put('one', 'plan')
  await writer.close()
  await before.stop()

  const progress: string[] = []
  const server = await serverIn(folder, { onProgress: (line: string) => progress.push(line) })
  expect(progress).toEqual(['the streams of an earlier version now belong to the account QUARTERMASTER'])
  const system = await connected(server, withSeed(server.systemSeedFile))
  const kept = await (await system.jetstreamManager()).streams.getMessage('JOURNAL', { seq: 3 })
  expect(kept.string()).toBe('3')
  expect((await (await system.jetstream().views.kv('plans')).get('one'))?.string()).toBe('plan')
  const fence = { expect: { lastSubjectSequence: 3 } }
  expect((await system.jetstream().publish('qm.demo.journal.worker.a', '4', fence)).seq).toBe(4)
  const operator = await connected(server, { authenticator: nkeyAuthenticator(old.getSeed()) })
  await expect(operator.jetstreamManager()).rejects.toThrow('Permissions Violation')
  expect(statSync(server.systemSeedFile ?? '').mode & 0o077).toBe(0)
  await server.stop()

  // An older version was run in between: it began a store of its own.
  const older = await serverIn(folder, { auth: 'none' })
  const again = await connected(older, {})
  await (await again.jetstreamManager()).streams.add({ name: 'JOURNAL', subjects: ['qm.demo.journal.>'] })
  await again.close()
  await older.stop()
  await expect(serverIn(folder)).rejects.toThrow(/there are streams in .*\$G, of an older version, and in .*QUARTERMASTER: move/)
})
