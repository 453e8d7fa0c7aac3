import { type Cloud, ClusterId, type ClusterIdentity, type Provider, type ProviderSettings } from '../../events/provider.ts'
import type { ClusterFacts, MachineFacts, NodeFacts } from '../../ports.ts'
import { type Claim, cloudClaims, providerClaims, saying } from './claims.ts'
import { describedCluster, isNone, type NoMachine } from './fields.ts'

const MOST_REASON = 2_000
const CLOUD_OF: Readonly<Partial<Record<Provider, Cloud>>> = { EKS: 'AWS', GKE: 'GCP', AKS: 'Azure' }

/** Whose metadata service is worth asking: the nodes' providerIDs say it, or the settings do. */
export const cloudToAsk = (facts: ClusterFacts, { metadata }: ProviderSettings): Cloud | NoMachine => {
  if (typeof metadata === 'object') return { none: metadata.never }
  if (metadata !== 'nodes') return metadata
  const [only, other] = cloudClaims(facts)
  if (!only) return { none: 'no node’s providerID names a cloud' }
  return other ? { none: `the nodes are of ${only.value} and of ${other.value}` } : only.value
}

/**
 * Which cluster this is, from what the API, the nodes and this machine's metadata say. What they contradict each other in is
 * not decided but told, with who says what. What the settings say wins.
 */
export const identify = (facts: ClusterFacts, answer: MachineFacts | NoMachine, settings: ProviderSettings): ClusterIdentity => {
  const { data: clusterId } = ClusterId.safeParse(facts.clusterId)
  const undecided = (reason: string): ClusterIdentity => ({
    provider: 'undecided',
    ...(clusterId !== undefined && { clusterId }),
    reason: reason.slice(0, MOST_REASON),
  })
  if (clusterId === undefined) return undecided(because('the namespace kube-system was not read', facts))
  const claims: readonly Claim<Provider>[] = settings.provider
    ? [{ value: settings.provider, by: 'QUARTERMASTER_PROVIDER' }]
    : providerClaims(facts)
  if (claims.length === 0 && facts.nodes.length === 0) return undecided(because('there is no node that tells whose it is', facts))
  const contradiction = settings.provider ? undefined : contradictionIn(claims, facts, answer)
  if (contradiction !== undefined) return undecided(`${contradiction}; say whose it is with QUARTERMASTER_PROVIDER`)
  const cloud = cloudIn(claims[0]?.value, facts, answer)
  const provider = claims[0]?.value ?? (cloud ? 'self-managed' : 'anywhere')
  return describedCluster(
    { provider, clusterId, ...(cloud && { cloud }), gaps: [] },
    facts,
    heard(answer, facts, cloud),
    settings,
  )
}

const because = (what: string, { unread }: ClusterFacts): string => [what, ...unread].join(': ')

const contradictionIn = (
  providers: readonly Claim<Provider>[],
  facts: ClusterFacts,
  answer: MachineFacts | NoMachine,
): string | undefined => {
  const [first] = providers
  if (providers.length > 1) return providers.map(saying).join(', ')
  const clouds = cloudClaims(facts)
  const expected = (first && CLOUD_OF[first.value]) ?? facts.openshift?.cloud
  if (first && expected && clouds.length > 0 && !clouds.some(({ value }) => value === expected))
    return [saying({ ...first, value: `${first.value} on ${expected}` }), ...clouds.map(saying)].join(', ')
  if (isNone(answer)) return undefined
  const said: readonly Claim[] = first && expected ? [{ value: `${first.value} on ${expected}`, by: first.by }] : clouds
  const known = expected ? [expected] : clouds.map(({ value }) => value)
  if (known.length === 0 || known.includes(answer.cloud)) return undefined
  return [...said, { value: answer.cloud, by: 'the metadata service' }].map(saying).join(', ')
}

const cloudIn = (provider: Provider | undefined, facts: ClusterFacts, answer: MachineFacts | NoMachine): Cloud | undefined => {
  if (provider === 'anywhere') return undefined
  const [only, other] = cloudClaims(facts)
  return (
    (provider && CLOUD_OF[provider]) ??
    facts.openshift?.cloud ??
    (other ? undefined : only?.value) ??
    (only || isNone(answer) ? undefined : answer.cloud)
  )
}

/** A machine's metadata counts if the machine is one of the cluster's nodes: a laptop may be a machine of another cloud. */
const heard = (answer: MachineFacts | NoMachine, facts: ClusterFacts, cloud: Cloud | undefined): MachineFacts | NoMachine => {
  if (isNone(answer)) return answer
  if (answer.cloud !== cloud) return { none: `the metadata is of ${answer.cloud}` }
  if (cloudClaims(facts).length === 0 || facts.nodes.some((node) => isMachine(node, answer))) return answer
  const machine = answer.providerID ?? answer.instanceId ?? 'without a name'
  return facts.allNodes
    ? { none: `this machine (${machine}) is none of the cluster’s nodes` }
    : {
        none: `this machine (${machine}) is none of the ${facts.nodes.length} nodes that were read; set NODE_NAME to the pod’s spec.nodeName`,
      }
}

const isMachine = ({ providerID, instanceId }: NodeFacts, machine: MachineFacts): boolean =>
  (providerID !== undefined && machine.providerID !== undefined && keyOf(providerID) === keyOf(machine.providerID)) ||
  (instanceId !== undefined && instanceId === machine.instanceId)
// EC2's id says it alone; Azure varies the case.
const keyOf = (providerID: string): string => /\/(i-[0-9a-f]+)$/.exec(providerID)?.[1] ?? providerID.toLowerCase()
