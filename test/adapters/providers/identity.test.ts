import { expect, test } from 'vitest'
import { identifyCluster } from '../../../src/actors/agent/identity.ts'
import { clusterFacts } from '../../../src/adapters/kubernetes/cluster-facts.ts'
import { json, scriptedApi, status } from '../kubernetes/scripted-api.ts'
import { answering, azure, azureGroup, ec2, ec2Service, gce, google, metadataService } from './metadata-service.ts'

type Cluster = { readonly gitVersion: string; readonly providerID: string; readonly labels: Readonly<Record<string, string>> }

/** A cluster of one node, and the metadata service of its machine: both on this machine, over HTTP. */
const identified = async (cluster: Cluster, answer: Parameters<typeof metadataService>[0]) => {
  const node = { metadata: { name: 'a', labels: cluster.labels }, spec: { providerID: cluster.providerID } }
  const answers: Readonly<Record<string, object>> = {
    '/version': { gitVersion: cluster.gitVersion },
    '/api/v1/namespaces': { items: [{ metadata: { name: 'kube-system', uid: 'u-1' } }] },
    '/api/v1/nodes': { items: [node] },
  }
  await using service = await metadataService(answer)
  await using api = await scriptedApi(({ at }, response) => {
    const body = answers[at.pathname]
    json(response, body ? 200 : 404, body ?? status(404, 'not found'))
  })
  const reads = { cluster: clusterFacts(api.client, '127.0.0.1'), machine: service.machine }
  const identity = await identifyCluster(reads, { metadata: 'nodes' })
  return { identity, asked: service.asked }
}

test('provider: EKS, over the API and EC2’s metadata', async () => {
  const { identity } = await identified(
    {
      gitVersion: 'v1.33.4-eks-a1b2c3d',
      providerID: 'aws:///us-west-2b/i-1234567890abcdef0',
      labels: { 'eks.amazonaws.com/nodegroup': 'main' },
    },
    ec2Service({ ...ec2, '/latest/meta-data/tags/instance/eks:cluster-name': 'shop' }),
  )
  expect(identity).toMatchObject({ id: 'arn:aws:eks:us-west-2:123456789012:cluster/shop', gaps: [] })
})

test('provider: GKE, over the API and Google’s metadata', async () => {
  const { identity } = await identified(
    {
      gitVersion: 'v1.33.4-gke.1036000',
      providerID: 'gce://my-project/us-central1-c/gke-shop-default-pool-b0f1a2c3-x7k2',
      labels: { 'cloud.google.com/gke-nodepool': 'default-pool' },
    },
    answering(gce, google),
  )
  expect(identity).toMatchObject({ id: 'projects/my-project/locations/us-central1/clusters/shop', gaps: [] })
})

test('provider: AKS, over the API and Azure’s metadata', async () => {
  const { identity } = await identified(
    {
      gitVersion: 'v1.33.4',
      providerID: `azure://${azureGroup}/virtualMachineScaleSets/aks-nodepool1-12628255-vmss/virtualMachines/2`.toLowerCase(),
      labels: { 'kubernetes.azure.com/cluster': 'MC_shop-rg_shop_westeurope' },
    },
    answering(azure),
  )
  expect(identity).toMatchObject({ provider: 'AKS', name: 'shop', region: 'westeurope', gaps: [] })
})

test('provider: where no node is of a cloud, no metadata service is asked', async () => {
  const { identity, asked } = await identified({ gitVersion: 'v1.34.1', providerID: 'k3s://a', labels: {} }, answering(azure))
  expect(identity).toMatchObject({ provider: 'anywhere', gaps: [] })
  expect(asked).toEqual([])
})
