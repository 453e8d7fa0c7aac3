import { type IdentifiedCluster, Name, type Provider, type ProviderSettings } from '../../events/provider.ts'
import type { ClusterFacts, MachineFacts } from '../../ports.ts'
import { aksNameIn, type Claim, distinct, kopsIn, named, nodesOf, placeOf, saying } from './claims.ts'

/** Nothing of metadata, and why. */
export type NoMachine = { readonly none: string }
export const isNone = (answer: MachineFacts | NoMachine): answer is NoMachine => 'none' in answer

type Field = 'name' | 'region' | 'location' | 'account' | 'nodeResourceGroup' | 'stateStore'
const WANTED: Readonly<Record<Provider, readonly Field[]>> = {
  EKS: ['name', 'region', 'account'],
  GKE: ['name', 'region', 'location', 'account'],
  AKS: ['name', 'region', 'account', 'nodeResourceGroup'],
  kOps: ['name', 'region', 'account', 'stateStore'],
  OpenShift: ['name', 'region', 'account'],
  'self-managed': ['name', 'region', 'account'],
  anywhere: ['name', 'region'],
}
/** Where nothing is expected to tell it, its absence is no gap. */
const UNTOLD: Readonly<Partial<Record<Provider, readonly Field[]>>> = { 'self-managed': ['name'], anywhere: ['name', 'region'] }
const SETTING: Readonly<Partial<Record<Field, string>>> = {
  name: 'QUARTERMASTER_PROVIDER_CLUSTER',
  region: 'QUARTERMASTER_PROVIDER_REGION',
  account: 'QUARTERMASTER_PROVIDER_ACCOUNT',
}

/** The identity with each field on which everybody who tells it agrees, and a gap for each that nobody tells or some tell otherwise. */
export const describedCluster = (
  identity: IdentifiedCluster,
  facts: ClusterFacts,
  machine: MachineFacts | NoMachine,
  settings: ProviderSettings,
): IdentifiedCluster => {
  const { provider } = identity
  const said = fieldClaims(identity, facts, isNone(machine) ? undefined : machine)
  const set: Readonly<Partial<Record<Field, string>>> = {
    ...(settings.name !== undefined && { name: settings.name }),
    ...(settings.region !== undefined && { region: settings.region }),
    ...(settings.account !== undefined && { account: settings.account }),
  }
  const found: Partial<Record<Field, string>> = {}
  const gaps: string[] = []
  for (const field of WANTED[provider]) {
    const [only, ...others] = set[field] ? [{ value: set[field], by: '' }] : distinct(said[field] ?? [])
    if (only && others.length === 0) found[field] = only.value
    else if (only || !UNTOLD[provider]?.includes(field)) gaps.push(gapIn(field, only ? [only, ...others] : [], machine))
  }
  const whole = { ...identity, ...found, gaps: [...gaps, ...facts.unread.map((reason) => reason.slice(0, 300))] }
  const id = idOf(whole, facts)
  return id === undefined ? whole : { ...whole, id }
}

const gapIn = (field: Field, claims: readonly Claim[], machine: MachineFacts | NoMachine): string => {
  const untold = isNone(machine) ? `nothing tells it (metadata not used: ${machine.none})` : 'nothing tells it'
  const setting = SETTING[field]
  return `${field}: ${claims.length > 0 ? claims.map(saying).join(', ') : untold}${setting ? `; set ${setting}` : ''}`
}

/** Everything that says something about a field, the most telling first. */
const fieldClaims = (
  { provider, cloud }: IdentifiedCluster,
  facts: ClusterFacts,
  machine: MachineFacts | undefined,
): Readonly<Partial<Record<Field, readonly Claim[]>>> => {
  const metadata = 'the metadata service'
  const nodes = nodesOf(facts, cloud)
  const labelled = (label: string) =>
    nodes.flatMap(({ name, labels }) => named([labels[label], `the label ${label} of node ${name}`]))
  const placed = (part: keyof ReturnType<typeof placeOf>) =>
    nodes.flatMap((node) => named([placeOf(node)[part], `the providerID of node ${node.name}`]))
  const first = (...sources: readonly (readonly Claim[])[]) => sources.find((claims) => claims.length > 0) ?? []
  const group = first(labelled('kubernetes.azure.com/cluster'), named([machine?.nodeResourceGroup, metadata]), placed('group'))
  const kops = kopsIn(facts)
  const names: Readonly<Partial<Record<Provider, readonly Claim[]>>> = {
    EKS: [
      ...labelled('alpha.eksctl.io/cluster-name'),
      ...named([facts.vpcCniClusterName, 'CLUSTER_NAME of the DaemonSet aws-node'], [machine?.clusterName, metadata]),
    ],
    GKE: named([machine?.clusterName, metadata]),
    AKS: first(named([machine?.clusterName, metadata]), named([aksNameIn(group[0]?.value), 'the node resource group'])),
    kOps: named([kops?.name, 'the addon channel']),
    OpenShift: named([facts.openshift?.name, 'infrastructures.config.openshift.io/cluster']),
  }
  return {
    name: names[provider] ?? [],
    region: [
      ...first(labelled('topology.kubernetes.io/region'), placed('region')),
      ...named([facts.openshift?.region, 'infrastructures.config.openshift.io/cluster'], [machine?.region, metadata]),
      ...named([/\.([a-z0-9-]+)\.(?:eks\.amazonaws\.com(?:\.cn)?|azmk8s\.(?:io|us|cn))$/.exec(facts.host)?.[1], facts.host]),
    ],
    location: named([machine?.location, metadata]),
    account: [...placed('account'), ...named([machine?.account, metadata])],
    nodeResourceGroup: group,
    stateStore: named([kops?.store, 'the addon channel']),
  }
}

const idOf = (found: IdentifiedCluster, facts: ClusterFacts): string | undefined => {
  const { provider, name, region, location, account, nodeResourceGroup, stateStore } = found
  if (provider === 'EKS')
    return name && region && account && `arn:${partitionOf(region)}:eks:${region}:${account}:cluster/${name}`
  if (provider === 'GKE') return name && location && account && `projects/${account}/locations/${location}/clusters/${name}`
  if (provider === 'AKS') return nodeResourceGroup && account && `/subscriptions/${account}/resourceGroups/${nodeResourceGroup}`
  if (provider === 'kOps') return name && stateStore && `${stateStore}/${name}`
  if (provider === 'OpenShift') return Name.safeParse(facts.openshift?.clusterId).data
  return found.clusterId
}

const partitionOf = (region: string): string =>
  region.startsWith('cn-') ? 'aws-cn' : region.startsWith('us-gov-') ? 'aws-us-gov' : 'aws'
