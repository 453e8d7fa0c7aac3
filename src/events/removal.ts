import { z } from 'zod'

/** How machines are removed beyond what is found by itself (Karpenter, Cluster API, a cluster-autoscaler): docs/drain.md, docs/node-removal.md. */
export const RemovalSettings = z.strictObject({
  /** Auto Scaling groups of one region, with the credentials that AWS' own tools would find. */
  awsAutoScaling: z.strictObject({ region: z.string().regex(/^[a-z]{2,4}(-[a-z]+)+-\d$/, 'it is no region') }).optional(),
  /** Managed instance groups of one project, GKE's node pools among them, with Google's application default credentials. */
  gcpInstanceGroups: z.strictObject({ project: z.string().regex(/^[a-z0-9.:-]{1,64}$/, 'it is no id of a project') }).optional(),
  /** Agent pools of one AKS cluster, with the workload's or the machine's managed identity. */
  aksAgentPools: z
    .strictObject({
      /** The id of the managed cluster's resource. */
      cluster: z
        .string()
        .regex(
          /^\/subscriptions\/[0-9a-f-]{36}\/resourceGroups\/[\w.()-]{1,90}\/providers\/Microsoft\.ContainerService\/managedClusters\/[\w-]{1,63}$/i,
          'it is no /subscriptions/…/resourceGroups/…/providers/Microsoft.ContainerService/managedClusters/…',
        ),
    })
    .optional(),
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
