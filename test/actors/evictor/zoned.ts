import { Deployment, HorizontalPodAutoscaler, type Node, type Pod, ReplicaSet } from '../../../src/events/kubernetes.ts'
import type { ModelObject } from '../../../src/events/model-kinds.ts'
import type { Plan } from '../../../src/events/plan.ts'
import { clusters } from './cluster.ts'

export const ZONE = 'topology.kubernetes.io/zone'
export const apps = ['a', 'b', 'c']
export const nodesOf = (objects: readonly ModelObject[]) => objects.filter((each): each is Node => each.kind === 'Node')
export const podsOf = (objects: readonly ModelObject[]) => objects.filter((each): each is Pod => each.kind === 'Pod')
export const appOf = ({ metadata }: Pod): string => metadata.labels?.app ?? ''

/** The clusters of the other tests, with zones as clouds name them, Deployments, and an autoscaler for the first. */
export const worlds = clusters({ nodes: 6, pods: 12, ruled: true }).map((objects): readonly ModelObject[] => [
  ...objects.map((each) =>
    each.kind === 'Node'
      ? { ...each, metadata: { ...each.metadata, labels: { ...each.metadata.labels, [ZONE]: each.metadata.labels?.zone ?? '' } } }
      : each,
  ),
  ...apps.flatMap((name) => {
    const replicas = podsOf(objects).filter((each) => appOf(each) === name).length
    const metadata = { name, namespace: 'shop' }
    return [
      Deployment.parse({ kind: 'Deployment', metadata: { ...metadata, uid: `d${name}` }, spec: { replicas } }),
      ReplicaSet.parse({
        kind: 'ReplicaSet',
        metadata: { ...metadata, uid: name, ownerReferences: [{ kind: 'Deployment', name, uid: `d${name}`, controller: true }] },
        spec: { replicas },
      }),
    ]
  }),
  HorizontalPodAutoscaler.parse({
    kind: 'HorizontalPodAutoscaler',
    metadata: { name: 'a', namespace: 'shop' },
    spec: { maxReplicas: 4, scaleTargetRef: { kind: 'Deployment', name: 'a' } },
  }),
])

/** The cluster after the plan. */
export const carriedOut = (objects: readonly ModelObject[], { drains }: Plan): readonly ModelObject[] => {
  const gone = new Set(drains.map((drain) => drain.node))
  const to = new Map(drains.flatMap(({ moves }) => moves.map((move) => [move.uid, move.to] as const)))
  return objects.flatMap((each): readonly ModelObject[] => {
    if (each.kind === 'Node') return gone.has(each.metadata.name) ? [] : [each]
    if (each.kind !== 'Pod' || !to.has(each.metadata.uid)) return [each]
    return [{ ...each, spec: { ...each.spec, nodeName: to.get(each.metadata.uid) } }]
  })
}
