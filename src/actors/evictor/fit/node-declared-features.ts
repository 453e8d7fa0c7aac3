import type { PodSpec } from '../../../events/kubernetes.ts'
import { type Rule, undecided } from './rule.ts'

const NAME = 'NodeDeclaredFeatures'

const needed = ({ hostNetwork, hostUsers, containers, initContainers = [] }: PodSpec): string | undefined => {
  if (hostNetwork && hostUsers === false) return 'needs user namespaces in the network of the host'
  const restartsAll = [...containers, ...initContainers].some(({ restartPolicyRules = [] }) =>
    restartPolicyRules.some(({ action }) => action === 'RestartAllContainers'),
  )
  return restartsAll ? 'needs a node that restarts all of its containers' : undefined
}

/** What a node says that it can do depends on gates and versions that the model does not hold: refused. Source: `plugins/nodedeclaredfeatures`. */
export const nodeDeclaredFeatures: Rule = {
  name: NAME,
  everywhere: (_, { spec }) => {
    const feature = needed(spec)
    return feature === undefined ? undefined : undecided(NAME, feature)
  },
}
