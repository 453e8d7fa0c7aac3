import type { z } from 'zod'
import { catalogue, type Kind, plannedKinds } from './kinds.ts'
import {
  DaemonSet,
  Deployment,
  HorizontalPodAutoscaler,
  Node,
  type PlannedObject,
  Pod,
  PodDisruptionBudget,
  ReplicaSet,
  ReplicationController,
  StatefulSet,
} from './kubernetes.ts'
import { DeviceClass, LimitRange, Namespace, ResourceQuota, Service } from './namespaces.ts'
import { CSIDriver, CSINode, PersistentVolume, PersistentVolumeClaim, StorageClass, VolumeAttachment } from './storage.ts'

type ModelKind = { readonly group: string; readonly resource: string; readonly schema: z.ZodType<ModelObject> }

/** The kinds that the planner's model is made of: where each lives in the API, and what of it is read. */
export const modelKinds = {
  Node: { group: '', resource: 'nodes', schema: Node },
  Pod: { group: '', resource: 'pods', schema: Pod },
  Deployment: { group: 'apps', resource: 'deployments', schema: Deployment },
  ReplicaSet: { group: 'apps', resource: 'replicasets', schema: ReplicaSet },
  StatefulSet: { group: 'apps', resource: 'statefulsets', schema: StatefulSet },
  DaemonSet: { group: 'apps', resource: 'daemonsets', schema: DaemonSet },
  ReplicationController: { group: '', resource: 'replicationcontrollers', schema: ReplicationController },
  PodDisruptionBudget: { group: 'policy', resource: 'poddisruptionbudgets', schema: PodDisruptionBudget },
  HorizontalPodAutoscaler: { group: 'autoscaling', resource: 'horizontalpodautoscalers', schema: HorizontalPodAutoscaler },
  Namespace: { group: '', resource: 'namespaces', schema: Namespace },
  ResourceQuota: { group: '', resource: 'resourcequotas', schema: ResourceQuota },
  LimitRange: { group: '', resource: 'limitranges', schema: LimitRange },
  Service: { group: '', resource: 'services', schema: Service },
  PersistentVolumeClaim: { group: '', resource: 'persistentvolumeclaims', schema: PersistentVolumeClaim },
  PersistentVolume: { group: '', resource: 'persistentvolumes', schema: PersistentVolume },
  StorageClass: { group: 'storage.k8s.io', resource: 'storageclasses', schema: StorageClass },
  CSINode: { group: 'storage.k8s.io', resource: 'csinodes', schema: CSINode },
  CSIDriver: { group: 'storage.k8s.io', resource: 'csidrivers', schema: CSIDriver },
  VolumeAttachment: { group: 'storage.k8s.io', resource: 'volumeattachments', schema: VolumeAttachment },
  DeviceClass: { group: 'resource.k8s.io', resource: 'deviceclasses', schema: DeviceClass },
} as const satisfies Readonly<Record<string, ModelKind>>

/** What the model is made of: what the planner decides on, and what decides where a pod may go. */
export type ModelObject =
  | PlannedObject
  | StatefulSet
  | ReplicationController
  | HorizontalPodAutoscaler
  | Namespace
  | ResourceQuota
  | LimitRange
  | Service
  | PersistentVolumeClaim
  | PersistentVolume
  | StorageClass
  | CSINode
  | CSIDriver
  | VolumeAttachment
  | DeviceClass
export type ModelKindName = ModelObject['kind']

/** The kind of an object of the API by its kind and group, if the planner reads it. Without an apiVersion the kind decides. */
export const modelKindOf = (kind: string, apiVersion: string | undefined): ModelKindName | undefined => {
  if (!Object.hasOwn(modelKinds, kind)) return undefined
  const name = kind as ModelKindName
  const group = apiVersion?.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : ''
  return apiVersion === undefined || group === modelKinds[name].group ? name : undefined
}

const isPlanned = ({ name }: Kind): boolean => plannedKinds.some((planned) => planned.name === name)

/** What of the agent's catalogue the model is made of, each read as the model reads it; what decisions are made on first. */
export const modelledKinds: readonly Kind<ModelObject>[] = [
  ...plannedKinds,
  ...catalogue().flatMap((kind): readonly Kind<ModelObject>[] => {
    const name = modelKindOf(kind.kind, `${kind.group}/`)
    return name && !isPlanned(kind) ? [{ ...kind, kind: name, schema: modelKinds[name].schema as z.ZodType<ModelObject> }] : []
  }),
]
