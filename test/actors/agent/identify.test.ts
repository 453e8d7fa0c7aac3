import fc from 'fast-check'
import { expect, test } from 'vitest'
import { cloudToAsk, identify } from '../../../src/actors/agent/identify.ts'
import { identifyCluster } from '../../../src/actors/agent/identity.ts'
import { ClusterIdentity, type ProviderSettings } from '../../../src/events/provider.ts'
import { type ClusterFacts, type MachineFacts, type NodeFacts, Unavailable } from '../../../src/ports.ts'

// Labels, versions and ids as the providers document them; none was recorded from a cluster.

const clusterId = '5f1c7c1e-0d5b-4f0e-9a53-2f4f3b0a8f10'
const plain: ClusterFacts = { clusterId, gitVersion: 'v1.34.1', host: '10.0.0.1', nodes: [], allNodes: true, unread: [] }
const settings: ProviderSettings = { metadata: 'nodes' }
const none = { none: 'this process is not in the cluster' }

const node = (name: string, providerID: string | undefined, labels: Record<string, string> = {}): NodeFacts => ({
  name,
  labels,
  providerID,
})
const region = (name: string) => ({ 'topology.kubernetes.io/region': name })

const ec2: MachineFacts = {
  cloud: 'AWS',
  providerID: 'aws:///us-west-2b/i-1234567890abcdef0',
  region: 'us-west-2',
  account: '123456789012',
}
const gce: MachineFacts = {
  cloud: 'GCP',
  providerID: 'gce://my-project/us-central1-c/gke-shop-pool-1',
  instanceId: '42',
  region: 'us-central1',
  location: 'us-central1',
  account: 'my-project',
  clusterName: 'shop',
}
const vmss = 'providers/Microsoft.Compute/virtualMachineScaleSets/aks-pool-vmss/virtualMachines/2'
const azure: MachineFacts = {
  cloud: 'Azure',
  providerID: `azure:///subscriptions/8d10da13/resourceGroups/MC_shop-rg_shop_westeurope/${vmss}`,
  region: 'westeurope',
  account: '8d10da13',
  nodeResourceGroup: 'MC_shop-rg_shop_westeurope',
}

const eks: ClusterFacts = {
  ...plain,
  gitVersion: 'v1.33.4-eks-a1b2c3d',
  nodes: [
    node('a', 'aws:///us-west-2b/i-1234567890abcdef0', { 'eks.amazonaws.com/nodegroup': 'main', ...region('us-west-2') }),
    node('b', 'aws:///us-west-2c/i-0fedcba0987654321', { 'eks.amazonaws.com/nodegroup': 'main', ...region('us-west-2') }),
  ],
  vpcCniClusterName: 'shop',
}
const gke: ClusterFacts = {
  ...plain,
  gitVersion: 'v1.33.4-gke.1036000',
  nodes: [node('gke-shop-pool-1', gce.providerID, { 'cloud.google.com/gke-nodepool': 'pool', ...region('us-central1') })],
}
const aks: ClusterFacts = {
  ...plain,
  host: 'shop-dns-1a2b3c4d.hcp.westeurope.azmk8s.io',
  nodes: [
    node('aks-pool-vmss000002', `azure:///subscriptions/8d10da13/resourceGroups/mc_shop-rg_shop_westeurope/${vmss}`, {
      'kubernetes.azure.com/cluster': 'MC_shop-rg_shop_westeurope',
      'kubernetes.azure.com/agentpool': 'pool',
      ...region('westeurope'),
    }),
  ],
}
const kops: ClusterFacts = {
  ...plain,
  addonChannel: 's3://state/test.k8s.local/addons/bootstrap-channel.yaml',
  nodes: [node('i-1234567890abcdef0', ec2.providerID, { 'kops.k8s.io/instancegroup': 'nodes', ...region('us-west-2') })],
}
const openshift: ClusterFacts = {
  ...plain,
  openshift: { clusterId: 'b3c4', name: 'shop-x7k2p', cloud: 'AWS', region: 'us-west-2' },
  nodes: [node('ip-10-0-1-2', ec2.providerID, { 'node.openshift.io/os_id': 'rhcos', ...region('us-west-2') })],
}
const kubeadm: ClusterFacts = { ...plain, nodes: [node('a', ec2.providerID)] }
const bare: ClusterFacts = { ...plain, nodes: [node('a', undefined)] }

test('identify: EKS by version, labels, the CNI and EC2’s metadata', () => {
  expect(identify(eks, ec2, settings)).toEqual({
    provider: 'EKS',
    clusterId,
    cloud: 'AWS',
    name: 'shop',
    region: 'us-west-2',
    account: '123456789012',
    id: 'arn:aws:eks:us-west-2:123456789012:cluster/shop',
    gaps: [],
  })
})

test('identify: EKS without metadata keeps what the nodes tell, and says what is missing and how to tell it', () => {
  expect(identify(eks, none, settings)).toEqual({
    provider: 'EKS',
    clusterId,
    cloud: 'AWS',
    name: 'shop',
    region: 'us-west-2',
    gaps: [
      'account: nothing tells it (metadata not used: this process is not in the cluster); set QUARTERMASTER_PROVIDER_ACCOUNT',
    ],
  })
})

test('identify: EKS in China and for the government has its own partition', () => {
  const at = (where: string) => ({ ...eks, nodes: [node('a', `aws:///${where}a/i-1234567890abcdef0`)] })
  const machine = (where: string) => ({ ...ec2, region: where })
  expect(identify(at('cn-north-1'), machine('cn-north-1'), settings)).toMatchObject({ id: expect.stringMatching(/^arn:aws-cn:/) })
  expect(identify(at('us-gov-west-1'), machine('us-gov-west-1'), settings)).toMatchObject({
    id: expect.stringMatching(/^arn:aws-us-gov:/),
  })
})

test('identify: GKE by version, labels and Google’s metadata', () => {
  expect(identify(gke, gce, settings)).toEqual({
    provider: 'GKE',
    clusterId,
    cloud: 'GCP',
    name: 'shop',
    region: 'us-central1',
    location: 'us-central1',
    account: 'my-project',
    id: 'projects/my-project/locations/us-central1/clusters/shop',
    gaps: [],
  })
})

test('identify: GKE without metadata: a zone’s or a region’s cluster, and which, nothing else tells', () => {
  const identity = identify(gke, none, settings)
  expect(identity).toMatchObject({ provider: 'GKE', region: 'us-central1', account: 'my-project' })
  expect(identity).toMatchObject({ gaps: [expect.stringMatching(/^name: /), expect.stringMatching(/^location: /)] })
})

test('identify: AKS by labels, providerIDs and the API server’s name', () => {
  const identity = {
    provider: 'AKS',
    clusterId,
    cloud: 'Azure',
    name: 'shop',
    region: 'westeurope',
    account: '8d10da13',
    nodeResourceGroup: 'MC_shop-rg_shop_westeurope',
    id: '/subscriptions/8d10da13/resourceGroups/MC_shop-rg_shop_westeurope',
    gaps: [],
  }
  expect(identify(aks, none, settings)).toEqual(identity)
  expect(identify(aks, azure, settings)).toEqual(identity)
})

test('identify: AKS with an underscore in a name: the node resource group could be cut in two places, so it is not', () => {
  const { nodes } = aks
  const ambiguous = nodes.map((each) => ({
    ...each,
    labels: { ...each.labels, 'kubernetes.azure.com/cluster': 'MC_shop_rg_shop_westeurope' },
  }))
  expect(identify({ ...aks, nodes: ambiguous }, none, settings)).toMatchObject({ gaps: [expect.stringMatching(/^name: /)] })
})

test('identify: kOps by kube-system’s annotation', () => {
  expect(identify(kops, ec2, settings)).toEqual({
    provider: 'kOps',
    clusterId,
    cloud: 'AWS',
    name: 'test.k8s.local',
    region: 'us-west-2',
    account: '123456789012',
    stateStore: 's3://state',
    id: 's3://state/test.k8s.local',
    gaps: [],
  })
})

test('identify: OpenShift by its own objects', () => {
  expect(identify(openshift, ec2, settings)).toEqual({
    provider: 'OpenShift',
    clusterId,
    cloud: 'AWS',
    name: 'shop-x7k2p',
    region: 'us-west-2',
    account: '123456789012',
    id: 'b3c4',
    gaps: [],
  })
})

test('identify: nodes of one cloud and no one’s labels are self-managed on it', () => {
  expect(identify(kubeadm, ec2, settings)).toEqual({
    provider: 'self-managed',
    clusterId,
    cloud: 'AWS',
    region: 'us-west-2',
    account: '123456789012',
    id: clusterId,
    gaps: [],
  })
  expect(identify({ ...plain, nodes: [node('a', gce.providerID)] }, none, settings)).toMatchObject({
    provider: 'self-managed',
    cloud: 'GCP',
    account: 'my-project',
    region: 'us-central1',
  })
  expect(identify({ ...plain, nodes: [node('a', azure.providerID)] }, none, settings)).toMatchObject({
    provider: 'self-managed',
    cloud: 'Azure',
    account: '8d10da13',
  })
})

test('identify: nodes of no cloud, or of several, are anywhere', () => {
  expect(identify(bare, none, settings)).toEqual({ provider: 'anywhere', clusterId, id: clusterId, gaps: [] })
  const mixed = { ...plain, nodes: [node('a', ec2.providerID), node('b', gce.providerID)] }
  expect(identify(mixed, none, settings)).toMatchObject({ provider: 'anywhere' })
  expect(cloudToAsk(mixed, settings)).toEqual({ none: 'the nodes are of AWS and of GCP' })
})

test('identify: two providers’ signs decide nothing', () => {
  const labelled = { ...gke, nodes: [node('a', gce.providerID, { 'eks.amazonaws.com/nodegroup': 'main' })] }
  expect(identify(labelled, none, settings)).toEqual({
    provider: 'undecided',
    clusterId,
    reason:
      'the API server’s version v1.33.4-gke.1036000 says GKE, the label eks.amazonaws.com/nodegroup of node a says EKS; say whose it is with QUARTERMASTER_PROVIDER',
  })
})

test('identify: labels of EKS and metadata of Google decide nothing', () => {
  const reason = identify(eks, gce, { metadata: 'GCP' })
  expect(reason).toEqual({
    provider: 'undecided',
    clusterId,
    reason:
      'the API server’s version v1.33.4-eks-a1b2c3d says EKS on AWS, the metadata service says GCP; say whose it is with QUARTERMASTER_PROVIDER',
  })
})

test('identify: a version of EKS over machines of Google decides nothing', () => {
  const { nodes } = kubeadm
  expect(identify({ ...gke, nodes }, none, settings)).toMatchObject({
    provider: 'undecided',
    reason: expect.stringContaining('says GKE on GCP, the providerID of node a says AWS'),
  })
})

test('identify: nodes of other clouds beside EKS’ own do not make it another’s', () => {
  const joined = { ...eks, nodes: [...eks.nodes, node('far', gce.providerID, region('us-central1'))] }
  expect(identify(joined, none, settings)).toMatchObject({ provider: 'EKS', region: 'us-west-2' })
})

test('identify: what the operator says settles it', () => {
  const labelled = { ...gke, nodes: [node('a', gce.providerID, { 'eks.amazonaws.com/nodegroup': 'main' })] }
  expect(identify(labelled, gce, { ...settings, provider: 'GKE', name: 'mine' })).toMatchObject({
    provider: 'GKE',
    name: 'mine',
  })
})

test('identify: a field in which the sources differ is left out, with who says what', () => {
  const renamed = { ...eks, nodes: eks.nodes.map((each) => ({ ...each, labels: { 'alpha.eksctl.io/cluster-name': 'other' } })) }
  const identity = identify(renamed, ec2, settings)
  expect(identity).not.toHaveProperty('name')
  expect(identity).toMatchObject({
    gaps: [
      'name: the label alpha.eksctl.io/cluster-name of node a says other, CLUSTER_NAME of the DaemonSet aws-node says shop; set QUARTERMASTER_PROVIDER_CLUSTER',
    ],
  })
})

test('identify: the metadata of a machine that is no node of the cluster is not used', () => {
  const elsewhere = { ...ec2, providerID: 'aws:///eu-west-1a/i-00000000000000000', account: '999999999999' }
  const identity = identify(eks, elsewhere, settings)
  expect(identity).not.toHaveProperty('account')
  expect(identity).toMatchObject({ gaps: [expect.stringContaining('i-00000000000000000) is none of the cluster’s nodes')] })
  expect(identify({ ...eks, allNodes: false }, elsewhere, settings)).toMatchObject({
    gaps: [expect.stringContaining('set NODE_NAME')],
  })
})

test('identify: the machine is known by its number where its name is not told, and whatever the case', () => {
  const numbered = { ...gke, nodes: gke.nodes.map((each) => ({ ...each, instanceId: '42' })) }
  expect(identify(numbered, { ...gce, providerID: undefined }, settings)).toMatchObject({ name: 'shop', gaps: [] })
  const named = { ...azure, clusterName: 'by-tag' }
  expect(identify(aks, named, settings)).toMatchObject({ name: 'by-tag' })
})

test('identify: what can not be read is no reason to guess', () => {
  const unread = ['GET /api/v1/nodes: 403 no']
  expect(identify({ ...plain, unread }, none, settings)).toEqual({
    provider: 'undecided',
    clusterId,
    reason: 'there is no node that tells whose it is: GET /api/v1/nodes: 403 no',
  })
  expect(identify({ ...eks, clusterId: undefined, unread }, none, settings)).toEqual({
    provider: 'undecided',
    reason: 'the namespace kube-system was not read: GET /api/v1/nodes: 403 no',
  })
})

test('identify: only the metadata of the nodes’ cloud is asked, and none where none may be', async () => {
  const asked: string[] = []
  const reads = {
    cluster: async () => eks,
    machine: async (cloud: string): Promise<MachineFacts> => {
      asked.push(cloud)
      throw new Unavailable(`the metadata service of ${cloud}: no answer`)
    },
  }
  expect(await identifyCluster(reads, settings)).toMatchObject({
    provider: 'EKS',
    gaps: [expect.stringContaining('(metadata not used: the metadata service of AWS: no answer)')],
  })
  await identifyCluster(reads, { metadata: { never: 'QUARTERMASTER_METADATA is never' } })
  await identifyCluster({ ...reads, cluster: async () => bare }, settings)
  expect(asked).toEqual(['AWS'])
})

test('identify: whatever the cluster says, the identity keeps to its schema', () => {
  const word = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom(
      'v1.3-eks-ab',
      'MC_a_b_c',
      'aws:///us-east-1a/i-0a',
      'gce://p/us-east1-b/n',
      's3://b/c/addons/bootstrap-channel.yaml',
    ),
  )
  const label = fc.oneof(
    fc.string(),
    fc.constantFrom('alpha.eksctl.io/cluster-name', 'kubernetes.azure.com/cluster', 'topology.kubernetes.io/region', '__proto__'),
  )
  const anyNode = fc.record({ name: word, labels: fc.dictionary(label, word), providerID: fc.option(word, { nil: undefined }) })
  const facts = fc.record({
    clusterId: fc.option(fc.oneof(word, fc.uuid()), { nil: undefined }),
    gitVersion: word,
    host: word,
    nodes: fc.array(anyNode, { maxLength: 4 }),
    allNodes: fc.boolean(),
    addonChannel: fc.option(word, { nil: undefined }),
    vpcCniClusterName: fc.option(word, { nil: undefined }),
    openshift: fc.option(fc.record({ clusterId: word, name: word, region: word }), { nil: undefined }),
    unread: fc.array(word),
  })
  fc.assert(
    fc.property(facts, fc.constantFrom<MachineFacts | { none: string }>(none, ec2, gce, azure), (found, answer) => {
      expect(ClusterIdentity.safeParse(identify(found, answer, settings)).error).toBeUndefined()
    }),
    { numRuns: 500 },
  )
})
