import fc from 'fast-check'
import { expect, test } from 'vitest'
import { clusterFacts } from '../../../src/adapters/kubernetes/cluster-facts.ts'
import { json, scriptedApi, status } from './scripted-api.ts'

type Answers = Readonly<Record<string, unknown>>

const listOf = (...items: readonly unknown[]) => ({ metadata: { resourceVersion: '1' }, items })
const NAMESPACE = '/api/v1/namespaces?fieldSelector=metadata.name%3Dkube-system&limit=1'
const NODES = '/api/v1/nodes?limit=100'
const CNI = '/apis/apps/v1/namespaces/kube-system/daemonsets?fieldSelector=metadata.name%3Daws-node&limit=1'
const OPENSHIFT = '/apis/config.openshift.io/v1'
const node = (name: string, more: object = {}) => ({
  metadata: { name, labels: { 'kops.k8s.io/instancegroup': 'a', team: 'secret-project' }, ...more },
})

/** Answered with this code. */
const refusal = (code: number) => ({ refusal: code })
const plain: Answers = {
  '/version': { major: '1', minor: '34', gitVersion: 'v1.34.1' },
  [NAMESPACE]: listOf({ metadata: { name: 'kube-system', uid: 'u-1' } }),
  [NODES]: listOf(node('a')),
}

const reading = async (answers: Answers, ownNode?: string) => {
  await using api = await scriptedApi(({ url = '' }, response) => {
    const answer = answers[url]
    const { refusal: code } = Object(answer) as { refusal?: number }
    if (code !== undefined) json(response, code, status(code, 'not allowed'))
    else if (answer === undefined) json(response, 404, status(404, 'not found'))
    else json(response, 200, answer)
  })
  const facts = await clusterFacts(api.client, 'api.example', ownNode)()
  return { facts, asked: api.asked }
}

test('cluster facts: a plain cluster tells its id, its version and its nodes, of their labels the telling ones', async () => {
  const { facts } = await reading(plain)
  expect(facts).toEqual({
    clusterId: 'u-1',
    gitVersion: 'v1.34.1',
    host: 'api.example',
    nodes: [{ name: 'a', labels: { 'kops.k8s.io/instancegroup': 'a' }, providerID: undefined, instanceId: undefined }],
    allNodes: true,
    addonChannel: undefined,
    openshift: undefined,
    vpcCniClusterName: undefined,
    unread: [],
  })
})

test('cluster facts: a large cluster is not read whole; the own node is there all the same, once', async () => {
  const OWN = '/api/v1/nodes?fieldSelector=metadata.name%3Db&limit=1'
  const first = { metadata: { continue: 'more' }, items: [node('a'), node('b')] }
  const { facts, asked } = await reading({ ...plain, [NODES]: first, [OWN]: listOf(node('b')) }, 'b')
  expect(facts.nodes.map(({ name }) => name)).toEqual(['b', 'a'])
  expect(facts.allNodes).toBe(false)
  expect(asked.filter((path) => path.includes('/nodes'))).toHaveLength(2)
})

test('cluster facts: kOps’ channel, EKS’ name in the CNI, GKE’s number of the machine', async () => {
  const { facts } = await reading({
    ...plain,
    [NAMESPACE]: listOf({
      metadata: {
        uid: 'u-1',
        annotations: {
          'addons.k8s.io/core.addons.k8s.io':
            '{"version":"1.4.0","channel":"s3://state/test.k8s.local/addons/bootstrap-channel.yaml","manifestHash":"3ffe"}',
        },
      },
    }),
    [CNI]: listOf({
      spec: { template: { spec: { containers: [{ env: [{ name: 'CLUSTER_NAME', value: 'shop' }] }, { name: 'agent' }] } } },
    }),
    [NODES]: listOf(node('a', { annotations: { 'container.googleapis.com/instance_id': '42' } })),
  })
  expect(facts).toMatchObject({
    addonChannel: 's3://state/test.k8s.local/addons/bootstrap-channel.yaml',
    vpcCniClusterName: 'shop',
    nodes: [{ name: 'a', instanceId: '42' }],
  })
})

test('cluster facts: OpenShift is asked for its own objects only where it serves them', async () => {
  const openshift = {
    [OPENSHIFT]: { resources: [{ name: 'clusterversions' }, { name: 'infrastructures' }] },
    [`${OPENSHIFT}/clusterversions/version`]: { spec: { clusterID: 'b3c4' } },
    [`${OPENSHIFT}/infrastructures/cluster`]: {
      status: { infrastructureName: 'shop-x7k2p', platformStatus: { type: 'AWS', aws: { region: 'eu-west-1' } } },
    },
  }
  const { facts } = await reading({ ...plain, ...openshift })
  expect(facts.openshift).toEqual({ clusterId: 'b3c4', name: 'shop-x7k2p', cloud: 'AWS', region: 'eu-west-1' })
  const { facts: refused } = await reading({ ...plain, ...openshift, [`${OPENSHIFT}/clusterversions/version`]: refusal(403) })
  expect(refused.openshift).toMatchObject({ clusterId: undefined, name: 'shop-x7k2p' })
  expect(refused.unread).toEqual([expect.stringContaining('give our service account the verb')])
  expect((await reading(plain)).asked.some((path) => path.includes('clusterversions'))).toBe(false)
})

test('cluster facts: what may not be read is named, what does not answer is Unavailable', async () => {
  const { facts } = await reading({ ...plain, [NODES]: refusal(403) })
  expect(facts.nodes).toEqual([])
  expect(facts.unread).toEqual([expect.stringContaining('GET /api/v1/nodes: 403')])
  await expect(reading({ ...plain, [NAMESPACE]: refusal(500) })).rejects.toMatchObject({ name: 'Unavailable' })
})

test('cluster facts: whatever the API answers, the facts have their shape', async () => {
  const anything = fc.oneof(fc.jsonValue(), fc.record({ items: fc.jsonValue(), metadata: fc.jsonValue(), spec: fc.jsonValue() }))
  await fc.assert(
    fc.asyncProperty(anything, anything, anything, async (version, list, own) => {
      const answers = { '/version': version, [NAMESPACE]: list, [NODES]: list, [CNI]: list, [OPENSHIFT]: own }
      const { facts } = await reading(answers)
      expect(Array.isArray(facts.nodes) && Array.isArray(facts.unread)).toBe(true)
    }),
    { numRuns: 60 },
  )
})
