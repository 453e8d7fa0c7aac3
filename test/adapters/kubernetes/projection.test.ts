import fc from 'fast-check'
import { expect, test } from 'vitest'
import { projected } from '../../../src/adapters/kubernetes/projection.ts'
import { redacted } from '../../../src/adapters/kubernetes/redaction.ts'
import { draft } from '../../../src/adapters/kubernetes/text/draft.ts'
import { recordAt } from '../../../src/adapters/kubernetes/text/record.ts'
import { catalogue, type Kind, nodes, plannedKinds, pods } from '../../../src/events/kinds.ts'
import type { KubernetesObject } from '../../../src/events/kubernetes.ts'
import { plantedEverywhere, secrets } from './planted.ts'

const metadata = { name: 'web-1', namespace: 'shop', uid: 'u1', resourceVersion: '7' }
const metadataOf = ({ namespaced }: Kind) => {
  const { namespace: _, ...global } = metadata
  return namespaced ? metadata : global
}
const kindNamed = (name: string): Kind => catalogue().find((kind) => kind.name === name) ?? nodes

const name = fc.stringMatching(/^[a-z]([a-z0-9-]{0,10}[a-z0-9])?$/)
const few = <T>(one: fc.Arbitrary<T>): fc.Arbitrary<T[]> => fc.array(one, { maxLength: 3 })
const labels = fc.dictionary(name, name, { maxKeys: 3 })
const quantities = fc.dictionary(fc.constantFrom('cpu', 'memory', 'nvidia.com/gpu'), fc.constantFrom('100m', '1.5', '2Gi', 3))
const requirement = fc.record({ key: name, operator: fc.constantFrom('In', 'NotIn', 'Exists'), values: few(name) })
const selector = fc.record({ matchLabels: labels, matchExpressions: few(requirement) }, { requiredKeys: [] })
const container = fc.record(
  {
    name,
    image: name,
    env: few(fc.record({ name, value: name })),
    resources: fc.record({ requests: quantities, limits: quantities }, { requiredKeys: [] }),
    restartPolicy: fc.constant('Always'),
    ports: few(fc.record({ containerPort: fc.nat(), hostPort: fc.nat(), protocol: fc.constantFrom('TCP', 'UDP') })),
  },
  { requiredKeys: ['name'] },
)
const terms = fc.record({
  requiredDuringSchedulingIgnoredDuringExecution: few(
    fc.record({ topologyKey: name, labelSelector: selector, namespaces: few(name) }),
  ),
})
const podSpec = fc.record(
  {
    nodeName: name,
    nodeSelector: labels,
    priority: fc.integer(),
    terminationGracePeriodSeconds: fc.nat(),
    schedulingGates: few(fc.record({ name })),
    resourceClaims: few(fc.record({ name, resourceClaimName: name })),
    overhead: quantities,
    containers: few(container),
    initContainers: few(container),
    tolerations: few(
      fc.record({ key: name, operator: fc.constant('Exists'), effect: fc.constant('NoExecute'), tolerationSeconds: fc.nat() }),
    ),
    affinity: fc.record(
      {
        nodeAffinity: fc.record({
          requiredDuringSchedulingIgnoredDuringExecution: fc.record({
            nodeSelectorTerms: few(fc.record({ matchExpressions: few(requirement), matchFields: few(requirement) })),
          }),
        }),
        podAffinity: terms,
        podAntiAffinity: terms,
      },
      { requiredKeys: [] },
    ),
    topologySpreadConstraints: few(
      fc.record({
        maxSkew: fc.nat(),
        topologyKey: name,
        whenUnsatisfiable: fc.constant('DoNotSchedule'),
        labelSelector: selector,
        minDomains: fc.nat(),
      }),
    ),
    volumes: few(
      fc.oneof(
        fc.record({ name, emptyDir: fc.record({ medium: fc.constant('Memory') }) }),
        fc.record({ name, hostPath: fc.record({ path: fc.constant('/var/log') }) }),
        fc.record({ name, persistentVolumeClaim: fc.record({ claimName: name }) }),
        fc.record({ name, secret: fc.record({ secretName: name }) }),
        fc.record({ name, csi: fc.record({ driver: name }) }),
      ),
    ),
  },
  { requiredKeys: ['containers'] },
)
const pod = fc.record({
  metadata: fc
    .record({ labels })
    .map((more) => ({ ...metadata, ...more, annotations: { 'karpenter.sh/do-not-disrupt': 'true', a: 'b' } })),
  spec: podSpec,
  status: fc.record({ phase: fc.constant('Running'), startTime: fc.constant('2026-01-01T00:00:00Z') }, { requiredKeys: [] }),
})

const slimAndBare = (raw: object): unknown => {
  const slim = pods.schema.parse({ ...raw, kind: 'Pod' })
  return { ...slim, metadata: { ...slim.metadata, annotations: { 'karpenter.sh/do-not-disrupt': 'true' } } }
}

test('projection: a pod keeps all that its slim shape names, whether it comes from the API or from a dump', () => {
  fc.assert(
    fc.property(pod, (raw) => {
      const fromApi = projected(pods, raw)
      expect(fromApi).toEqual({ object: slimAndBare(raw) })
      const full = projected({ ...pods, record: 'full', schema: kindNamed('jobs.batch').schema }, raw)
      expect('object' in full && projected(pods, full.object)).toEqual(fromApi)
    }),
  )
})

const isPlaced = ({ uid, resourceVersion, name: its, namespace }: KubernetesObject['metadata']): boolean =>
  [uid, resourceVersion, its, namespace].every((text) => text !== undefined && text !== '')
/** The same by the definition: parsed by the schema, then redacted. */
const slowly = (kind: Kind, raw: object): unknown => {
  const { success, data } = kind.schema.safeParse({ ...raw, kind: kind.kind })
  const isWhole = success && isPlaced(data.metadata)
  return isWhole ? { object: redacted(kind, data) } : expect.objectContaining({ malformed: expect.any(String) })
}
/** Puts something else somewhere; the numbers choose where. */
const spoilt = (value: unknown, turns: readonly number[], junk: unknown): unknown => {
  const [turn = 0, ...rest] = turns
  if (typeof value !== 'object' || value === null || Object.keys(value).length === 0 || turns.length === 0) return junk
  const keys = Object.keys(value)
  const key = keys[turn % keys.length] ?? ''
  if (Array.isArray(value)) return value.map((item, index) => (String(index) === key ? spoilt(item, rest, junk) : item))
  return { ...value, [key]: spoilt((value as Record<string, unknown>)[key], rest, junk) }
}
const junk = fc.constantFrom<unknown>(
  null,
  undefined,
  7,
  true,
  '',
  'x',
  'ghp_0123456789abcdefghij',
  [],
  {},
  [null],
  { x: null },
  '1 000',
  JSON.parse('{"__proto__":"x"}'),
)

test('projection: the short way comes to what schema and redaction come to, also where an object makes no sense', () => {
  const tally = { whole: 0, malformed: 0 }
  fc.assert(
    fc.property(pod, fc.array(fc.nat(20), { minLength: 1, maxLength: 8 }), junk, (good, turns, other) => {
      const raw = spoilt(good, turns, other) as object
      const result = projected(pods, raw)
      tally['malformed' in result ? 'malformed' : 'whole']++
      expect(result).toEqual(slowly(pods, raw))
    }),
    { numRuns: 500 },
  )
  expect(Math.min(...Object.values(tally))).toBeGreaterThan(50)
})

const into = draft()
const fromText = (kind: Kind, text: Buffer) => recordAt(kind, text, 0, into)
const read = (taken: ReturnType<typeof fromText>): unknown =>
  taken && { ...taken.record, text: JSON.parse(Buffer.from(taken.record.text).toString()) as unknown }
/** What `projected` makes of the same. */
const expected = (kind: Kind, text: Buffer): unknown => {
  const result = projected(kind, JSON.parse(text.toString()))
  if ('malformed' in result) return undefined
  const { namespace, name: its, uid, resourceVersion } = result.object.metadata
  return { metadata: { namespace, name: its, uid, resourceVersion }, text: result.object }
}

/** JSON as no server writes it: members twice, names with escapes; the numbers choose where. */
const oddly = (value: unknown, turns: Iterator<number>, other: unknown): string => {
  if (Array.isArray(value)) return `[${value.map((one) => oddly(one ?? null, turns, other)).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  const members = Object.entries(value).flatMap(([key, one]) => {
    const turn: number = turns.next().value ?? 0
    const member = `${named(key, turn)}:${oddly(one, turns, other)}`
    return turn === 1
      ? [`${named(key, 0)}:${JSON.stringify(other) ?? '1e400'}`, member]
      : turn === 2
        ? [member, `"more":${oddly(other, turns, 1)}`]
        : [member]
  })
  return `{${members.join(',')}}`
}
const named = (key: string, turn: number): string =>
  turn === 3 && key !== ''
    ? `"\\u${key.charCodeAt(0).toString(16).padStart(4, '0')}${JSON.stringify(key.slice(1)).slice(1)}`
    : JSON.stringify(key)

test('projection: a record that is taken from the text is that of the object, whatever else is in the text', () => {
  const tally = { taken: 0, left: 0 }
  fc.assert(
    fc.property(pod, fc.array(fc.nat(60), { maxLength: 40 }), junk, (raw, turns, other) => {
      const text = Buffer.from(oddly(raw, turns.values(), other))
      const taken = fromText(pods, text)
      tally[taken ? 'taken' : 'left']++
      if (taken) expect(taken.end).toBe(text.length)
      if (taken) expect(read(taken), text.toString()).toEqual(expected(pods, text))
    }),
    { numRuns: 1_000 },
  )
  expect(Math.min(...Object.values(tally))).toBeGreaterThan(50)
})

test('projection: what makes no sense or is redacted is not taken from the text; what a server writes is', () => {
  fc.assert(
    fc.property(pod, fc.array(fc.nat(20), { minLength: 1, maxLength: 8 }), junk, (good, turns, other) => {
      expect(fromText(pods, Buffer.from(JSON.stringify(good)))).toBeDefined()
      const text = Buffer.from(JSON.stringify(spoilt(good, turns, other)) ?? 'null')
      const taken = fromText(pods, text)
      if (taken) expect(read(taken), text.toString()).toEqual(expected(pods, text))
    }),
    { numRuns: 500 },
  )
})

test('projection: a text that is cut off or damaged is not taken, or it is still JSON', () => {
  const good = { metadata, spec: { nodeName: 'n', containers: [{ name: 'a', env: [{ name: 'X', value: '}{"' }] }] }, status: {} }
  const text = Buffer.from(JSON.stringify(good))
  expect(fromText(pods, text)).toBeDefined()
  for (let length = 0; length < text.length; length++) expect(fromText(pods, text.subarray(0, length))).toBeUndefined()
  for (let at = 0; at < text.length; at++)
    for (const byte of Buffer.from('"\\{}[],:0a\n')) {
      const broken = Buffer.from(text)
      broken[at] = byte
      const taken = fromText(pods, broken)
      if (taken) expect(read(taken), broken.toString()).toEqual(expected(pods, broken.subarray(0, taken.end)))
    }
})

test('projection: no kind of the catalogue lets a secret through', () => {
  const all = catalogue({ configMapNamespaces: ['shop'] })
  const taken = (kind: Kind, object: object): string =>
    kind.record === 'slim' ? String(fromText(kind, Buffer.from(JSON.stringify(object)))?.record.text) : ''
  fc.assert(
    fc.property(secrets, (secret) => {
      for (const { object, where, ...at } of plantedEverywhere(secret))
        for (const kind of all.filter(({ group, resource }) => group === at.group && resource === at.resource))
          expect(`${JSON.stringify(projected(kind, object))} ${taken(kind, object)}`, where).not.toContain(secret)
    }),
    { numRuns: 1 },
  )
})

test.each(plannedKinds.map((kind) => [kind.name, kind] as const))(
  'projection: what is no %s is said to be malformed',
  (_, kind) => {
    const wrong = [
      undefined,
      null,
      7,
      [],
      {},
      { metadata: 'hunter2' },
      { metadata: { ...metadataOf(kind), labels: { a: 1 } } },
      { metadata: { ...metadataOf(kind), uid: '' } },
    ]
    for (const raw of wrong) {
      const result = projected(kind, raw)
      expect(result, JSON.stringify(raw)).toMatchObject({ malformed: expect.stringContaining(`${kind.name} `) })
      expect(JSON.stringify(result)).not.toContain('hunter2')
    }
  },
)

test.each(catalogue().map((kind) => [kind.name, kind] as const))(
  'projection: keeps name, version and labels of %s',
  (_, kind) => {
    const raw = {
      metadata: { ...metadataOf(kind), labels: { app: 'web' } },
      timestamp: '2026-01-01T00:00:00Z',
      window: '15s',
      spec: {},
    }
    const result = projected(kind, raw)
    expect(result).toMatchObject({ object: { kind: kind.kind, metadata: { ...metadataOf(kind), labels: { app: 'web' } } } })
  },
)

test('projection: every kind of the catalogue has a rule of its own', async () => {
  const { allowList } = await import('../../../src/adapters/kubernetes/redaction.ts')
  const all = catalogue({ configMapNamespaces: ['shop'] }).map(({ group, resource }) =>
    group === '' ? resource : `${resource}.${group}`,
  )
  expect(all.filter((one) => allowList[one] === undefined)).toEqual([])
})

test.each<[string, object]>([
  ['another kind', { kind: 'Secret' }],
  ['no namespace where there is one', { metadata: metadataOf(nodes) }],
  ['no name', { metadata: { ...metadata, name: '' } }],
  ['a name longer than any', { metadata: { ...metadata, name: 'x'.repeat(254) } }],
  ['a name that redaction would hide', { metadata: { ...metadata, name: 'x'.repeat(2_000) } }],
])('projection: an object with %s would stand in the place of another', (_, wrong) => {
  expect(projected(pods, { metadata, ...wrong })).not.toHaveProperty('object')
  expect(projected(pods, { metadata, ...wrong })).not.toHaveProperty('at')
})
test('projection: no object of a kind without namespaces is in one, nor one of another namespace in the one that is read', () => {
  expect(projected(nodes, { metadata })).not.toHaveProperty('object')
  const configMaps =
    catalogue({ configMapNamespaces: ['kube-system'] }).find(({ resource }) => resource === 'configmaps') ?? nodes
  expect(projected(configMaps, { metadata })).not.toHaveProperty('object')
  expect(projected(configMaps, { metadata: { ...metadata, namespace: 'kube-system' } })).toHaveProperty('object')
})
test('projection: an object that makes no sense is told by its place, if that does', () => {
  expect(projected(pods, { metadata, spec: 7 })).toMatchObject({ at: { namespace: 'shop', name: 'web-1' } })
})

test('projection: of a workload everything that may be kept is kept, and its own kind reads it', () => {
  const kind = kindNamed('deployments.apps')
  const template = {
    metadata: { labels: { app: 'web' } },
    spec: {
      containers: [{ name: 'web', image: 'web:1', env: [{ name: 'TOKEN', value: 'hunter2' }], args: ['--token=hunter2'] }],
    },
  }
  const raw = {
    metadata,
    spec: { replicas: 2, selector: { matchLabels: { app: 'web' } }, strategy: { type: 'Recreate' }, template },
  }
  const { object } = projected(kind, raw) as { object: KubernetesObject }
  expect(object).toMatchObject({
    spec: { strategy: { type: 'Recreate' }, template: { spec: { containers: [{ image: 'web:1', env: [{ name: 'TOKEN' }] }] } } },
  })
  expect(JSON.stringify(object)).not.toContain('hunter2')
  expect(kind.schema.parse(object)).toEqual({
    kind: 'Deployment',
    metadata,
    spec: { replicas: 2, selector: { matchLabels: { app: 'web' } }, strategy: { type: 'Recreate' } },
    status: {},
  })
})
