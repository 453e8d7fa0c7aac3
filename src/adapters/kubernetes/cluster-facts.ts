import { z } from 'zod'
import type { Cloud } from '../../events/provider.ts'
import { type ClusterFacts, Gone, type NodeFacts, type OpenShiftFacts, Refused } from '../../ports.ts'
import type { KubernetesClient } from './client.ts'
import { ListPage } from './pages.ts'

/** So many nodes tell whose they are; more would only tell it again. */
const NODES = 100
const strings = z.record(z.string(), z.string()).catch({})
/** Of a node's labels only those leave that can tell whose it is. */
const TELLING =
  /^(eks\.amazonaws\.com|alpha\.eksctl\.io|cloud\.google\.com|kubernetes\.azure\.com|kops\.k8s\.io|node\.openshift\.io|topology\.kubernetes\.io)\//
const INSTANCE_ID = 'container.googleapis.com/instance_id'

const Node = z.object({
  metadata: z.object({ name: z.string(), labels: strings.default({}), annotations: strings.default({}) }),
  spec: z.object({ providerID: z.string().optional() }).default({}),
})
const Namespace = z.object({ metadata: z.object({ uid: z.string(), annotations: strings.default({}) }) })
const Version = z.object({ gitVersion: z.string() })
const ClusterVersion = z.object({ spec: z.object({ clusterID: z.string() }) })
const Infrastructure = z.object({
  status: z.object({
    infrastructureName: z.string().optional(),
    platformStatus: z
      .object({
        type: z.string(),
        aws: z.object({ region: z.string().optional() }).optional(),
        gcp: z.object({ region: z.string().optional() }).optional(),
      })
      .optional(),
  }),
})
const DaemonSet = z.object({
  spec: z.object({
    template: z.object({
      spec: z.object({
        containers: z.array(z.object({ env: z.array(z.object({ name: z.string(), value: z.string().optional() })).default([]) })),
      }),
    }),
  }),
})

/** kOps' addon manager notes on kube-system where its channel is. */
const ADDON = 'addons.k8s.io/core.addons.k8s.io'
const Addon = z.object({ channel: z.string().max(1024) })

/**
 * What the Kubernetes API tells about whose cluster it is. Only lists are asked of the kinds that the agent lists anyway, so
 * that it needs no further power for them; OpenShift's own two objects are read where they are served.
 * @param host the API server's, as we reach it
 * @param ownNode the node that this process runs on, if it was told
 */
export const clusterFacts =
  (client: KubernetesClient, host: string, ownNode?: string) =>
  async (signal?: AbortSignal): Promise<ClusterFacts> => {
    const unread: string[] = []
    const asked: Asked = async (path, schema, query = {}) => {
      try {
        const answer = schema.safeParse(await client.request('GET', path, { query, signal }))
        if (answer.success) return answer.data
        unread.push(`GET ${path}: the answer makes no sense: ${z.prettifyError(answer.error).slice(0, 200)}`)
      } catch (error) {
        if (error instanceof Refused) unread.push(error.message)
        else if (!(error instanceof Gone)) throw error
      }
      return undefined
    }
    const one = async <T>(collection: string, name: string, schema: z.ZodType<T>): Promise<T | undefined> => {
      const page = await asked(collection, ListPage, { fieldSelector: `metadata.name=${name}`, limit: 1 })
      return schema.safeParse(page?.items?.[0]).data
    }
    const own = ownNode === undefined ? undefined : one('/api/v1/nodes', ownNode, Node)
    const [version, namespace, page, node, vpcCni, openshift] = await Promise.all([
      asked('/version', Version),
      one('/api/v1/namespaces', 'kube-system', Namespace),
      asked('/api/v1/nodes', ListPage, { limit: NODES }),
      own,
      one('/apis/apps/v1/namespaces/kube-system/daemonsets', 'aws-node', DaemonSet),
      openshiftFacts(asked),
    ])
    const nodes = (page?.items ?? []).flatMap((item) => nodeFacts(Node.safeParse(item).data))
    return {
      host,
      gitVersion: version?.gitVersion,
      clusterId: namespace?.metadata.uid,
      addonChannel: channelIn(namespace?.metadata.annotations[ADDON]),
      nodes: [...nodeFacts(node), ...nodes.filter(({ name }) => name !== node?.metadata.name)],
      allNodes: !page?.metadata.continue,
      vpcCniClusterName: clusterNameIn(vpcCni),
      openshift,
      unread,
    }
  }

type Asked = <T>(path: string, schema: z.ZodType<T>, query?: Record<string, string | number>) => Promise<T | undefined>

const nodeFacts = (node: z.infer<typeof Node> | undefined): NodeFacts[] => {
  if (!node) return []
  const { name, labels, annotations } = node.metadata
  const telling = Object.fromEntries(Object.entries(labels).filter(([label]) => TELLING.test(label)))
  return [{ name, labels: telling, providerID: node.spec.providerID, instanceId: annotations[INSTANCE_ID] }]
}

const channelIn = (annotation: string | undefined): string | undefined => {
  try {
    return Addon.safeParse(JSON.parse(annotation ?? 'null')).data?.channel
  } catch (error) {
    if (error instanceof SyntaxError) return undefined // not written by kOps
    throw error
  }
}

const clusterNameIn = (daemonSet: z.infer<typeof DaemonSet> | undefined): string | undefined =>
  daemonSet?.spec.template.spec.containers.flatMap(({ env }) => env).find(({ name }) => name === 'CLUSTER_NAME')?.value

const OPENSHIFT = '/apis/config.openshift.io/v1'
const Served = z.object({ resources: z.array(z.object({ name: z.string() })) })
const CLOUDS: Readonly<Record<string, Cloud>> = { AWS: 'AWS', GCP: 'GCP', Azure: 'Azure' }

// Whether the group is served everybody may ask; whether its objects may be read is another question.
const openshiftFacts = async (asked: Asked): Promise<OpenShiftFacts | undefined> => {
  const served = await asked(OPENSHIFT, Served)
  if (!served?.resources.some(({ name }) => name === 'clusterversions')) return undefined
  const [version, infrastructure] = await Promise.all([
    asked(`${OPENSHIFT}/clusterversions/version`, ClusterVersion),
    asked(`${OPENSHIFT}/infrastructures/cluster`, Infrastructure),
  ])
  const { infrastructureName, platformStatus } = infrastructure?.status ?? {}
  return {
    clusterId: version?.spec.clusterID,
    name: infrastructureName,
    cloud: CLOUDS[platformStatus?.type ?? ''],
    region: platformStatus?.aws?.region ?? platformStatus?.gcp?.region,
  }
}
