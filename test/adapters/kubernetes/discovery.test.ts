import { expect, test } from 'vitest'
import { kubernetesDiscovery } from '../../../src/adapters/kubernetes/discovery.ts'
import { catalogue } from '../../../src/events/kinds.ts'
import type { Finding } from '../../../src/ports.ts'
import { type Answer, json, scriptedApi, status } from './scripted-api.ts'

const kinds = catalogue({ configMapNamespaces: ['kube-system'] }).filter(({ name }) =>
  [
    'nodes',
    'deployments.apps',
    'horizontalpodautoscalers.autoscaling',
    'nodepools.karpenter.sh',
    'rollouts.argoproj.io',
    'pods.metrics.k8s.io',
    'namespaces/kube-system/configmaps',
  ].includes(name),
)

// As kube-apiserver 1.37.2 writes it, cut to what is of use here.
const everything = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch']
const resource = (name: string, kind: string, verbs = everything) => ({
  resource: name,
  responseKind: { group: '', version: '', kind },
  scope: 'Namespaced',
  singularResource: kind.toLowerCase(),
  verbs,
})
const group = (name: string, ...versions: readonly object[]) => ({
  metadata: { ...(name !== '' && { name }), creationTimestamp: null },
  versions,
})
const version = (name: string, resources: readonly object[] | null, freshness = 'Current') => ({
  version: name,
  resources,
  freshness,
})
const discoveryList = (...items: readonly object[]) => ({
  kind: 'APIGroupDiscoveryList',
  apiVersion: 'apidiscovery.k8s.io/v2',
  metadata: {},
  items,
})
const core = discoveryList(
  group(
    '',
    version(
      'v1',
      ['Pod', 'Node', 'ConfigMap'].map((kind) => resource(`${kind.toLowerCase()}s`, kind)),
    ),
  ),
)
const apps = group('apps', version('v1', [resource('deployments', 'Deployment')]))

const aggregated =
  (apis: object, isAllowed: (attributes: Record<string, string>) => boolean = () => true): Answer =>
  (request, response) => {
    if (request.at.pathname === '/api') return json(response, 200, core)
    if (request.at.pathname === '/apis') return json(response, 200, apis)
    const { spec } = JSON.parse(request.body) as { spec: { resourceAttributes: Record<string, string> } }
    return json(response, 201, { status: { allowed: isAllowed(spec.resourceAttributes) } })
  }
const told = (findings: readonly Finding[]): Readonly<Record<string, string>> =>
  Object.fromEntries(findings.map((found) => [found.kind.name, found.is === 'served' ? found.version : found.is]))
const found = async (answer: Answer): Promise<{ findings: readonly Finding[]; asked: readonly string[] }> => {
  await using api = await scriptedApi(answer)
  return { findings: await kubernetesDiscovery(api.client).discover(kinds), asked: api.asked }
}

test('discovery: two requests say what is served, and each kind is read at the best version of it', async () => {
  const karpenter = group('karpenter.sh', version('v1', []), version('v1beta1', [resource('nodepools', 'NodePool')]))
  const autoscaling = group(
    'autoscaling',
    version('v2', [resource('horizontalpodautoscalers', 'HorizontalPodAutoscaler')]),
    version('v1', [resource('horizontalpodautoscalers', 'HorizontalPodAutoscaler')]),
  )
  const { findings, asked } = await found(aggregated(discoveryList(apps, karpenter, autoscaling)))
  expect(told(findings)).toEqual({
    nodes: 'v1',
    'deployments.apps': 'v1',
    'horizontalpodautoscalers.autoscaling': 'v2',
    'nodepools.karpenter.sh': 'v1beta1',
    'rollouts.argoproj.io': 'absent',
    'pods.metrics.k8s.io': 'absent',
    'namespaces/kube-system/configmaps': 'v1',
  })
  expect(asked.filter((line) => line.startsWith('GET')).toSorted()).toEqual(['GET /api', 'GET /apis'])
  expect(asked.filter((line) => line.startsWith('POST'))).toHaveLength(10)
})

test('discovery: a kind that needs a power we lack is forbidden, with the verb; in one namespace only there', async () => {
  const isAllowed = ({ resource: name, verb, namespace }: Record<string, string>) =>
    name === 'nodes' ? verb === 'list' : name !== 'configmaps' || namespace === 'kube-system'
  const { findings } = await found(aggregated(discoveryList(apps), isAllowed))
  expect(findings.find(({ kind }) => kind.name === 'nodes')).toMatchObject({
    is: 'forbidden',
    reason: 'no power to watch nodes',
  })
  expect(told(findings)).toMatchObject({ 'deployments.apps': 'v1', 'namespaces/kube-system/configmaps': 'v1' })
})

test('discovery: a group whose server is away is unknown, and not gone', async () => {
  const metrics = group('metrics.k8s.io', version('v1beta1', [], 'Stale'))
  const { findings } = await found(aggregated(discoveryList(apps, metrics)))
  expect(findings.find(({ kind }) => kind.name === 'pods.metrics.k8s.io')).toMatchObject({
    is: 'unknown',
    reason: 'the API can not say at present what metrics.k8s.io/v1beta1 serves',
  })
})

test('discovery: a kind at versions that came after us is named with them', async () => {
  const argo = group('argoproj.io', version('v2', [resource('rollouts', 'Rollout')]))
  const { findings } = await found(aggregated(discoveryList(argo)))
  expect(findings.find(({ kind }) => kind.name === 'rollouts.argoproj.io')).toMatchObject({
    is: 'unreadable',
    reason: 'the API serves rollouts.argoproj.io as v2, this release reads v1alpha1',
  })
})

test('discovery: what can be listed but not watched is read only if it is polled', async () => {
  const metrics = group('metrics.k8s.io', version('v1beta1', [resource('pods', 'PodMetrics', ['get', 'list'])]))
  const argo = group('argoproj.io', version('v1alpha1', [resource('rollouts', 'Rollout', ['get', 'list'])]))
  const { findings } = await found(aggregated(discoveryList(metrics, argo)))
  expect(told(findings)).toMatchObject({ 'pods.metrics.k8s.io': 'v1beta1', 'rollouts.argoproj.io': 'absent' })
})

const resourceList = (...resources: readonly string[]) => ({
  kind: 'APIResourceList',
  resources: resources.map((name) => ({ name, namespaced: true, verbs: everything })),
})
const separate: Answer = (request, response) => {
  const groups = ['apps', 'metrics.k8s.io', 'autoscaling', 'unrelated.example'].map((name) => ({
    name,
    versions: [{ groupVersion: `${name}/v1`, version: 'v1' }],
  }))
  const answers: Readonly<Record<string, readonly [number, unknown]>> = {
    '/api': [200, { kind: 'APIVersions', versions: ['v1'] }],
    '/apis': [200, { kind: 'APIGroupList', apiVersion: 'v1', groups }],
    '/api/v1': [200, resourceList('pods', 'nodes', 'nodes/status', 'configmaps')],
    '/apis/apps/v1': [200, resourceList('deployments', 'deployments/scale')],
    '/apis/autoscaling/v1': [200, resourceList('horizontalpodautoscalers')],
    '/apis/metrics.k8s.io/v1': [503, status(503, 'service unavailable')],
  }
  const answer = answers[request.at.pathname]
  if (answer) json(response, answer[0], answer[1])
  else json(response, 201, { status: { allowed: true } })
}

test('discovery: without the aggregated form each of our groups is asked, and one that fails says nothing of the others', async () => {
  const { findings, asked } = await found(separate)
  expect(told(findings)).toEqual({
    nodes: 'v1',
    'deployments.apps': 'v1',
    'horizontalpodautoscalers.autoscaling': 'v1',
    'nodepools.karpenter.sh': 'absent',
    'rollouts.argoproj.io': 'absent',
    'pods.metrics.k8s.io': 'unknown',
    'namespaces/kube-system/configmaps': 'v1',
  })
  expect(asked.some((line) => line.includes('unrelated.example'))).toBe(false)
})

test('discovery: an answer that makes no sense is no answer', async () => {
  await expect(found((_, response) => json(response, 200, { kind: 'APIGroupDiscoveryList', items: 'none' }))).rejects.toThrow(
    /GET \/apis: the answer is no list of groups/,
  )
})
