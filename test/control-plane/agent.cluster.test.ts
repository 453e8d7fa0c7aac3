import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { NatsConnection } from 'nats'
import { expect, test } from 'vitest'
import { subjects } from '../../src/events/subjects.ts'
import { until } from '../kubernetes-client.ts'
import { natsForTest } from '../nats.ts'
import { controlPlaneForTest } from './for-test.ts'
import { addNodes, addPods, podsRunning } from './objects.ts'
import { changes } from './observed/changes.ts'
import { compared, untilEqual } from './observed/comparison.ts'
import { addEveryKind } from './observed/every-kind.ts'
import { heldOf, resent } from './observed/held.ts'
import { observers } from './observed/observers.ts'

/** QM_TEST_AGENT=full takes about an hour of two busy cores. */
const isFull = process.env['QM_TEST_AGENT'] === 'full'
const [NODES, PODS, CHANGES] = isFull ? [1_000, 10_000, 10_000] : [100, 1_000, 1_000]
/** While something is away. */
const FEW = CHANGES / 10
const LONGEST_MS = isFull ? 600_000 : 150_000
/** What changes objects by itself. */
const MOVERS = ['kube-controller-manager', 'kube-scheduler', 'kwok'] as const
const SEED = Number(process.env['QM_TEST_SEED'] ?? 1)

const run = promisify(execFile)
const seconds = (ms: number): string => (ms / 1_000).toFixed(1)
const said = (text: string): void => void process.stderr.write(`  ${text}\n`)

test('agent: whatever happens to it, the API, its store or NATS, what NATS holds becomes equal to what the API has', {
  timeout: isFull ? 7_200_000 : 900_000,
}, async () => {
  await using plane = await controlPlaneForTest()
  await using nats = await natsForTest()
  const { nc, cluster } = nats
  const nodes = await addNodes(plane.api, NODES)
  const pods = await addPods(plane.api, PODS, nodes)
  const kinds = await addEveryKind(plane.api)
  await podsRunning(plane.api, PODS)
  const { make } = changes(plane.api, SEED, nodes, pods)
  await using site = await observers(plane, nats, cluster)

  const all = [`qm.${cluster}.obj.>`, `qm.${cluster}.meta.>`] as const
  /** What was done, then equal; and nothing was sent again that had not changed. */
  const equalAfter = async (what: string, work: () => Promise<unknown>): Promise<void> => {
    const before = await heldOf(nc, ...all).catch(() => new Map())
    const from = performance.now()
    await work()
    const workMs = performance.now() - from
    // Two lists of a world that goes on are never of the same moment.
    for (const program of MOVERS) plane.freeze(program)
    const { ms, counts } = await untilEqual(what, () => compared(plane.api, nc, cluster), { longestMs: LONGEST_MS })
    const after = await heldOf(nc, ...all)
    for (const program of MOVERS) plane.thaw(program)
    const objects = Object.values(counts).reduce((sum, count) => sum + count, 0)
    said(
      `${what}, ${seconds(workMs)} s: ${objects} objects of ${Object.keys(counts).length} kinds are equal after ${seconds(ms)} s`,
    )
    expect(resent(before, after), `${what}: sent again`).toEqual([])
  }

  const first = await site.startHosting()
  await equalAfter('the start', async () => {})
  const { counts } = await compared(plane.api, nc, cluster)
  expect(counts).toMatchObject({ nodes: NODES, events: 1 })
  expect(Object.keys(counts).length).toBeGreaterThanOrEqual(kinds)

  await equalAfter('random changes', async () => expect(await make(CHANGES)).toBeGreaterThan(CHANGES / 2))

  await equalAfter('a namespace gone and made again, with what was in it', async () => {
    const space = '/api/v1/namespaces/every-kind'
    await plane.api.delete(space)
    await until('it is gone', async () => (await plane.api.get(space)).status === 404)
    await addEveryKind(plane.api)
  })

  await equalAfter('a restart of the API server, amid changes', async () => {
    await make(FEW)
    await plane.restart('kube-apiserver')
    await make(FEW)
  })

  const listsBefore = await first.total('quartermaster_agent_lists_total')
  await equalAfter('changes that nobody saw and etcd forgot (410)', async () => {
    site.way.cut()
    await make(FEW)
    await plane.compact()
    await plane.restart('kube-apiserver')
    site.way.mend()
  })
  expect(await first.total('quartermaster_agent_lists_total'), '410 makes it list').toBeGreaterThan(listsBefore)

  await equalAfter('two crashes of NATS, amid changes', async () => {
    for (const _ of [1, 2]) await Promise.all([make(FEW), nats.crash()])
  })

  const second = await site.start()
  await equalAfter('a second process by mistake', async () => {
    await until('it is one of two', async () => (await processesIn(nc)) === 2)
    await make(FEW)
  })
  expect([second.hosts(), second.child.exitCode], second.output()).toEqual([false, null])

  await equalAfter('a hand-over', async () => {
    await first.end('SIGKILL')
    await until('the second hosts', async () => second.hosts())
    await make(FEW)
  })

  for (const program of MOVERS) plane.freeze(program)
  const perLine = '{range .items[*]}{.metadata.uid}/{.metadata.resourceVersion}{"\\n"}{end}'
  const args = ['--kubeconfig', plane.kubeconfig('admin'), 'get', 'pods', '--all-namespaces', '--output', `jsonpath=${perLine}`]
  const { stdout } = await run(plane.kubectl, args, { maxBuffer: 2 ** 26 })
  expect((await versionsHeld(nc, subjects(cluster).objects(corePods))).toSorted()).toEqual(stdout.trim().split('\n').toSorted())
})

const processesIn = async (nc: NatsConnection): Promise<number> => {
  const keys: string[] = []
  for await (const key of await (await nc.jetstream().views.kv('processes')).keys()) keys.push(key)
  return keys.length
}

const corePods = { group: '', resource: 'pods' }
const versionsHeld = async (nc: NatsConnection, filter: string): Promise<readonly string[]> =>
  [...(await heldOf(nc, filter)).values()].flatMap(({ value }) =>
    value === undefined ? [] : [`${value.metadata.uid}/${value.metadata.resourceVersion}`],
  )
