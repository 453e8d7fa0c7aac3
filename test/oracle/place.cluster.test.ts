import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { findOracle } from './binary.ts'
import { container, HOST, type KubernetesItem, pod } from './clusters/things.ts'
import { execute } from './execute.ts'
import { type Oracle, oracleAt, type PlaceAnswer, type Step } from './oracle.ts'

const BUILD_MS = 900_000
let folder = ''
let program = ''
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'quartermaster-place-'))
  program = await findOracle({ onProgress: (message) => process.stderr.write(`${message}\n`) })
}, BUILD_MS)
afterAll(() => rmSync(folder, { recursive: true }))

const node = (name: string, cpu = '4'): KubernetesItem => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name, labels: { [HOST]: name } },
  status: { allocatable: { cpu, memory: '16Gi', pods: '110' } },
})
const asking = (cpu: string, spec: object = {}) => ({
  spec: { containers: [container('main', { cpu, memory: '1Gi' })], ...spec },
})
const resident = (name: string, at: string, cpu: string, spec: object = {}) => pod('shop', name, at, asking(cpu, spec))
const move = (name: string): Step => ({ move: { namespace: 'shop', name } })
const cordon = (...names: readonly string[]): Step => ({ cordon: names })

const snapshotOf = (...items: readonly KubernetesItem[]): string => {
  const file = join(folder, 'cluster.json')
  writeFileSync(file, JSON.stringify({ apiVersion: 'v1', kind: 'List', items }))
  return file
}
const placed = async (snapshot: string, steps: readonly Step[], oracle: Oracle = oracleAt(program)): Promise<PlaceAnswer> => {
  const [answer] = await oracle.place(snapshot, [{ seed: 1, randomTies: true, steps }])
  if (!answer) throw new Error('the oracle said nothing')
  return answer
}
const landings = ({ placed: all }: PlaceAnswer): Readonly<Record<string, string>> =>
  Object.fromEntries(all.map(({ name, node: at }) => [name, at]))

const emptier = [
  node('source'),
  node('fuller'),
  node('emptier'),
  resident('there', 'fuller', '2'),
  resident('web', 'source', '1'),
]

test('place: the default scheduler scatters, one that is told to packs, and neither goes where it is cordoned', async () => {
  const snapshot = snapshotOf(...emptier)
  const steps = [cordon('source'), move('web')]
  expect(landings(await placed(snapshot, steps))).toEqual({ web: 'emptier' })
  const config = join(folder, 'packing.json')
  const strategy = { type: 'MostAllocated', resources: [{ name: 'cpu', weight: 1 }] }
  writeFileSync(
    config,
    JSON.stringify({
      apiVersion: 'kubescheduler.config.k8s.io/v1',
      kind: 'KubeSchedulerConfiguration',
      profiles: [
        {
          plugins: { score: { disabled: [{ name: 'NodeResourcesBalancedAllocation' }] } },
          pluginConfig: [{ name: 'NodeResourcesFit', args: { scoringStrategy: strategy } }],
        },
      ],
    }),
  )
  expect(landings(await placed(snapshot, steps, oracleAt(program, config)))).toEqual({ web: 'fuller' })
})

test('place: what every filter lets pass can strand a pod all the same: the small one takes the room of the large one', async () => {
  const snapshot = snapshotOf(
    node('source'),
    node('large', '4'),
    node('small', '2'),
    resident('there', 'small', '1'),
    resident('little', 'source', '1'),
    resident('big', 'source', '3500m'),
  )
  const moves = ['little', 'big'].map((name) => ({ namespace: 'shop', name, uid: '', to: name === 'big' ? 'large' : 'small' }))
  const plan = { drains: [{ node: 'source', uid: '', wave: 1, moves }] }
  const [run] = await execute(oracleAt(program), snapshot, plan, [{ seed: 1, randomTies: true }])
  expect(run?.pending.map(({ name, reason }) => [name, reason])).toEqual([
    ['big', expect.stringMatching(/^0\/3 nodes are available: .*2 Insufficient cpu/)],
  ])
  expect(run?.asPlanned).toBe(0)
})

test('place: says whom a pod that fits nowhere would drive out, and drives nobody out', async () => {
  const snapshot = snapshotOf(
    node('source'),
    node('full'),
    resident('lowly', 'full', '3', { priority: 0 }),
    resident('urgent', 'source', '2', { priority: 1000 }),
    resident('modest', 'source', '1', { priority: 0 }),
  )
  const { pending, placed: all } = await placed(snapshot, [cordon('source'), move('urgent'), move('modest')])
  expect(pending.map(({ name, preempts }) => [name, preempts])).toEqual([['urgent', ['shop/lowly']]])
  expect(all.map(({ name }) => name)).toEqual(['modest'])
})

test('place: who waits is tried again when others have moved', async () => {
  const away = {
    affinity: {
      podAntiAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: HOST, labelSelector: { matchLabels: { app: 'rival' } } }],
      },
    },
  }
  const rival = pod('shop', 'rival', 'middle', { labels: { app: 'rival' }, ...asking('1', { nodeSelector: { [HOST]: 'far' } }) })
  const snapshot = snapshotOf(node('source'), node('middle'), node('far', '1'), rival, resident('web', 'source', '2', away))
  const before = await placed(snapshot, [cordon('source'), move('web')])
  expect(before.pending.map(({ name }) => name)).toEqual(['web'])
  const after = await placed(snapshot, [cordon('source'), move('web'), move('rival')])
  expect(landings(after)).toEqual({ web: 'middle', rival: 'far' })
})

test('place: where a Filter lets it a pod goes to the node that it is told to, and else nowhere', async () => {
  const snapshot = snapshotOf(...emptier, resident('big', 'source', '3'))
  const to = (name: string): Step => ({ ...move(name), to: 'fuller' })
  const answer = await placed(snapshot, [cordon('source'), to('big'), to('web')])
  expect(answer.refused.map(({ name, reason }) => [name, reason])).toEqual([['big', 'Insufficient cpu']])
  expect(answer.pending).toEqual([])
  expect(landings(answer)).toEqual({ web: 'fuller' })
})

test('place: a seed gives the same landings again, and another one other landings among equals', async () => {
  const equal = Array.from({ length: 12 }, (_, index) => node(`equal-${index}`))
  const snapshot = snapshotOf(node('source'), ...equal, resident('web', 'source', '1'))
  const steps = [cordon('source'), move('web')]
  const seeds = [1, 2, 3, 4, 5, 6]
  const run = async (randomTies: boolean) =>
    (
      await oracleAt(program).place(
        snapshot,
        seeds.map((seed) => ({ seed, randomTies, steps })),
      )
    ).map((answer) => landings(answer)['web'])
  const [first, again] = [await run(true), await run(true)]
  expect(again).toEqual(first)
  expect(new Set(first).size).toBeGreaterThan(1)
  expect(await run(false)).toEqual(await run(false))
})

test('place: a pod that is not there, and a node that is not there, are said with the step', async () => {
  const snapshot = snapshotOf(...emptier)
  await expect(placed(snapshot, [move('nobody')])).rejects.toThrow('steps[0]: there is no pod shop/nobody on a node')
  await expect(placed(snapshot, [cordon('nowhere')])).rejects.toThrow('steps[0]: there is no node nowhere')
})
