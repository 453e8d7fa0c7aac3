import type { LabelSelector, PodAffinityTerm } from '../../events/kubernetes.ts'
import { selects } from '../../events/selector.ts'
import type { PodObject } from '../objects.ts'
import type { Room, Rooms } from './room.ts'

/** The labels of a namespace, for terms that choose namespaces by them. */
export type NamespaceLabels = (namespace: string) => Readonly<Record<string, string>>
type Labels = Readonly<Record<string, string>>

/** A selector narrowed to pods that have (or do not have) the same values as this pod. */
export const narrowed = (
  selector: LabelSelector | null | undefined,
  labels: Labels = {},
  same: readonly string[] = [],
  different: readonly string[] = [],
): LabelSelector | null | undefined => {
  if (!selector || same.length + different.length === 0) return selector
  const requirement = (operator: string) => (key: string) => ({ key, operator, values: [labels[key] ?? ''] })
  const present = (keys: readonly string[]): readonly string[] => keys.filter((key) => labels[key] !== undefined)
  const added = [...present(same).map(requirement('In')), ...present(different).map(requirement('NotIn'))]
  return { ...selector, matchExpressions: [...(selector.matchExpressions ?? []), ...added] }
}

/** Whether a term of one pod means the other pod. */
const means = (term: PodAffinityTerm, of: PodObject, other: PodObject, labelsOf: NamespaceLabels): boolean => {
  const namespace = other.metadata.namespace ?? ''
  const { namespaces = [], namespaceSelector, matchLabelKeys, mismatchLabelKeys } = term
  const named =
    namespaces.length === 0 && !namespaceSelector ? namespace === of.metadata.namespace : namespaces.includes(namespace)
  if (!named && !(namespaceSelector && selects(namespaceSelector, labelsOf(namespace)))) return false
  return selects(narrowed(term.labelSelector, of.metadata.labels, matchLabelKeys, mismatchLabelKeys), other.metadata.labels)
}

const required = (pod: PodObject, which: 'podAffinity' | 'podAntiAffinity'): readonly PodAffinityTerm[] =>
  pod.spec.affinity?.[which]?.requiredDuringSchedulingIgnoredDuringExecution ?? []
const place = (key: string, value: string): string => `${key}\n${value}`
const placeOf = ({ topologyKey }: PodAffinityTerm, { labels }: Room): string | undefined => {
  const value = labels[topologyKey]
  return value === undefined ? undefined : place(topologyKey, value)
}

/**
 * Required affinity and anti-affinity between pods, in both directions (plugin `interpodaffinity`).
 * @returns a check that says why a node is refused, or undefined when no pod has anything to say
 */
export const affinityCheck = (
  rooms: Rooms,
  pod: PodObject,
  labelsOf: NamespaceLabels,
): ((room: Room) => string | undefined) | undefined => {
  const wanted = required(pod, 'podAffinity')
  const unwanted = required(pod, 'podAntiAffinity')
  const repelled = repelledFrom(rooms, pod, labelsOf)
  if (wanted.length + unwanted.length + repelled.size === 0) return undefined
  const near = placesOf(rooms, wanted, (other) => wanted.every((term) => means(term, pod, other, labelsOf)))
  const far = unwanted.map((term) => placesOf(rooms, [term], (other) => means(term, pod, other, labelsOf)))
  const isFirst = near.size === 0 && wanted.every((term) => means(term, pod, pod, labelsOf))
  return (room) => {
    if (!wanted.every((term) => attracts(placeOf(term, room), near, isFirst))) return "node(s) didn't match pod affinity rules"
    if (unwanted.some((term, index) => far[index]?.has(placeOf(term, room) ?? '')))
      return "node(s) didn't match pod anti-affinity rules"
    const away = Object.entries(room.labels).some(([key, value]) => repelled.has(place(key, value)))
    return away && repelled.size > 0 ? "node(s) didn't satisfy existing pods anti-affinity rules" : undefined
  }
}
const attracts = (at: string | undefined, near: ReadonlySet<string>, isFirst: boolean): boolean =>
  at !== undefined && (isFirst || near.has(at))

const repelledFrom = ({ repelling }: Rooms, pod: PodObject, labelsOf: NamespaceLabels): ReadonlySet<string> => {
  const places = new Set<string>()
  for (const { pod: other, room } of repelling.values())
    for (const term of required(other, 'podAntiAffinity'))
      if (means(term, other, pod, labelsOf)) places.add(placeOf(term, room) ?? '')
  places.delete('')
  return places
}

const placesOf = (
  { list }: Rooms,
  terms: readonly PodAffinityTerm[],
  isMeant: (pod: PodObject) => boolean,
): ReadonlySet<string> => {
  const places = new Set<string>()
  if (terms.length === 0) return places
  for (const room of list)
    if ([...room.pods.values()].some(isMeant)) for (const term of terms) places.add(placeOf(term, room) ?? '')
  places.delete('')
  return places
}
