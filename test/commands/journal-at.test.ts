import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { JetStreamClient } from 'nats'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { recordHistory } from '../../src/adapters/jetstream/objects-history.ts'
import { ensureHistoryStream, marksIn } from '../../src/adapters/jetstream/objects-history-stream.ts'
import { ensureObjectsStream } from '../../src/adapters/jetstream/objects-stream.ts'
import { objectsSum } from '../../src/adapters/jetstream/objects-sum.ts'
import { clusterThen, type KindsPage, type NodesPage, type ObjectsPage } from '../../src/commands/up/cluster-then.ts'
import { token } from '../../src/events/subjects.ts'
import { node, pod, web } from '../actors/evictor/cluster.ts'
import { type NatsForTest, natsForTest } from '../nats.ts'

const run = promisify(execFile)
const folder = mkdtempSync(join(tmpdir(), 'quartermaster-at-'))
const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
const end = new AbortController()
let nats: NatsForTest
let js: JetStreamClient
let answer: (question: unknown) => Promise<unknown>
let ended: Promise<void>
/** Before the last pod came, after it, and before anything. */
let [early, late, before] = [0, 0, 0]

type Raw = ReturnType<typeof pod> | ReturnType<typeof node> | ReturnType<typeof web>
const resources = { Pod: 'core.pods', Node: 'core.nodes', ReplicaSet: 'apps.replicasets' }
let version = 0
const stored = (object: Raw): Raw => {
  return { ...object, metadata: { ...object.metadata, resourceVersion: `${++version}` } }
}
const put = async (object: Raw): Promise<void> => {
  const { namespace, name } = object.metadata
  await js.publish(
    `qm.demo.obj.${resources[object.kind as keyof typeof resources]}.${namespace === undefined ? '_' : token(namespace)}.${token(name)}`,
    JSON.stringify(object),
  )
}
const count = async (kind: string, objects: readonly Raw[]): Promise<void> => {
  const sum = objectsSum()
  for (const { metadata } of objects) sum.add(metadata.uid, metadata.resourceVersion)
  const meta = { epoch: 'one', state: 'streaming', resourceVersion: `${version}`, observedAt: Date.UTC(2026, 2, 1) }
  await js.publish(`qm.demo.meta.${kind}`, JSON.stringify({ ...meta, count: sum.count(), hash: sum.hash() }))
}

const conditions = [{ type: 'Ready', status: 'True' }]
const pair = [pod('p', 'a'), web(), node('b', { conditions }), pod('q', 'b'), node('a', { conditions })].map(stored)
beforeAll(async () => {
  nats = await natsForTest()
  js = nats.nc.jetstream()
  const jsm = await nats.nc.jetstreamManager()
  await ensureObjectsStream(jsm, 'demo', 1)
  await ensureHistoryStream(jsm, 'demo', 1, 2 ** 30)
  before = Date.now() - 1_000
  let ids = 0
  const recording = {
    nc: nats.nc,
    js,
    jsm,
    cluster: 'demo',
    log: silent,
    newId: () => `${++ids}`,
    options: { gatherMs: 20, idleMs: 20 },
  }
  const recorder = recordHistory(recording, end.signal)
  ended = recorder.ended
  await vi.waitFor(async () => expect(await marksIn(nats.nc, 'demo')).toHaveLength(1), { timeout: 10_000 })
  for (const object of pair) await put(object)
  await count(
    'core.nodes',
    pair.filter(({ kind }) => kind === 'Node'),
  )
  await count(
    'core.pods',
    pair.filter(({ kind }) => kind === 'Pod'),
  )
  const absent = { epoch: 'one', state: 'unavailable', resourceVersion: '', observedAt: 0, count: 0, hash: objectsSum().hash() }
  await js.publish('qm.demo.meta.karpenter_sh.nodepools', JSON.stringify(absent))
  await sleep(5)
  early = Date.now()
  await sleep(5)
  await put(stored(pod('\u001b[2Jr', 'a')))
  await put(stored(pod('s', 'elsewhere')))
  await sleep(5)
  late = Date.now()
  await sleep(5)
  await count(
    'core.nodes',
    pair.filter(({ kind }) => kind === 'Node'),
  )
  answer = clusterThen({ nc: nats.nc, jsm, cluster: 'demo', recorder, pageBytes: 700 })
  const service = await nats.nc.services.add({ name: 'ask', version: '1.0.0' })
  for (const [what, reply] of [
    ['at', answer],
    ['journal', async () => ({ actors: [{ actor: 'cluster/demo', n: 3, value: 'a', since: 1 }] })],
  ] as const)
    service.addEndpoint(what, {
      subject: `qm.demo.ask.${what}`,
      handler: (_, message) =>
        void reply(message.json()).then(
          (found) => message.respond(JSON.stringify(found)),
          (error: Error) => message.respondError(400, error.message),
        ),
    })
})
afterAll(async () => {
  end.abort()
  await ended
  await nats.cleanup()
  rmSync(folder, { recursive: true })
})

const command = async (...args: readonly string[]) => {
  const env = { ...process.env, NATS_URL: nats.url, QUARTERMASTER_CLUSTER: 'demo', NO_COLOR: '1' }
  try {
    const { stdout, stderr } = await run(process.execPath, ['src/main.ts', ...args], { env })
    return { code: 0, out: stdout, err: stderr }
  } catch (error) {
    const { code, stdout, stderr } = error as { code: unknown; stdout: string; stderr: string }
    return { code, out: stdout, err: stderr }
  }
}

test('ask.at: kinds, nodes and objects of a time, in pages', async () => {
  const { until, kinds } = (await answer({ at: early })) as KindsPage
  expect(until).toBe(early)
  expect(kinds.map(({ kind, count: its, agrees }) => [kind, its, agrees])).toEqual([
    ['nodepools.karpenter.sh', 0, true],
    ['nodes', 2, true],
    ['pods', 2, true],
    ['replicasets.apps', 1, false],
  ])
  const { nodes } = (await answer({ at: late, nodes: true })) as NodesPage
  expect(nodes.map(({ name, state, pods }) => [name, state, pods])).toEqual([
    ['a', 'Ready', 2],
    ['b', 'Ready', 1],
    ['elsewhere', 'Missing', 1],
  ])
  const found: unknown[] = []
  let pages = 0
  for (let after: string | undefined; ; ) {
    const { items, next } = (await answer({ at: early, objects: true, ...(after !== undefined && { after }) })) as ObjectsPage
    found.push(...items)
    pages += 1
    if (next === undefined) break
    after = next
  }
  expect(pages).toBeGreaterThan(2)
  expect(found).toEqual(pair)
  const some = async (question: object): Promise<number> =>
    ((await answer({ at: early, objects: true, ...question })) as ObjectsPage).items.length
  expect([
    await some({ namespace: 'none' }),
    await some({ kinds: ['replicasets'] }),
    await some({ kinds: ['replicasets.apps'] }),
  ]).toEqual([0, 1, 1])
  await expect(answer({ at: early, objects: true, kinds: ['cows'] })).rejects.toThrow(
    'there was no kind "cows" then; there were nodepools.karpenter.sh, nodes, pods, replicasets.apps',
  )
  await expect(answer({ at: before })).rejects.toThrow('is not kept: its history begins at ')
  await expect(answer({ at: 'now' })).rejects.toThrow('no question about the cluster as it was')
})

test('journal at: what would have been planned then is what is planned from its List', { timeout: 120_000 }, async () => {
  const iso = new Date(early).toISOString()
  const then = await command('journal', 'at', iso, '--format', 'json')
  expect(then.err).toContain('replicasets.apps: the picture may not be whole: the agent had not counted them yet')
  expect(JSON.parse(then.out)).toMatchObject({
    kind: 'List',
    actors: [{ actor: 'cluster/demo' }],
    history: { until: early },
    items: pair,
  })
  const planned = async (name: string, text: string) => {
    writeFileSync(join(folder, name), text)
    const { out } = await command('plan', '--snapshot', join(folder, name), '--format', 'json')
    return { ...(JSON.parse(out) as object), solveMillis: 0 }
  }
  const kubectl = JSON.stringify({ kind: 'List', apiVersion: 'v1', items: pair })
  const plan = await planned('then.json', then.out)
  expect(plan).toEqual(await planned('kubectl.json', kubectl))
  expect(plan).toMatchObject({ before: { nodes: 2 }, after: { nodes: 1 } })
})

test('journal at: prints actors, kinds and nodes, and of objects what a terminal may show', { timeout: 120_000 }, async () => {
  const { code, out } = await command('journal', 'at', new Date(late).toISOString())
  expect(code).toBe(0)
  expect(out).toMatch(/^ACTOR +COMMIT +SINCE +STATE\ncluster\/demo /)
  expect(out).toMatch(/^pods +4 +2026-03-01T00:00:00.000Z +streaming +whole$/m)
  expect(out).toMatch(/^a +Ready +2 +\d/m)
  expect([out.includes('nodepools'), out.includes('… and 1 more that could not be read then')]).toEqual([false, true])
  const pods = await command('journal', 'at', `${late}`, '--kind', 'pods', '--namespace', 'shop')
  expect(pods.out).toMatch(/^KIND +NAMESPACE +NAME +CREATED +PHASE +NODE\n/)
  expect([pods.out.split('\n').length - 2, pods.out.includes('\u001b')]).toEqual([4, false])
})

test('journal at: before what is kept the actors are shown, and why the cluster is not', { timeout: 120_000 }, async () => {
  const { code, out, err } = await command('journal', 'at', `${before}`)
  expect([code, out, err]).toEqual([
    0,
    expect.stringContaining('cluster/demo'),
    expect.stringMatching(/is not kept: its history begins at /),
  ])
  expect(await command('journal', 'at', `${before}`, '--kind', 'pods')).toMatchObject({ code: 2, out: '' })
  expect(JSON.parse((await command('journal', 'at', `${before}`, '--format', 'json')).out)).toMatchObject({
    missing: expect.any(String),
  })
})
