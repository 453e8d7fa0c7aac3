import type { Kind } from '../objects.ts'
import { kinds } from '../objects.ts'

const VERBS = ['create', 'delete', 'get', 'list', 'patch', 'update', 'watch']
const groups = ['apps', 'policy', 'coordination.k8s.io', 'events.k8s.io', 'authorization.k8s.io'] as const
const gitVersion = 'v1.34.0-simulated'

const resourcesOf = (kind: Kind): object[] => {
  const { resource, singular, namespaced, shortNames, hasStatus } = kind
  const main = {
    name: resource,
    singularName: singular,
    namespaced,
    kind: kind.kind,
    verbs: VERBS,
    ...(shortNames.length ? { shortNames } : {}),
  }
  const part = (name: string, partKind: string, verbs: readonly string[], extra: object = {}) => ({
    name: `${resource}/${name}`,
    singularName: '',
    namespaced,
    kind: partKind,
    verbs,
    ...extra,
  })
  const pods =
    resource === 'pods'
      ? [part('binding', 'Binding', ['create']), part('eviction', 'Eviction', ['create'], { group: 'policy', version: 'v1' })]
      : []
  return [main, ...(hasStatus ? [part('status', kind.kind, ['get', 'patch', 'update'])] : []), ...pods]
}

const resourceList = (group: string): object => ({
  kind: 'APIResourceList',
  apiVersion: 'v1',
  groupVersion: group === '' ? 'v1' : `${group}/v1`,
  resources: [
    ...Object.values(kinds)
      .filter((kind) => kind.group === group)
      .flatMap(resourcesOf),
    ...(group === 'authorization.k8s.io'
      ? [
          {
            name: 'selfsubjectaccessreviews',
            singularName: 'selfsubjectaccessreview',
            namespaced: false,
            kind: 'SelfSubjectAccessReview',
            verbs: ['create'],
          },
        ]
      : []),
  ],
})
const versionOf = (group: string) => ({ groupVersion: `${group}/v1`, version: 'v1' })
const described = (group: string) => ({ name: group, versions: [versionOf(group)], preferredVersion: versionOf(group) })

/** What the server says of itself at this path, if it is one of discovery. */
export const discovery = (path: string): object | undefined => {
  const [root, group, version, ...more] = path.split('/').filter((part) => part !== '')
  if (more.length > 0) return undefined
  if (path === '/version')
    return {
      major: '1',
      minor: '34',
      gitVersion,
      platform: 'simulated',
      goVersion: '',
      buildDate: '',
      compiler: '',
      gitCommit: '',
      gitTreeState: '',
    }
  if (root === 'api' && group === undefined) return { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs: [] }
  if (root === 'api' && group === 'v1' && version === undefined) return resourceList('')
  if (root !== 'apis') return undefined
  if (group === undefined) return { kind: 'APIGroupList', apiVersion: 'v1', groups: groups.map(described) }
  if (!groups.some((known) => known === group)) return undefined
  if (version === undefined) return { kind: 'APIGroup', apiVersion: 'v1', ...described(group) }
  return version === 'v1' ? resourceList(group) : undefined
}
