import { type Cloud, Name, type Provider } from '../../events/provider.ts'
import type { ClusterFacts, NodeFacts } from '../../ports.ts'

/** What somebody says, and who: a claim is compared with the others before it is believed. */
export type Claim<Value extends string = string> = { readonly value: Value; readonly by: string }

export const saying = ({ value, by }: Claim): string => `${by} says ${value}`

/** Each value once, with the first that claims it; the case of letters makes no other value (Azure varies it). */
export const distinct = <Value extends string>(claims: readonly Claim<Value>[]): readonly Claim<Value>[] =>
  [...new Map(claims.toReversed().map((claim) => [claim.value.toLowerCase(), claim])).values()].toReversed()

/** Claims of names from whatever was found; what is no name claims nothing. */
export const named = (...found: readonly (readonly [value: string | undefined, by: string])[]): readonly Claim[] =>
  found.flatMap(([value, by]) => (Name.safeParse(value).success ? [{ value: value ?? '', by }] : []))

/** Of what the cluster says, so much is repeated in a reason. */
const MOST_QUOTED = 100

const LABELS: readonly (readonly [Provider, RegExp])[] = [
  ['EKS', /^(eks\.amazonaws\.com\/|alpha\.eksctl\.io\/cluster-name$)/],
  ['GKE', /^cloud\.google\.com\/gke-nodepool$/],
  ['AKS', /^kubernetes\.azure\.com\/(cluster|agentpool|mode)$/],
  ['kOps', /^kops\.k8s\.io\//],
  ['OpenShift', /^node\.openshift\.io\//],
]
const VERSIONS: readonly (readonly [Provider, RegExp])[] = [
  ['EKS', /-eks-[0-9a-f]+/],
  ['GKE', /-gke\.\d+/],
]
const HOSTS: readonly (readonly [Provider, RegExp])[] = [
  ['EKS', /\.eks\.amazonaws\.com(\.cn)?$/],
  ['AKS', /\.azmk8s\.(io|us|cn)$/],
]

/** Whose cluster it is, as the API server, kube-system and the nodes say it. */
export const providerClaims = (facts: ClusterFacts): readonly Claim<Provider>[] =>
  distinct([
    ...(facts.openshift ? [{ value: 'OpenShift' as const, by: 'clusterversions.config.openshift.io is served' }] : []),
    ...(kopsIn(facts) ? [{ value: 'kOps' as const, by: 'the addon channel in kube-system’s annotation' }] : []),
    ...matching(VERSIONS, facts.gitVersion, (version) => `the API server’s version ${version}`),
    ...matching(HOSTS, facts.host, (host) => `the API server’s name ${host}`),
    ...facts.nodes.flatMap((node) =>
      Object.keys(node.labels).flatMap((label) => matching(LABELS, label, () => `the label ${label} of node ${node.name}`)),
    ),
  ])

const matching = (
  table: readonly (readonly [Provider, RegExp])[],
  text: string | undefined,
  by: (text: string) => string,
): readonly Claim<Provider>[] =>
  text === undefined
    ? []
    : table.filter(([, form]) => form.test(text)).map(([value]) => ({ value, by: by(text.slice(0, MOST_QUOTED)) }))

const CLOUDS: Readonly<Record<string, Cloud>> = { aws: 'AWS', gce: 'GCP', azure: 'Azure' }

const cloudOf = ({ providerID = '' }: NodeFacts): Cloud | undefined => CLOUDS[/^([a-z]+):\/\//.exec(providerID)?.[1] ?? '']

/** Whose machines the nodes are. */
export const cloudClaims = (facts: ClusterFacts): readonly Claim<Cloud>[] =>
  distinct(
    facts.nodes.flatMap((node) => {
      const value = cloudOf(node)
      return value ? [{ value, by: `the providerID of node ${node.name}` }] : []
    }),
  )

export const nodesOf = (facts: ClusterFacts, cloud: Cloud | undefined): readonly NodeFacts[] =>
  cloud === undefined ? facts.nodes : facts.nodes.filter((node) => (cloudOf(node) ?? cloud) === cloud)

type Placed = { readonly account?: string | undefined; readonly region?: string | undefined; readonly group?: string | undefined }

/** What the providerID of a node tells beyond its cloud: `aws:///ZONE/ID`, `gce://PROJECT/ZONE/NAME`, `azure:///subscriptions/…`. */
export const placeOf = ({ providerID = '' }: NodeFacts): Placed => {
  const aws = /^aws:\/\/\/([a-z]{2}(?:-[a-z]+)+-\d)[a-z]\//.exec(providerID)
  if (aws) return { region: aws[1] }
  const gce = /^gce:\/\/([^/]+)\/([a-z]+-[a-z]+\d+)-[a-z]\//.exec(providerID)
  if (gce) return { account: gce[1], region: gce[2] }
  const azure = /^azure:\/\/\/subscriptions\/([^/]+)\/resourceGroups\/([^/]+)\//i.exec(providerID)
  return azure ? { account: azure[1], group: azure[2] } : {}
}

const CHANNEL = /^([a-z0-9]+:\/\/\S+)\/([^/\s]+)\/addons\/bootstrap-channel\.yaml$/

/** kOps' channel is `STORE/CLUSTER/addons/bootstrap-channel.yaml`. */
export const kopsIn = ({ addonChannel }: ClusterFacts): { readonly store: string; readonly name: string } | undefined => {
  const [, store, name] = CHANNEL.exec(addonChannel ?? '') ?? []
  return store !== undefined && name !== undefined ? { store, name } : undefined
}

/** AKS names the nodes' group `MC_GROUP_CLUSTER_REGION`; with an underscore more it could be cut in two places. */
export const aksNameIn = (group: string | undefined): string | undefined => {
  const parts = group?.split('_') ?? []
  return parts.length === 4 && parts[0]?.toUpperCase() === 'MC' ? parts[2] : undefined
}
