import type { KubernetesItem } from './things.ts'

export const DRIVER = 'disk.csi.example'
const allowed = (key: string, ...values: readonly string[]) => ({ matchLabelExpressions: [{ key, values }] })

const classOf = (name: string, more: object): KubernetesItem => ({
  apiVersion: 'storage.k8s.io/v1',
  kind: 'StorageClass',
  metadata: { name },
  provisioner: DRIVER,
  reclaimPolicy: 'Delete',
  volumeBindingMode: 'WaitForFirstConsumer',
  ...more,
})
/** Those whose volumes are made where the pod goes. */
export const WAITING = ['waiting', 'waiting-ssd', 'waiting-north'] as const
export const classes: readonly KubernetesItem[] = [
  classOf('waiting', {}),
  classOf('waiting-ssd', { allowedTopologies: [allowed('disk', 'ssd', 'nvme')] }),
  classOf('waiting-north', {
    allowedTopologies: [allowed('topology.kubernetes.io/zone', 'a'), allowed('topology.kubernetes.io/zone', 'b')],
  }),
  classOf('immediate', { volumeBindingMode: 'Immediate' }),
  { apiVersion: 'storage.k8s.io/v1', kind: 'CSIDriver', metadata: { name: DRIVER }, spec: { attachRequired: true } },
]

/** Of each namespace the claim that many pods use at once. */
export const SHARED = 'shared'

type Volume = { readonly labels?: Readonly<Record<string, string>>; readonly nodeAffinity?: object; readonly driver?: string }
type Claim = { readonly namespace: string; readonly name: string; readonly accessModes?: readonly string[] }
const CAPACITY = { storage: '1Gi' }

/** A claim that waits for its volume. */
export const openClaim = (
  { namespace, name, accessModes = ['ReadWriteOnce'] }: Claim,
  storageClassName: string,
): KubernetesItem => ({
  apiVersion: 'v1',
  kind: 'PersistentVolumeClaim',
  metadata: { name, namespace, uid: `claim-${namespace}-${name}` },
  spec: { accessModes, storageClassName, resources: { requests: CAPACITY } },
  status: { phase: 'Pending' },
})

const volumeOf = ({ namespace, name }: Claim): string => `volume-${namespace}-${name}`

/** A claim and the volume that it is bound to. */
export const boundClaim = (claim: Claim, { labels = {}, nodeAffinity, driver = DRIVER }: Volume): readonly KubernetesItem[] => {
  const { namespace, name, accessModes = ['ReadWriteOnce'] } = claim
  const volumeName = volumeOf(claim)
  const open = openClaim(claim, 'waiting')
  return [
    {
      ...open,
      metadata: { ...open.metadata, annotations: { 'pv.kubernetes.io/bind-completed': 'yes' } },
      spec: { ...(open['spec'] as object), volumeName },
      status: { phase: 'Bound', accessModes, capacity: CAPACITY },
    },
    {
      apiVersion: 'v1',
      kind: 'PersistentVolume',
      metadata: { name: volumeName, uid: volumeName, labels },
      spec: {
        accessModes,
        capacity: CAPACITY,
        storageClassName: 'waiting',
        claimRef: { kind: 'PersistentVolumeClaim', namespace, name, uid: `claim-${namespace}-${name}` },
        csi: { driver, volumeHandle: `handle-${volumeName}` },
        ...(nodeAffinity !== undefined && { nodeAffinity: { required: nodeAffinity } }),
      },
      status: { phase: 'Bound' },
    },
  ]
}

export const usesClaim = (...claims: readonly string[]): readonly object[] =>
  claims.map((claimName, index) => ({ name: `data-${index}`, persistentVolumeClaim: { claimName } }))

/** That a claim's volume is attached to a node. */
export const attachment = (claim: Claim, nodeName: string): KubernetesItem => ({
  apiVersion: 'storage.k8s.io/v1',
  kind: 'VolumeAttachment',
  metadata: { name: `${volumeOf(claim)}-${nodeName}` },
  spec: { attacher: DRIVER, nodeName, source: { persistentVolumeName: volumeOf(claim) } },
  status: { attached: true },
})
