import { z } from 'zod'

/** Who runs the control plane. `self-managed`: on the machines of one cloud; `anywhere`: nothing says of which. */
export const Provider = z.enum(['EKS', 'GKE', 'AKS', 'kOps', 'OpenShift', 'self-managed', 'anywhere'])
export type Provider = z.infer<typeof Provider>

export const Cloud = z.enum(['AWS', 'GCP', 'Azure'])
export type Cloud = z.infer<typeof Cloud>

/** A name as a cloud or a cluster may give it: no blanks, nothing that could steer a terminal. */
export const Name = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._:/()@=+-]{0,255}$/)

/** The UID of the namespace kube-system: the one id that every cluster has. */
export const ClusterId = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9-]{0,63}$/)

const Identified = z.strictObject({
  provider: Provider,
  clusterId: ClusterId,
  cloud: Cloud.optional(),
  name: Name.optional(),
  region: Name.optional(),
  /** GKE: where the control plane is, a region or a zone. */
  location: Name.optional(),
  /** AWS account, Google Cloud project or Azure subscription. */
  account: Name.optional(),
  /** AKS: the resource group of the nodes, `MC_…` unless it was named otherwise. */
  nodeResourceGroup: Name.optional(),
  /** kOps: where its state is, `s3://bucket`. */
  stateStore: Name.optional(),
  /** The cluster in its provider's own words: ARN, resource name, node resource group, OpenShift's cluster id. */
  id: z.string().optional(),
  /** What nothing told, and how to have it told. */
  gaps: z.array(z.string()),
})

/** Evidence that contradicts itself, or that could not be read: `reason` says which, and the remedy. */
const UndecidedCluster = z.strictObject({ provider: z.literal('undecided'), clusterId: ClusterId.optional(), reason: z.string() })

/** Which cluster this is, and whose. */
export const ClusterIdentity = z.discriminatedUnion('provider', [Identified, UndecidedCluster])
export type ClusterIdentity = z.infer<typeof ClusterIdentity>
export type IdentifiedCluster = z.infer<typeof Identified>

/** What an operator says instead of what would be found. */
export type ProviderSettings = {
  readonly provider?: Provider | undefined
  readonly name?: string | undefined
  readonly region?: string | undefined
  readonly account?: string | undefined
  /** Whose metadata service is asked: that of the nodes' cloud, that of this cloud in any case, or none and why. */
  readonly metadata: 'nodes' | Cloud | { readonly never: string }
}

/** What others are told of it. */
export type IdentityFact =
  | ({ readonly type: 'agent.ClusterIdentified' } & IdentifiedCluster)
  | ({ readonly type: 'agent.ClusterUndecided' } & Omit<z.infer<typeof UndecidedCluster>, 'provider'>)
