import type { ObjectId } from '../../events/orders.ts'
import { Refused, type Served } from '../../ports.ts'

/** The collection of a kind, over all namespaces unless the kind is limited to one. */
export const collectionPath = ({ kind: { group, resource, namespace }, version }: Served): string => {
  const root = group === '' ? `/api/${segment(version)}` : `/apis/${segment(group)}/${segment(version)}`
  return `${root}${namespace === undefined ? '' : `/namespaces/${segment(namespace)}`}/${segment(resource)}`
}

export const nodePath = (name: string): string => `/api/v1/nodes/${segment(name)}`
export const podPath = (namespace: string, name: string): string =>
  `/api/v1/namespaces/${segment(namespace)}/pods/${segment(name)}`

/** A kind's objects: of one namespace, of the cluster, or one of them by its name. */
export const objectPath = (
  { group, version, resource, namespace }: Omit<ObjectId, 'name'>,
  ...more: readonly string[]
): string => {
  const root = group === '' ? `/api/${segment(version)}` : `/apis/${segment(group)}/${segment(version)}`
  const within = namespace === undefined ? '' : `/namespaces/${segment(namespace)}`
  return `${root}${within}/${[resource, ...more].map(segment).join('/')}`
}

export const budgetPath = (namespace: string, name: string): string =>
  `/apis/policy/v1/namespaces/${segment(namespace)}/poddisruptionbudgets/${segment(name)}`
export const claimPath = (namespace: string, name: string): string =>
  `/api/v1/namespaces/${segment(namespace)}/persistentvolumeclaims/${segment(name)}`
/** The VolumeAttachments, or one of them. */
export const attachmentPath = (name?: string): string =>
  `/apis/storage.k8s.io/v1/volumeattachments${name === undefined ? '' : `/${segment(name)}`}`

/** Any object by its name. @param group '' is the core group */
export const namedPath = (
  group: string,
  version: string,
  namespace: string | undefined,
  resource: string,
  name: string,
): string => {
  const root = group === '' ? `/api/${segment(version)}` : `/apis/${segment(group)}/${segment(version)}`
  return `${root}${namespace === undefined ? '' : `/namespaces/${segment(namespace)}`}/${segment(resource)}/${segment(name)}`
}

// An empty name or `..` would turn the DELETE of one node into the DELETE of all of them.
const segment = (name: string): string => {
  if (!/^[A-Za-z0-9][-A-Za-z0-9._:]{0,252}$/.test(name))
    throw new Refused(`${JSON.stringify(name.slice(0, 80))} is no name of a Kubernetes object; it is not put into a path`)
  return encodeURIComponent(name)
}
