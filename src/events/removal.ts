import { z } from 'zod'

/** How machines are removed beyond what is found by itself (Karpenter, Cluster API, a cluster-autoscaler): docs/drain.md. */
export const RemovalSettings = z.strictObject({
  /** Where somebody listens who makes a cloud's group smaller; it comes before a cluster-autoscaler. */
  webhook: z
    .strictObject({
      url: z.url({ protocol: /^https?$/ }),
      /** A file with the secret that signs the requests. */
      secretFile: z.string().min(1),
    })
    .optional(),
  clusterAutoscaler: z
    .strictObject({
      namespace: z.string().min(1).default('kube-system'),
      statusConfigMap: z.string().min(1).default('cluster-autoscaler-status'),
    })
    .default({ namespace: 'kube-system', statusConfigMap: 'cluster-autoscaler-status' }),
  /** The Node object of a machine that nothing owns is deleted; the machine itself is not, and may come back. */
  deleteNodeObjects: z.boolean().default(false),
})
export type RemovalSettings = z.infer<typeof RemovalSettings>
