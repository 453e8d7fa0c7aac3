import type { NodeSelectorTerm, PodSpec } from '../../events/kubernetes.ts'
import { meets } from '../../events/selector.ts'

type Labels = Readonly<Record<string, string>>

/** Whether a pod's node selector and required node affinity allow the node (component-helpers `nodeaffinity`). */
export const matchesNode = (
  { nodeSelector, affinity }: Pick<PodSpec, 'nodeSelector' | 'affinity'>,
  labels: Labels,
  name: string,
): boolean => {
  for (const key in nodeSelector) if (labels[key] !== nodeSelector[key]) return false
  const terms = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms
  return terms === undefined || terms.some((term) => matchesTerm(term, labels, name))
}

/** An empty term matches nothing. */
const matchesTerm = ({ matchExpressions = [], matchFields = [] }: NodeSelectorTerm, labels: Labels, name: string): boolean =>
  matchExpressions.length + matchFields.length > 0 &&
  matchExpressions.every((each) => meets(labels, each)) &&
  matchFields.every((each) => meets({ 'metadata.name': name }, each))
