import type { Node } from '../../../events/kubernetes.ts'
import type { StorageClass } from '../../../events/storage.ts'
import { type Claimed, claimsOf } from './claims.ts'
import { matchesTerms } from './node-affinity.ts'
import { type Rule, refusal, undecided } from './rule.ts'

const NAME = 'VolumeBinding'
const ELSEWHERE = refusal(NAME, "node(s) didn't match PersistentVolume's node affinity", 'VolumeNodeAffinity')
const NOWHERE = refusal(NAME, "node(s) didn't find available persistent volumes to bind", 'VolumeTopology')

/** Volumes that follow a pod to any node, that the claims' rules judge, or that eligibility judges (local storage). */
const SIMULATED = [
  'emptyDir',
  'hostPath',
  'configMap',
  'secret',
  'projected',
  'downwardAPI',
  'persistentVolumeClaim',
  'ephemeral',
  'csi',
  'nfs',
  'image',
] as const

/** Whether the class makes volumes for the node (core helper `MatchTopologySelectorTerms`). */
const provides = ({ allowedTopologies = [] }: StorageClass, { metadata: { labels = {} } }: Node): boolean =>
  allowedTopologies.length === 0 ||
  allowedTopologies.some(
    ({ matchLabelExpressions = [] }) =>
      matchLabelExpressions.length > 0 && matchLabelExpressions.every(({ key, values }) => values.includes(labels[key] ?? '')),
  )

const nodeRefuses = (claimed: Claimed, node: Node): typeof ELSEWHERE | undefined => {
  if (claimed.is === 'awaited') return provides(claimed.provider, node) ? undefined : NOWHERE
  if (claimed.is !== 'bound') return undefined
  const required = claimed.volume.spec.nodeAffinity?.required
  return required && !matchesTerms(required, node) ? ELSEWHERE : undefined
}

/** Bound volumes by their node affinity, those to be made by their class's topology. Source: `plugins/volumebinding`. */
export const volumeBinding: Rule = {
  name: NAME,
  isStanding: true,
  everywhere: (model, shape) => {
    const odd = shape.spec.volumes?.find((volume) => !SIMULATED.some((source) => volume[source] !== undefined))
    if (odd) return undecided(NAME, 'uses a volume of a kind that is not simulated')
    for (const claimed of claimsOf(model, shape)) {
      if (claimed.is === 'refused') return refusal(NAME, claimed.message)
      if (claimed.is === 'undecided') return undecided(NAME, claimed.what)
    }
    return undefined
  },
  onNode: (model, shape) => {
    const claims = claimsOf(model, shape)
    if (claims.length === 0) return undefined
    return ({ object }) => {
      for (const claimed of object ? claims : []) {
        const refused = object && nodeRefuses(claimed, object)
        if (refused) return refused
      }
      return undefined
    }
  },
}
