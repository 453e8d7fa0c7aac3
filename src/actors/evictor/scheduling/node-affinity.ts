import { matchesTerms } from '../fit/node-affinity.ts'
import { inProportion, type Scorer } from './scorer.ts'

/** The weights of the preferred terms that a node matches. Source: `plugins/nodeaffinity`. */
export const nodeAffinity: Scorer = {
  name: 'NodeAffinity',
  scores: (_, { spec }) => {
    const preferred = spec.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []
    if (preferred.length === 0) return undefined
    return (nodes, into) => {
      for (const [at, { object }] of nodes.entries()) {
        let sum = 0
        for (const { weight, preference } of preferred)
          if (object && matchesTerms({ nodeSelectorTerms: [preference] }, object)) sum += weight
        into[at] = sum
      }
      inProportion(into, nodes.length, false)
    }
  },
}
