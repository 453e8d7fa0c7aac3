import { claimSpec, conditions, labelSelector, nodeSelector, objectReference, quantities, volumeSources } from './pods.ts'
import type { Fields } from './rule.ts'

// Volumes and who may have them.
// Of each kind the fields beside `metadata`, from the API reference of Kubernetes 1.35.

export const storage: Readonly<Record<string, Fields>> = {
  persistentvolumes: {
    spec: {
      ...volumeSources,
      capacity: quantities,
      accessModes: ['text'],
      claimRef: objectReference,
      nodeAffinity: { required: nodeSelector },
      persistentVolumeReclaimPolicy: 'text',
      storageClassName: 'text',
      volumeMode: 'text',
      volumeAttributesClassName: 'text',
    },
    status: { phase: 'text', reason: 'text', lastPhaseTransitionTime: 'time' },
  },
  persistentvolumeclaims: {
    spec: claimSpec,
    status: { phase: 'text', accessModes: ['text'], capacity: quantities, allocatedResources: quantities, conditions },
  },
  'storageclasses.storage.k8s.io': {
    provisioner: 'text',
    reclaimPolicy: 'text',
    volumeBindingMode: 'text',
    allowVolumeExpansion: 'boolean',
    allowedTopologies: [{ matchLabelExpressions: [{ key: 'text', values: ['text'] }] }],
    parameters: { '*': 'hidden' },
  },
  'csinodes.storage.k8s.io': {
    spec: { drivers: [{ name: 'text', nodeID: 'text', topologyKeys: ['text'], allocatable: { count: 'number' } }] },
  },
  'csidrivers.storage.k8s.io': {
    spec: {
      attachRequired: 'boolean',
      podInfoOnMount: 'boolean',
      storageCapacity: 'boolean',
      preventPodSchedulingIfMissing: 'boolean',
      fsGroupPolicy: 'text',
    },
  },
  'csistoragecapacities.storage.k8s.io': {
    storageClassName: 'text',
    capacity: 'quantity',
    maximumVolumeSize: 'quantity',
    nodeTopology: labelSelector,
  },
  'volumeattachments.storage.k8s.io': {
    spec: { attacher: 'text', nodeName: 'text', source: { persistentVolumeName: 'text' } },
    status: { attached: 'boolean' },
  },
}
