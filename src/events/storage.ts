import { z } from 'zod'
import { NodeSelector, ObjectMeta } from './kubernetes.ts'

// Where volumes let a pod go: the fields that the scheduler's volume plugins read.

export const PersistentVolumeClaim = z.object({
  kind: z.literal('PersistentVolumeClaim'),
  metadata: ObjectMeta,
  spec: z
    .object({
      accessModes: z.array(z.string()).optional(),
      storageClassName: z.string().optional(),
      volumeName: z.string().optional(),
    })
    .default({}),
  status: z.object({ phase: z.string().optional() }).default({}),
})
export type PersistentVolumeClaim = z.infer<typeof PersistentVolumeClaim>

export const PersistentVolume = z.object({
  kind: z.literal('PersistentVolume'),
  metadata: ObjectMeta,
  spec: z
    .object({
      nodeAffinity: z.object({ required: NodeSelector.optional() }).optional(),
      storageClassName: z.string().optional(),
      claimRef: z.object({ namespace: z.string().optional(), name: z.string().optional() }).optional(),
      csi: z.object({ driver: z.string(), volumeHandle: z.string().default('') }).optional(),
      // The volume plugins of old, which a CSI driver now serves.
      awsElasticBlockStore: z.object({}).optional(),
      azureDisk: z.object({}).optional(),
      azureFile: z.object({}).optional(),
      cinder: z.object({}).optional(),
      gcePersistentDisk: z.object({}).optional(),
      portworxVolume: z.object({}).optional(),
      vsphereVolume: z.object({}).optional(),
    })
    .default({}),
})
export type PersistentVolume = z.infer<typeof PersistentVolume>

export const StorageClass = z.object({
  kind: z.literal('StorageClass'),
  metadata: ObjectMeta,
  provisioner: z.string().default(''),
  volumeBindingMode: z.string().optional(),
  allowedTopologies: z
    .array(
      z.object({
        matchLabelExpressions: z.array(z.object({ key: z.string(), values: z.array(z.string()).default([]) })).optional(),
      }),
    )
    .optional(),
})
export type StorageClass = z.infer<typeof StorageClass>

export const CSINode = z.object({
  kind: z.literal('CSINode'),
  metadata: ObjectMeta,
  spec: z
    .object({
      drivers: z
        .array(z.object({ name: z.string(), allocatable: z.object({ count: z.number().optional() }).nullish() }))
        .nullish(),
    })
    .default({}),
})
export type CSINode = z.infer<typeof CSINode>

export const CSIDriver = z.object({
  kind: z.literal('CSIDriver'),
  metadata: ObjectMeta,
  spec: z.object({ storageCapacity: z.boolean().optional(), preventPodSchedulingIfMissing: z.boolean().optional() }).default({}),
})
export type CSIDriver = z.infer<typeof CSIDriver>

export const VolumeAttachment = z.object({
  kind: z.literal('VolumeAttachment'),
  metadata: ObjectMeta,
  spec: z.object({
    attacher: z.string().default(''),
    nodeName: z.string().default(''),
    source: z.object({ persistentVolumeName: z.string().optional() }).default({}),
  }),
})
export type VolumeAttachment = z.infer<typeof VolumeAttachment>
