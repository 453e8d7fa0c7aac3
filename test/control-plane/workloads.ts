import { type Client, until } from '../kubernetes-client.ts'
import { smallPod } from './objects.ts'

const POOL = 'test/pool'

/** Only what asks for the pool is scheduled there. */
export const pooled = async (api: Client, nodes: readonly string[], pool: string): Promise<void> => {
  for (const name of nodes) await api.patch(`/api/v1/nodes/${name}`, { metadata: { labels: { [POOL]: pool } } })
}

type Workload = {
  readonly replicas: number
  readonly pool: string
  readonly namespace?: string
  /** How long a pod of kwok's takes to begin and to end: `2s`. */
  readonly startsIn?: string
  readonly endsIn?: string
}

const made = async (api: Client, path: string, body: object): Promise<void> => {
  const { status, body: answer } = await api.post(path, body)
  if (status !== 201) throw new Error(`POST ${path}: ${status} ${JSON.stringify(answer)}`)
}

/** Without any grace the API server takes a pod away at once, and kwok has nothing to end. */
const GRACE = { terminationGracePeriodSeconds: 30 }

/** A Deployment in a pool of nodes, its pods labelled `app: NAME`. */
export const deploy = (
  api: Client,
  name: string,
  { replicas, pool, namespace = 'default', startsIn, endsIn }: Workload,
): Promise<void> => {
  const { spec, metadata } = smallPod(name, { nodeSelector: { [POOL]: pool } }, { app: name })
  const annotations = {
    ...(startsIn !== undefined && { 'pod-ready.stage.kwok.x-k8s.io/delay': startsIn }),
    ...(endsIn !== undefined && { 'pod-delete.stage.kwok.x-k8s.io/delay': endsIn }),
  }
  return made(api, `/apis/apps/v1/namespaces/${namespace}/deployments`, {
    metadata: { name },
    spec: {
      replicas,
      selector: { matchLabels: { app: name } },
      template: { metadata: { labels: metadata.labels, annotations }, spec: { ...spec, ...(endsIn && GRACE) } },
    },
  })
}

export const protect = (api: Client, name: string, app: string, spec: object, namespace = 'default'): Promise<void> =>
  made(api, `/apis/policy/v1/namespaces/${namespace}/poddisruptionbudgets`, {
    metadata: { name },
    spec: { selector: { matchLabels: { app } }, ...spec },
  })

/** Waits until all replicas are ready. */
export const deployed = (api: Client, name: string, replicas: number, namespace = 'default'): Promise<unknown> =>
  until(
    `${replicas} replicas of ${name} are ready`,
    async () => {
      const { body } = await api.get(`/apis/apps/v1/namespaces/${namespace}/deployments/${name}`)
      return body.status?.readyReplicas === replicas
    },
    { longestMs: 600_000, stepMs: 250 },
  )

/** Waits until the controller counts what the budget protects. */
export const counted = (api: Client, name: string, pods: number, namespace = 'default'): Promise<unknown> =>
  until(`budget ${name} protects ${pods} pods`, async () => {
    const { body } = await api.get(`/apis/policy/v1/namespaces/${namespace}/poddisruptionbudgets/${name}`)
    return body.status?.expectedPods === pods && body.status.currentHealthy === pods
  })

export const podsOn = async (api: Client, node: string): Promise<readonly any[]> =>
  (await api.get(`/api/v1/pods?fieldSelector=spec.nodeName%3D${node}`)).body.items
