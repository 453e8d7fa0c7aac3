import type { PersistentVolume, PersistentVolumeClaim, StorageClass } from '../../../events/storage.ts'
import type { Shape } from '../model/shape.ts'
import type { Model } from '../model.ts'

/** What a claim of a pod comes to: its volume, the class that will provide one where the pod goes, or why neither. */
export type Claimed =
  | { readonly is: 'bound'; readonly claim: PersistentVolumeClaim; readonly volume: PersistentVolume }
  | { readonly is: 'awaited'; readonly claim: PersistentVolumeClaim | undefined; readonly provider: StorageClass }
  | { readonly is: 'refused'; readonly message: string }
  | { readonly is: 'undecided'; readonly what: string }

const BETA_CLASS = 'volume.beta.kubernetes.io/storage-class'
const BOUND = 'pv.kubernetes.io/bind-completed'
const SELECTED = 'volume.kubernetes.io/selected-node'
const IN_TREE = [
  'awsElasticBlockStore',
  'azureDisk',
  'azureFile',
  'cinder',
  'gcePersistentDisk',
  'portworxVolume',
  'vsphereVolume',
] as const

const isBound = ({ metadata, spec, status }: PersistentVolumeClaim): boolean =>
  !!spec.volumeName && (status.phase === 'Bound' || metadata.annotations?.[BOUND] !== undefined)

const boundTo = ({ storage }: Model, claim: PersistentVolumeClaim): Claimed => {
  const volume = storage.volumes.get(claim.spec.volumeName ?? '')
  if (!volume) return { is: 'undecided', what: `uses the claim ${claim.metadata.name}, whose volume is not known` }
  const plugin = IN_TREE.find((name) => volume.spec[name] !== undefined)
  if (plugin) return { is: 'undecided', what: `uses a volume of the in-tree plugin ${plugin}, which is not simulated` }
  return { is: 'bound', claim, volume }
}

/** A volume that is still to be made: where, its class says. */
const awaited = ({ storage }: Model, className: string, claim: PersistentVolumeClaim | undefined): Claimed => {
  const provider = storage.classes.get(className)
  if (!provider) return { is: 'undecided', what: `waits for a volume of the storage class "${className}", which is not known` }
  if (provider.volumeBindingMode !== 'WaitForFirstConsumer')
    return claim
      ? { is: 'refused', message: 'pod has unbound immediate PersistentVolumeClaims' }
      : { is: 'undecided', what: `gets a volume of the class ${className} before it has a node` }
  if (provider.provisioner === '' || provider.provisioner === 'kubernetes.io/no-provisioner')
    return { is: 'undecided', what: `waits for a volume of the class ${className}, which people make` }
  if (storage.csiDrivers.get(provider.provisioner)?.spec.storageCapacity)
    return { is: 'undecided', what: `waits for a volume of ${provider.provisioner}, whose free capacity decides` }
  for (const { spec } of storage.volumes.values())
    if (spec.storageClassName === className && !spec.claimRef)
      return { is: 'undecided', what: `may take one of the free volumes of the class ${className}` }
  return { is: 'awaited', claim, provider }
}

const claimed = (model: Model, claim: PersistentVolumeClaim): Claimed => {
  const { metadata, spec, status } = claim
  if (status.phase === 'Lost') return { is: 'refused', message: `persistentvolumeclaim "${metadata.name}" has lost its volume` }
  if (metadata.deletionTimestamp !== undefined)
    return { is: 'refused', message: `persistentvolumeclaim "${metadata.name}" is being deleted` }
  if (isBound(claim)) return boundTo(model, claim)
  if (spec.volumeName) return { is: 'refused', message: 'pod has unbound immediate PersistentVolumeClaims' }
  if (metadata.annotations?.[SELECTED] !== undefined)
    return { is: 'undecided', what: 'waits for a volume at a node that is already chosen' }
  const className = metadata.annotations?.[BETA_CLASS] ?? spec.storageClassName ?? ''
  if (className === '') return { is: 'refused', message: 'pod has unbound immediate PersistentVolumeClaims' }
  return awaited(model, className, claim)
}

type Kept = { readonly at: number; readonly claims: readonly Claimed[] }
const kept = new WeakMap<Shape, Kept>()

/**
 * What each claim of the shape comes to. The claim of an ephemeral volume is made anew with the pod, so only its class
 * counts. Kept while no object but nodes and pods changes. Source: `plugins/volumebinding/binder.go` GetPodVolumeClaims.
 */
export const claimsOf = (model: Model, shape: Shape): readonly Claimed[] => {
  const known = kept.get(shape)
  if (known?.at === model.booksVersion()) return known.claims
  const claims = (shape.spec.volumes ?? []).flatMap(({ persistentVolumeClaim, ephemeral }): readonly Claimed[] => {
    if (persistentVolumeClaim) {
      const claim = model.storage.claims.get(`${shape.namespace}/${persistentVolumeClaim.claimName}`)
      if (claim) return [claimed(model, claim)]
      return [{ is: 'undecided', what: `uses the claim ${persistentVolumeClaim.claimName}, which is not known` }]
    }
    if (!ephemeral) return []
    const className = ephemeral.volumeClaimTemplate?.spec.storageClassName
    if (className === undefined) return [{ is: 'undecided', what: 'uses an ephemeral volume of the default storage class' }]
    return [awaited(model, className, undefined)]
  })
  kept.set(shape, { at: model.booksVersion(), claims })
  return claims
}
