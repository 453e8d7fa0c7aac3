import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { runPlan } from '../../src/commands/plan.ts'
import { readPrices } from '../../src/commands/prices.ts'
import { UserError } from '../../src/commands/session.ts'
import { Plan } from '../../src/events/plan.ts'
import { NOW, node, pod, web } from '../actors/evictor/cluster.ts'

const folder = mkdtempSync(join(tmpdir(), 'quartermaster-plan-'))
afterAll(() => rmSync(folder, { recursive: true }))

let count = 0
const file = (text: string): string => {
  const path = join(folder, `${++count}.json`)
  writeFileSync(path, text)
  return path
}
const list = (...items: readonly unknown[]): string => file(JSON.stringify({ apiVersion: 'v1', kind: 'List', items }))
const run = (snapshot: string, options: object = {}) => {
  const [out, err]: [string[], string[]] = [[], []]
  const written = (to: string[]) => ({ write: (text: string) => to.push(text) })
  const plan = (): number => {
    try {
      const prices = readPrices(options, 'plan')
      return runPlan({ snapshot, format: 'json', ...options }, { out: written(out), err: written(err), now: () => NOW, prices })
    } catch (error) {
      expect(error).toBeInstanceOf(UserError)
      err.push((error as Error).message)
      return 2
    }
  }
  return { code: plan(), out: out.join(''), err: err.join('') }
}
const pair = [pod('p', 'a'), web(), node('b'), pod('q', 'b'), node('a')]

test('plan: prints the plan as JSON and exits with 1 when there is something to save', () => {
  const { code, out, err } = run(list(...pair))
  expect(code).toBe(1)
  expect(err).toBe('none in the list, and taken as none in the cluster: PodDisruptionBudgets\n')
  expect(Plan.parse(JSON.parse(out)).drains.map(({ moves }) => moves.length)).toEqual([1])
})

test('plan: exits with 0 when there is nothing to save, and honours the limit of evictions', () => {
  expect(run(list(node('a'), pod('p', 'a'))).code).toBe(0)
  expect(run(list(...pair), { maxEvictions: '0' }).code).toBe(0)
})

test('plan: skips kinds it plans nothing from, and counts them', () => {
  expect(run(list(...pair, { kind: 'Secret' }, { kind: 'Secret' })).err).toContain('2 Secret')
})

test('plan: says what a dump could not read, and how the plan is weaker for it', () => {
  const dump = file(JSON.stringify({ kind: 'List', items: pair, unread: ['poddisruptionbudgets.policy', 'x\u001b[31m'] }))
  const { code, err } = run(dump)
  expect(code).toBe(1)
  expect(err).toContain('made without poddisruptionbudgets.policy: budgets are not known, so evictions that a plan counts on')
  expect(err).not.toContain('\u001b')
})

test('plan: another kind of the same name is skipped too', () => {
  const { code, err } = run(list(...pair, { kind: 'Service', apiVersion: 'serving.knative.dev/v1', metadata: { name: 's' } }))
  expect([code, err]).toEqual([1, expect.stringContaining('1 Service')])
})

test.each(['1e3Ki', '0.1m', '-1', '1.5.2', '9Zi', '1e999'])(
  'plan: refuses a snapshot with the quantity %s, and names the pod',
  (cpu) => {
    const { code, err } = run(list(...pair, pod('r', 'b', { requests: { cpu } })))
    expect(code).toBe(2)
    expect(err).toContain('items[5] (Pod shop/r): ')
  },
)

test('plan: an object that is in the list twice is left out if both are one, and an error if they differ', () => {
  const at = (resourceVersion: string) => ({ ...node('b'), metadata: { ...node('b').metadata, resourceVersion } })
  const others = pair.filter(({ metadata }) => metadata.name !== 'b')
  const same = run(list(...others, at('7'), at('7')))
  expect([same.code, same.err]).toEqual([1, expect.stringContaining('twice: items[5] (Node b)')])
  expect(run(list(...others, at('7'), at('8')))).toMatchObject({ code: 2, err: expect.stringContaining('items[5] (Node b)') })
})

test('plan: a node without allocatable is named, takes no pods, and keeps its own', () => {
  const bare = { ...node('a'), status: {} }
  const { code, out, err } = run(list(bare, node('b'), web(), pod('p', 'a'), pod('q', 'b')))
  expect(err).toContain('no allocatable: node a')
  expect(code).toBe(0)
  const kept = Plan.parse(JSON.parse(out)).kept.map(({ node: name, reasons: [reason] }) => [name, reason?.code])
  expect(kept).toEqual([
    ['a', 'NoAllocatable'],
    ['b', 'NoRoom'],
  ])
})

test('plan: says in text what is saved, where, and why the others stay', () => {
  const { out } = run(list(...pair), { format: 'text' })
  expect(out).toContain('Planned  1 nodes, $0.50/h, $0.50/h less (50 %), 1 evictions')
  expect(out).toContain('MinNodes')
})

test('plan: lets no control character of a name reach the terminal', () => {
  expect(run(list(...pair, node('\u001b[31mc')), { format: 'text' }).out).not.toContain('\u001b')
})

test.each([
  ['{"kind": "List",\n "items": [ x ]}', 'line 2, column 13'],
  ['{"kind": "List",\n "items": [', 'line 2, column 12'],
  ['{"kind": "List", "items": ["a\nb"]}', 'line 1, column 30'],
  ['[]', 'it is no List of objects'],
  [
    JSON.stringify({ kind: 'List', items: [{ kind: 'Node', metadata: { name: 'a', labels: { x: 1 } } }] }),
    'items[0] (Node a): metadata.labels.x: ',
  ],
  [
    JSON.stringify({ kind: 'List', items: [{ metadata: {} }] }),
    'items[0] (an object without kind without name): kind: it is missing',
  ],
  [
    JSON.stringify({ kind: 'List', items: [pod('p', 'a', { requests: { cpu: 'x' } })] }),
    '(Pod shop/p): "x" is not a resource quantity',
  ],
  [JSON.stringify({ kind: 'List', items: [] }), 'there is no node in it'],
])('plan: refuses a snapshot that is %s, and says where', (text, where) => {
  const snapshot = file(text)
  const { code, out, err } = run(snapshot)
  expect(code).toBe(2)
  expect(out).toBe('')
  expect(err).toContain(`${snapshot}: `)
  expect(err).toContain(where)
})

test.each([
  [{ prices: file('{"nodes":{"a":-1}}') }, 'nodes.a'],
  [{ policy: file('{"agressive":true}') }, 'agressive'],
  [{ policy: '/nowhere' }, "/nowhere can't be read"],
  [{ format: 'yaml' }, '--format is text or json, not "yaml"'],
  [{ deadline: 'soon' }, '--deadline is a number, not "soon"'],
])('plan: refuses the options %j', (options, what) => {
  const { code, err } = run(list(...pair), options)
  expect([code, err]).toEqual([2, expect.stringContaining(what)])
})

test('plan: says of how many nodes the price is from a list, their own or guessed, and takes the discount off', () => {
  const typed = (name: string) => ({
    ...node(name),
    metadata: { ...node(name).metadata, annotations: {}, labels: { 'node.kubernetes.io/instance-type': 'm5.large' } },
  })
  const bare = (name: string) => ({ ...node(name), metadata: { ...node(name).metadata, annotations: {} } })
  const snapshot = list(typed('a'), bare('b'), node('c'), web(), pod('p', 'a'), pod('q', 'b'))
  const prices = file('{"region":"us-east-1","currency":"USD","onDemand":{"m5.large":0.1}}')
  const costs = (options: object) => Plan.parse(JSON.parse(run(snapshot, { prices, ...options }).out))
  expect(costs({}).prices).toEqual({ currency: 'USD', list: 1, custom: 1, guessed: 1 })
  const guessed = 4 * 0.035 + 8 * 0.0045
  expect(costs({}).before.hourlyCost).toBeCloseTo(0.1 + guessed + 0.5)
  expect(costs({ discount: '10' }).before.hourlyCost).toBeCloseTo(0.9 * (0.1 + guessed) + 0.5)
  const fallback = file('{"fallback":{"core":1,"gib":0,"gpu":0},"nodes":{"a":2}}')
  expect(costs({ prices: fallback }).before.hourlyCost).toBeCloseTo(2 + 4 + 0.5)
  expect(run(snapshot, { prices, format: 'text' }).out).toContain('33 % of the nodes by list, 33 % of the nodes custom')
  expect(run(snapshot, { prices, discount: 'much' }).err).toContain('--discount is a percentage')
})

const TYPE = 'node.kubernetes.io/instance-type'
const large = (name: string) =>
  node(name, {
    allocatable: { cpu: '8', memory: '32Gi', pods: '20' },
    metadata: {
      labels: { 'kubernetes.io/hostname': name, [TYPE]: 'large' },
      annotations: { 'quartermaster.dev/hourly-price': '0.8' },
    },
  })
const replaceable = [
  web(12),
  ...['a', 'b', 'c', 'd'].flatMap((name) => [large(name), ...[1, 2, 3].map((n) => pod(`${name}${n}`, name))]),
]
const catalogue = (type: object) => file(JSON.stringify({ types: [{ instanceType: 'small', hourly: 0.45, ...type }] }))
const small = { allocatable: { cpu: '6', memory: '16Gi' }, zones: ['x'] }

test('plan: the text says what is launched, by what each node is replaced, and what the bound covers', () => {
  const policy = file('{"replacement":{}}')
  const { out } = run(list(...replaceable), { format: 'text', policy, catalogue: catalogue(small) })
  expect(out).toContain('Planned  2 nodes, $0.90/h, $2.30/h less (72 %), 12 evictions\n')
  expect(out).toContain('Launch   2 × on-demand small in x, $0.45/h each\n')
  expect(out).toContain('no plan costs less, launching up to 10 nodes of each of 2 kinds (large, small) included\n')
  expect(out).toMatch(/\n {2}a +1 +3 {2}replaced by new\/small\/x\/[12]/)
})

test('plan: a catalogue that nobody wants, or that makes no sense, is an error', () => {
  const policy = file('{"replacement":{}}')
  const errorOf = (options: object) => run(list(...replaceable), options)
  expect(errorOf({ catalogue: catalogue(small) })).toMatchObject({ code: 2, err: expect.stringContaining('"replacement": {}') })
  const wrong = { policy, catalogue: catalogue({ allocatable: { cpu: '6 cores', memory: '1Gi' } }) }
  expect(errorOf(wrong)).toMatchObject({ code: 2, err: expect.stringContaining('"6 cores" is not a resource quantity') })
  expect(errorOf({ policy, catalogue: catalogue({}) })).toMatchObject({
    code: 2,
    err: expect.stringContaining('types.0: it needs allocatable or capacity'),
  })
  const committed = file('{"commitments":{"spend":[{"hourly":0.1,"discount":0.2}]}}')
  const { code, err, out } = errorOf({ policy, prices: committed })
  expect([code, err]).toEqual([1, expect.stringContaining('nothing is launched: what is committed')])
  expect(Plan.parse(JSON.parse(out)).launch).toEqual([])
})
