import { type RbacObject, rbacObject } from '../../events/rbac.ts'
import { Gone, type RbacReads, Unavailable } from '../../ports.ts'
import type { KubernetesClient } from './client.ts'
import { objectPath } from './paths.ts'

const GROUP = 'rbac.authorization.k8s.io'
const resources: Readonly<Record<RbacObject['kind'], string>> = {
  Role: 'roles',
  ClusterRole: 'clusterroles',
  RoleBinding: 'rolebindings',
  ClusterRoleBinding: 'clusterrolebindings',
}

/** Objects that give rights, over one client. */
export const rbacReads = (client: KubernetesClient): RbacReads => ({
  find: async ({ kind, namespace, name }, signal) => {
    const of = { group: GROUP, version: 'v1', resource: resources[kind], ...(namespace !== undefined && { namespace }) }
    const path = objectPath(of, name)
    const raw = await client.request('GET', path, { signal }).catch((error: unknown) => {
      if (error instanceof Gone) return undefined
      throw error
    })
    if (raw === undefined) return undefined
    const found = rbacObject(raw, namespace ?? '')
    if ('unreadable' in found) throw new Unavailable(`GET ${path}: ${found.unreadable}`)
    return found
  },
})
