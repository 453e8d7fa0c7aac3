import type { PodRule } from './rule.ts'

/** Labels and annotations by which pods belong to a group that runs together or not at all, and whose they are. */
const GANGS: readonly (readonly [string, string])[] = [
  ['jobset.sigs.k8s.io/jobset-name', 'JobSet'],
  ['leaderworkerset.sigs.k8s.io/name', 'LeaderWorkerSet'],
  ['kueue.x-k8s.io/pod-group-name', 'Kueue pod group'],
  ['kueue.x-k8s.io/podset', 'Kueue workload'],
  ['scheduling.x-k8s.io/pod-group', 'PodGroup'],
  ['pod-group.scheduling.sigs.k8s.io', 'PodGroup'],
  ['scheduling.k8s.io/group-name', 'PodGroup'],
  ['volcano.sh/job-name', 'Volcano Job'],
  ['training.kubeflow.org/job-name', 'training job'],
]

export const gang: PodRule = {
  name: 'Gang',
  why: ({ policy, shape: { labels, annotations, spec } }) => {
    if (policy.evictGangs) return undefined
    const group = spec.schedulingGroup?.podGroupName
    if (group !== undefined) return `it is of the PodGroup ${group}: one eviction disrupts all of it`
    for (const [mark, what] of GANGS) {
      const name = labels[mark] ?? annotations[mark]
      if (name !== undefined) return `it is of the ${what} ${name}: one eviction disrupts all of it`
    }
    return undefined
  },
}
