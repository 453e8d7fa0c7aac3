/** How a node's machine is bought; `unknown`: no label says it. */
export type CapacityType = 'spot' | 'on-demand' | 'reserved' | 'unknown'

type Reading = { readonly label: string; readonly means: Readonly<Record<string, CapacityType>> }

const yes = (type: CapacityType): Reading['means'] => ({ true: type })
const lifecycle = {
  spot: 'spot',
  ec2spot: 'spot',
  preemptible: 'spot',
  'on-demand': 'on-demand',
  ondemand: 'on-demand',
  od: 'on-demand',
  normal: 'on-demand',
} as const

// Whoever made the machine speaks first, labels that people set by hand last. CAST's fallback nodes are on demand although
// they carry the spot label too.
const READINGS: readonly Reading[] = [
  { label: 'scheduling.cast.ai/spot-fallback', means: yes('on-demand') },
  { label: 'scheduling.cast.ai/spot', means: yes('spot') },
  { label: 'karpenter.sh/capacity-type', means: { ...lifecycle, reserved: 'reserved' } },
  { label: 'eks.amazonaws.com/capacityType', means: { spot: 'spot', on_demand: 'on-demand', capacity_block: 'reserved' } },
  { label: 'cloud.google.com/gke-spot', means: yes('spot') },
  { label: 'cloud.google.com/gke-preemptible', means: yes('spot') },
  {
    label: 'cloud.google.com/gke-provisioning',
    means: { spot: 'spot', preemptible: 'spot', standard: 'on-demand', reservation: 'reserved' },
  },
  { label: 'kubernetes.azure.com/scalesetpriority', means: { spot: 'spot', regular: 'on-demand' } },
  { label: 'spotinst.io/node-lifecycle', means: lifecycle },
  { label: 'node.kubernetes.io/lifecycle', means: lifecycle },
  { label: 'kubernetes.io/lifecycle', means: lifecycle },
  { label: 'node-role.kubernetes.io/spot-worker', means: { ...yes('spot'), '': 'spot' } },
  { label: 'spot', means: yes('spot') },
  { label: 'lifecycle', means: lifecycle },
]
// GKE and AKS label every spot machine of theirs: there a node without such a label is not one.
const SAID_BY_SILENCE = ['cloud.google.com/gke-nodepool', 'kubernetes.azure.com/agentpool']

/**
 * How the node was bought, by the first label of EKS, GKE, AKS, Karpenter, kOps, Spot.io, CAST or people that says it.
 * `unknown` is left for EC2 nodes of groups that nobody labels (self-managed groups of EKS, kOps without a label of its own,
 * OpenShift): only EC2's DescribeInstances (InstanceLifecycle) tells, which needs the cloud's credentials and is not asked.
 */
export const capacityTypeOf = (labels: Readonly<Record<string, string>>): CapacityType => {
  for (const { label, means } of READINGS) {
    const value = labels[label]?.toLowerCase()
    if (value !== undefined && Object.hasOwn(means, value)) return means[value] ?? 'unknown'
  }
  return SAID_BY_SILENCE.some((label) => labels[label] !== undefined) ? 'on-demand' : 'unknown'
}
