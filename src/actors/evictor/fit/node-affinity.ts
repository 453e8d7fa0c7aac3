import type { Node, NodeSelector, NodeSelectorTerm, PodSpec } from '../../../events/kubernetes.ts'
import { meets } from '../../../events/selector.ts'
import { type Rule, refusal } from './rule.ts'

const NAME = 'NodeAffinity'
const REFUSED = refusal(NAME, "node(s) didn't match Pod's node affinity/selector")

type Requirement = NonNullable<NodeSelectorTerm['matchExpressions']>[number]
const INTEGER = /^\d{1,19}$/
const isLabelValue = (text: string): boolean => text.length <= 63 && /^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$/.test(text)

/** What `labels.NewRequirement` lets through; a term with anything else (so with a negative number) matches no node. */
const isSound = ({ operator, values = [] }: Requirement): boolean => {
  if (!values.every(isLabelValue)) return false
  switch (operator) {
    case 'In':
    case 'NotIn':
      return values.length > 0
    case 'Exists':
    case 'DoesNotExist':
      return values.length === 0
    case 'Gt':
    case 'Lt':
      return values.length === 1 && INTEGER.test(values[0] ?? '')
    default:
      return false
  }
}
const isSoundField = ({ operator, values = [] }: Requirement): boolean =>
  (operator === 'In' || operator === 'NotIn') && values.length === 1

const matchesTerm = ({ matchExpressions = [], matchFields = [] }: NodeSelectorTerm, { metadata }: Node): boolean =>
  matchExpressions.length + matchFields.length > 0 &&
  matchExpressions.every(isSound) &&
  matchFields.every(isSoundField) &&
  matchExpressions.every((requirement) => meets(metadata.labels ?? {}, requirement)) &&
  matchFields.every((requirement) => meets({ 'metadata.name': metadata.name }, requirement))

/** Whether one of the terms matches. Source: component-helpers `nodeaffinity.LazyErrorNodeSelector.Match`. */
export const matchesTerms = ({ nodeSelectorTerms }: NodeSelector, node: Node): boolean =>
  nodeSelectorTerms.some((term) => matchesTerm(term, node))

/** nodeSelector and required node affinity. Source: component-helpers `nodeaffinity.RequiredNodeAffinity.Match`. */
export const matchesNode = ({ nodeSelector = {}, affinity }: PodSpec, node: Node): boolean => {
  const labels = node.metadata.labels ?? {}
  if (!Object.entries(nodeSelector).every(([key, value]) => labels[key] === value)) return false
  const required = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution
  return required === undefined || matchesTerms(required, node)
}

/** Source: `plugins/nodeaffinity`. Affinity that a scheduler's configuration adds is not known here. */
export const nodeAffinity: Rule = {
  name: NAME,
  isStanding: true,
  onNode: (_, { spec }) =>
    Object.keys(spec.nodeSelector ?? {}).length === 0 &&
    !spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution
      ? undefined
      : ({ object }) => (object && matchesNode(spec, object) ? undefined : REFUSED),
}
