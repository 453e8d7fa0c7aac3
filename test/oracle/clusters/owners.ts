import type { Chance } from '../chance.ts'
import { APPS, type KubernetesItem, NAMESPACES } from './things.ts'

const owner = (namespace: string, kind: 'ReplicaSet' | 'StatefulSet', app: string): KubernetesItem => ({
  apiVersion: 'apps/v1',
  kind,
  metadata: { namespace, name: `all-${app}`, uid: `${kind}-${namespace}-${app}` },
  spec: {
    replicas: 8,
    selector: { matchLabels: { app } },
    ...(kind === 'StatefulSet' && { serviceName: app }),
    template: { metadata: { labels: { app } }, spec: { containers: [] } },
  },
})
const service = (namespace: string, name: string, selector: object): KubernetesItem => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { namespace, name },
  spec: { selector, ports: [{ port: 80 }] },
})
const isSet = (app: string): boolean => app === 'db'

/** Each app's owner in each namespace, and services that select some of their pods. */
export const owners: readonly KubernetesItem[] = NAMESPACES.flatMap((namespace) => [
  ...APPS.map((app) => owner(namespace, isSet(app) ? 'StatefulSet' : 'ReplicaSet', app)),
  service(namespace, 'api-v1', { app: 'api', version: 'v1' }),
  service(namespace, 'v2', { version: 'v2' }),
])

/** Most pods of an app belong to its owner. */
export const ownedBy = (lots: Chance, namespace: string, app: string): object =>
  APPS.some((name) => name === app) && lots.happens(0.7)
    ? {
        ownerReferences: [
          {
            apiVersion: 'apps/v1',
            kind: isSet(app) ? 'StatefulSet' : 'ReplicaSet',
            name: `all-${app}`,
            uid: `${isSet(app) ? 'StatefulSet' : 'ReplicaSet'}-${namespace}-${app}`,
            controller: true,
          },
        ],
      }
    : {}
