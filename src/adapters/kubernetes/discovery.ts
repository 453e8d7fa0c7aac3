import { type Kind, verbsToRead } from '../../events/kinds.ts'
import { type Finding, type KubernetesDiscovery, type Power, Unavailable } from '../../ports.ts'
import type { KubernetesClient } from './client.ts'
import { aggregatedGroups, type Group, type Groups, separateGroups } from './groups.ts'
import { missingPowers } from './reviews.ts'

/**
 * Which kinds can be read now, and at which version of their group: what the API serves (aggregated discovery, or group
 * by group where it isn't offered), then SelfSubjectAccessReview for list and watch of each.
 */
export const kubernetesDiscovery = (client: KubernetesClient): KubernetesDiscovery => ({
  discover: async (kinds, signal) => {
    const names = new Set(kinds.map(({ group }) => group))
    const groups = (await aggregatedGroups(client, signal)) ?? (await separateGroups(client, names, signal))
    demandCore(groups)
    const findings = kinds.map((kind) => findingOf(kind, groups.get(kind.group)))
    const wanted = findings.flatMap(({ kind, is }) => (is === 'served' ? powersToRead(kind) : []))
    const missing = await missingPowers(client, wanted, signal)
    return findings.map((finding) => (finding.is === 'served' ? permitted(finding, missing) : finding))
  },
})

/** A Kubernetes API serves pods: of one that does not, nothing that it lacks follows. The records of a kind go with it. */
const demandCore = (groups: Groups): void => {
  const isServed = groups.get('')?.some(({ verbs }) => verbs === undefined || verbs.has('pods'))
  if (!isServed) throw new Unavailable('GET /api: the answer names no pods: is this a Kubernetes API?')
}

/** Pure: what a group says of a kind. @param group undefined if the API has none of that name */
const findingOf = (kind: Kind, group: Group | undefined): Finding => {
  const { group: name, resource, versions } = kind
  const serving = (group ?? []).filter(({ verbs }) => verbsToRead(kind).every((verb) => verbs?.get(resource)?.includes(verb)))
  const version = versions.find((each) => serving.some((served) => served.version === each))
  if (version !== undefined) return { kind, is: 'served', version }
  // A version that can't be asked may hold the kind: what is not known is not gone.
  const unknown = group?.find(({ verbs }) => verbs === undefined)
  if (unknown) return { kind, is: 'unknown', reason: `the API can not say at present what ${name}/${unknown.version} serves` }
  if (serving.length === 0) return { kind, is: 'absent', reason: `the API serves no ${kind.name}` }
  const served = serving.map((each) => each.version).join(', ')
  return { kind, is: 'unreadable', reason: `the API serves ${kind.name} as ${served}, this release reads ${versions.join(', ')}` }
}

const powersToRead = (kind: Kind): readonly Power[] => {
  const { group, resource, namespace } = kind
  return verbsToRead(kind).map((verb) => ({ verb, group, resource, ...(namespace !== undefined && { namespace }) }))
}

const permitted = (finding: Finding, missing: readonly Power[]): Finding => {
  const { kind } = finding
  const verbs = missing.filter(
    ({ group, resource, namespace }) => group === kind.group && resource === kind.resource && namespace === kind.namespace,
  )
  if (verbs.length === 0) return finding
  return { kind, is: 'forbidden', reason: `no power to ${verbs.map(({ verb }) => verb).join(' and ')} ${kind.name}` }
}
