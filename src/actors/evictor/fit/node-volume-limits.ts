import type { PersistentVolume, PersistentVolumeClaim } from '../../../events/storage.ts'
import type { Model, NodeEntry } from '../model.ts'
import { type Claimed, claimsOf } from './claims.ts'
import { type Refusal, type Rule, refusal, undecided } from './rule.ts'

const NAME = 'NodeVolumeLimits'
const UNKNOWN = undecided(NAME, 'has volumes, and how many can be attached to a node that is to be launched is not known')
const FULL = refusal(NAME, 'node(s) exceed max volume count')

/** A volume as the driver counts it: one that several pods use is one. */
type Attached = { readonly driver: string; readonly id: string }

/** What stands in for the plugins of old (csi-translation-lib); none of these volumes is ever moved, they only count. */
const DRIVERS = {
  awsElasticBlockStore: 'ebs.csi.aws.com',
  azureDisk: 'disk.csi.azure.com',
  cinder: 'cinder.csi.openstack.org',
  gcePersistentDisk: 'pd.csi.storage.gke.io',
  portworxVolume: 'pxd.portworx.com',
} as const
const driverOf = ({ metadata, spec }: PersistentVolume): Attached | undefined => {
  if (spec.csi) return { driver: spec.csi.driver, id: `${spec.csi.driver}/${spec.csi.volumeHandle}` }
  const plugin = (Object.keys(DRIVERS) as (keyof typeof DRIVERS)[]).find((name) => spec[name] !== undefined)
  return plugin && { driver: DRIVERS[plugin], id: `${DRIVERS[plugin]}//${metadata.name}` }
}

const pendingId = ({ metadata: { namespace, name } }: PersistentVolumeClaim): string => `new/${namespace}/${name}`

const attachedBy = (claimed: Claimed, index: number): Attached | undefined => {
  if (claimed.is === 'bound') return claimed.volume.spec.csi && driverOf(claimed.volume)
  if (claimed.is !== 'awaited') return undefined
  const { claim, provider } = claimed
  return { driver: provider.provisioner, id: claim ? pendingId(claim) : `new/${index}` }
}

/** The volumes that the pods of a node use, each with its driver. */
const usedOn = ({ storage }: Model, { claims }: NodeEntry): ReadonlyMap<string, string> => {
  const found = new Map<string, string>()
  for (const key of claims.keys()) {
    const claim = storage.claims.get(key)
    const volume = storage.volumes.get(claim?.spec.volumeName ?? '')
    const provider = storage.classes.get(claim?.spec.storageClassName ?? '')
    const attached = volume && driverOf(volume)
    if (attached) found.set(attached.id, attached.driver)
    else if (!volume && claim && provider) found.set(pendingId(claim), provider.provisioner)
  }
  return found
}

/** What is attached to a node all the same: just being detached, or just being attached. */
const attachedTo = ({ storage }: Model, { name }: NodeEntry): ReadonlyMap<string, string> => {
  const found = new Map<string, string>()
  for (const { spec } of storage.attachedTo(name)) {
    const csi = storage.volumes.get(spec.source.persistentVolumeName ?? '')?.spec.csi
    if (csi && spec.attacher !== '') found.set(`${spec.attacher}/${csi.volumeHandle}`, spec.attacher)
  }
  return found
}
/** Volumes of a driver on a node. */
const countOf = (driver: string, used: ReadonlyMap<string, string>, attached: ReadonlyMap<string, string>): number =>
  [...used.values(), ...[...attached].filter(([id]) => !used.has(id)).map(([, by]) => by)].filter((by) => by === driver).length

const missing = ({ storage }: Model, drivers: ReadonlySet<string>, node: string): Refusal | undefined => {
  for (const driver of drivers)
    if (
      storage.csiDrivers.get(driver)?.spec.preventPodSchedulingIfMissing &&
      !storage.csiNodes.get(node)?.spec.drivers?.some(({ name }) => name === driver)
    )
      return refusal(NAME, `${driver} CSI driver is not installed on the node`, 'CSIDriverMissing')
  return undefined
}

/** How many volumes of a CSI driver a node may have (CSINode). Source: `plugins/nodevolumelimits/csi.go`. */
export const nodeVolumeLimits: Rule = {
  name: NAME,
  onNode: (model, shape) => {
    const wanted = claimsOf(model, shape).flatMap((claimed, index) => attachedBy(claimed, index) ?? [])
    if (wanted.length === 0) return undefined
    const drivers = new Set(wanted.map(({ driver }) => driver))
    return (node) => {
      if (node.planned && !model.storage.csiNodes.has(node.like)) return UNKNOWN
      const absent = missing(model, drivers, node.like)
      if (absent) return absent
      const limits = (model.storage.csiNodes.get(node.like)?.spec.drivers ?? []).filter(
        ({ name, allocatable }) => allocatable?.count !== undefined && drivers.has(name),
      )
      if (limits.length === 0) return undefined
      const used = usedOn(model, node)
      const attached = attachedTo(model, node)
      const isFull = limits.some(({ name, allocatable }) => {
        // A volume of the pod's own that is attached, and that no pod there uses, counts twice: the plugin does so too.
        const fresh = new Set(wanted.filter(({ driver, id }) => driver === name && !used.has(id)).map(({ id }) => id))
        return fresh.size > 0 && countOf(name, used, attached) + fresh.size > (allocatable?.count ?? 0)
      })
      return isFull ? FULL : undefined
    }
  },
}
