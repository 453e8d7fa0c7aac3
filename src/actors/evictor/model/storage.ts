import type { ModelObject } from '../../../events/model-kinds.ts'
import type {
  CSIDriver,
  CSINode,
  PersistentVolume,
  PersistentVolumeClaim,
  StorageClass,
  VolumeAttachment,
} from '../../../events/storage.ts'

/** The volumes of the cluster and what serves them, by name; claims by `namespace/name`. */
export type Storage = {
  readonly claims: ReadonlyMap<string, PersistentVolumeClaim>
  readonly volumes: ReadonlyMap<string, PersistentVolume>
  readonly classes: ReadonlyMap<string, StorageClass>
  readonly csiNodes: ReadonlyMap<string, CSINode>
  readonly csiDrivers: ReadonlyMap<string, CSIDriver>
  readonly attachments: ReadonlyMap<string, VolumeAttachment>
  /** The attachments of a node, by its name. */
  readonly attachedTo: (node: string) => Iterable<VolumeAttachment>
}
type StorageObject = Extract<
  ModelObject,
  { kind: 'PersistentVolumeClaim' | 'PersistentVolume' | 'StorageClass' | 'CSINode' | 'CSIDriver' | 'VolumeAttachment' }
>

const NONE: ReadonlySet<VolumeAttachment> = new Set()

export const createStorage = () => {
  const claims = new Map<string, PersistentVolumeClaim>()
  const volumes = new Map<string, PersistentVolume>()
  const classes = new Map<string, StorageClass>()
  const csiNodes = new Map<string, CSINode>()
  const csiDrivers = new Map<string, CSIDriver>()
  const attachments = new Map<string, VolumeAttachment>()
  const byNode = new Map<string, Set<VolumeAttachment>>()
  const detach = (name: string): void => {
    const known = attachments.get(name)
    if (!known) return
    attachments.delete(name)
    const there = byNode.get(known.spec.nodeName)
    there?.delete(known)
    if (there?.size === 0) byNode.delete(known.spec.nodeName)
  }
  const attach = (key: string, attachment: VolumeAttachment): void => {
    detach(key)
    attachments.set(key, attachment)
    const { nodeName } = attachment.spec
    byNode.set(nodeName, (byNode.get(nodeName) ?? new Set()).add(attachment))
  }
  const storage: Storage = {
    claims,
    volumes,
    classes,
    csiNodes,
    csiDrivers,
    attachments,
    attachedTo: (node) => byNode.get(node) ?? NONE,
  }
  const maps = {
    PersistentVolumeClaim: claims,
    PersistentVolume: volumes,
    StorageClass: classes,
    CSINode: csiNodes,
    CSIDriver: csiDrivers,
  }
  return {
    storage,
    apply(key: string, object: StorageObject): void {
      if (object.kind === 'VolumeAttachment') attach(key, object)
      else (maps[object.kind] as Map<string, StorageObject>).set(key, object)
    },
    remove(kind: StorageObject['kind'], key: string): void {
      if (kind === 'VolumeAttachment') detach(key)
      else maps[kind].delete(key)
    },
  }
}
