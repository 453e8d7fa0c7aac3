import { type Chance, chance } from '../chance.ts'
import { asked, themes } from './asked.ts'
import { nodes } from './nodes.ts'
import { owners } from './owners.ts'
import { residents } from './residents.ts'
import { type KubernetesItem, namespaces } from './things.ts'
import { classes } from './volumes.ts'

export type RandomCluster = {
  /** A List of it, as kubectl prints one. */
  readonly list: { readonly apiVersion: 'v1'; readonly kind: 'List'; readonly items: readonly KubernetesItem[] }
  readonly nodes: readonly string[]
  /** The pods that there is something to ask about, by `namespace/name`. */
  readonly asked: readonly string[]
}
export type Size = { readonly nodes: number; readonly asked: number }

/**
 * A cluster with constraints of every kind that kube-scheduler filters by, and pods of which each is about one or several of
 * them. Objects are as the API server keeps them: what it merges into selectors is merged.
 * @param about what the pods that are asked about are about
 */
export const randomCluster = (seed: number, size: Size, about = themes): RandomCluster => {
  const lots: Chance = chance(seed)
  const hosts = nodes(lots, size.nodes)
  const names = hosts.map(({ metadata }) => metadata.name)
  const inhabitants = residents(lots, names)
  const questions = Array.from({ length: size.asked }, (_, index) => asked(lots, names, index, about))
  const items = [
    ...namespaces,
    ...classes,
    ...owners,
    ...hosts.flatMap(({ csiNode, ...node }) => [node, csiNode]),
    ...inhabitants,
    ...questions.flatMap(({ pod, others }) => [...others, pod]),
  ]
  return {
    list: { apiVersion: 'v1', kind: 'List', items },
    nodes: names,
    asked: questions.map(({ pod: { metadata } }) => `${metadata.namespace}/${metadata.name}`),
  }
}
