import type {
  DaemonSet,
  Deployment,
  HorizontalPodAutoscaler,
  Node,
  Pod,
  PodDisruptionBudget,
  ReplicaSet,
  ReplicationController,
  StatefulSet,
} from '../../../events/kubernetes.ts'
import type { ModelObject } from '../../../events/model-kinds.ts'
import type { DeviceClass, LimitRange, Namespace, ResourceQuota, Service } from '../../../events/namespaces.ts'
import { checkSelector } from './shape.ts'
import { createStorage, type Storage } from './storage.ts'

export type Workload = Deployment | ReplicaSet | StatefulSet | DaemonSet | ReplicationController

/** All objects but nodes and pods, as they are. Keys are `namespace/name`, or the name of what has no namespace. */
export type Books = {
  readonly budgets: ReadonlyMap<string, PodDisruptionBudget>
  /** By UID. */
  readonly workloads: ReadonlyMap<string, Workload>
  readonly autoscalers: ReadonlyMap<string, HorizontalPodAutoscaler>
  readonly namespaces: ReadonlyMap<string, Namespace>
  readonly quotas: ReadonlyMap<string, ResourceQuota>
  readonly limitRanges: ReadonlyMap<string, LimitRange>
  readonly services: ReadonlyMap<string, Service>
  readonly deviceClasses: ReadonlyMap<string, DeviceClass>
  readonly storage: Storage
}
/** What the books are made of. */
export type Entry = Exclude<ModelObject, Node | Pod>

const isWorkload = (kind: Entry['kind']): kind is Workload['kind'] =>
  ['Deployment', 'ReplicaSet', 'StatefulSet', 'DaemonSet', 'ReplicationController'].includes(kind)

/** @param renamed a namespace has come, gone or changed its labels */
export const createBooks = (renamed: () => void) => {
  const { storage, ...volumes } = createStorage()
  const workloads = new Map<string, Workload>()
  const uids = new Map<string, string>()
  const maps = {
    PodDisruptionBudget: new Map<string, PodDisruptionBudget>(),
    HorizontalPodAutoscaler: new Map<string, HorizontalPodAutoscaler>(),
    Namespace: new Map<string, Namespace>(),
    ResourceQuota: new Map<string, ResourceQuota>(),
    LimitRange: new Map<string, LimitRange>(),
    Service: new Map<string, Service>(),
    DeviceClass: new Map<string, DeviceClass>(),
  }
  const isMapped = (kind: Entry['kind']): kind is keyof typeof maps => Object.hasOwn(maps, kind)
  const forget = (kind: Workload['kind'], key: string): void => {
    workloads.delete(uids.get(`${kind}/${key}`) ?? '')
    uids.delete(`${kind}/${key}`)
  }
  const learn = (object: Workload, key: string): void => {
    forget(object.kind, key)
    workloads.set(object.metadata.uid, object)
    uids.set(`${object.kind}/${key}`, object.metadata.uid)
  }
  const books: Books = {
    budgets: maps.PodDisruptionBudget,
    workloads,
    autoscalers: maps.HorizontalPodAutoscaler,
    namespaces: maps.Namespace,
    quotas: maps.ResourceQuota,
    limitRanges: maps.LimitRange,
    services: maps.Service,
    deviceClasses: maps.DeviceClass,
    storage,
  }
  return {
    books,
    /** @throws RangeError for a budget's selector that makes no sense; nothing has changed then */
    apply(object: Entry, key: string): void {
      const { kind } = object
      if (kind === 'PodDisruptionBudget') checkSelector(object.spec.selector)
      if (isMapped(kind)) (maps[kind] as Map<string, Entry>).set(key, object)
      else if (isWorkload(kind)) learn(object as Workload, key)
      else volumes.apply(key, object as Parameters<typeof volumes.apply>[1])
      if (kind === 'Namespace') renamed()
    },
    remove(kind: Entry['kind'], key: string): void {
      if (isMapped(kind)) maps[kind].delete(key)
      else if (isWorkload(kind)) forget(kind, key)
      else volumes.remove(kind, key)
      if (kind === 'Namespace') renamed()
    },
  }
}
