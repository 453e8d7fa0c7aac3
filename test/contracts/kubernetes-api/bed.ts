import { type Client, client, type Reply, until } from '../../kubernetes-client.ts'

/** A cluster under the contract, simulated or real. */
export type ClusterUnderTest = {
  readonly url: string
  readonly token: string
  /** PEM. */
  readonly ca?: string
  /** Of somebody who may do nothing. */
  readonly nobodysToken: string
  /** Whether a watch may begin as a list, which nothing of ours relies on: Kubernetes has it from 1.34 on. */
  readonly watchLists: boolean
  /** Forgets the past and breaks what is open, as compaction and a restart of the API server do. */
  expire(): Promise<void>
  /** No controller works until the returned function is called. */
  holdControllers(): Promise<() => Promise<void>>
  stop(): Promise<void>
}

/** What the parts of the contract share: one cluster, one namespace, one node on which pods come to run. */
export type Bed = {
  readonly cluster: ClusterUnderTest
  readonly api: Client
  /** A client of somebody else's; no token asks as nobody at all. */
  as(token: string): Client
  readonly space: string
  readonly node: string
  /** Of the namespace. */
  readonly paths: {
    readonly core: string
    readonly pods: string
    readonly configMaps: string
    readonly deployments: string
    readonly budgets: string
    readonly leases: string
    readonly events: string
  }
  /** The ready pods with this label `app`, when there are so many. */
  readyPods(app: string, count: number): Promise<any[]>
  /** Waits until the controllers have looked at a budget and it allows so many. */
  settledBudget(name: string, allowed: number): Promise<unknown>
  evict(pod: string, deleteOptions?: object): Promise<Reply>
}

/** Begins the namespace and its node. */
export const openBed = async (cluster: ClusterUnderTest): Promise<Bed & { close(): Promise<void> }> => {
  const clients: Client[] = []
  const as = (token: string): Client => {
    const one = client({ url: cluster.url, token, ...(cluster.ca !== undefined && { ca: cluster.ca }) })
    clients.push(one)
    return one
  }
  const api = as(cluster.token)
  const space = `contract-${Date.now().toString(36)}`
  const paths = pathsOf(space)
  await created(api, '/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: space } })
  await addNode(api, space)
  return {
    cluster,
    api,
    as,
    space,
    node: space,
    paths,
    readyPods: (app, count) => readyPods(api, paths.pods, app, count),
    settledBudget: (name, allowed) =>
      until(`the budget ${name} allows ${allowed}`, async () => {
        const { status, metadata } = (await api.get(`${paths.budgets}/${name}`)).body
        return status?.observedGeneration === metadata.generation && status.disruptionsAllowed === allowed
      }),
    evict: (pod, deleteOptions) => api.post(`${paths.pods}/${pod}/eviction`, eviction(pod, deleteOptions)),
    close: async () => {
      await api.delete(`/api/v1/nodes/${space}`)
      await api.delete(`/api/v1/namespaces/${space}`)
      await Promise.all(clients.map((one) => one.close()))
    },
  }
}

const pathsOf = (space: string): Bed['paths'] => ({
  core: `/api/v1/namespaces/${space}`,
  pods: `/api/v1/namespaces/${space}/pods`,
  configMaps: `/api/v1/namespaces/${space}/configmaps`,
  deployments: `/apis/apps/v1/namespaces/${space}/deployments`,
  budgets: `/apis/policy/v1/namespaces/${space}/poddisruptionbudgets`,
  leases: `/apis/coordination.k8s.io/v1/namespaces/${space}/leases`,
  events: `/apis/events.k8s.io/v1/namespaces/${space}/events`,
})

/** @throws Error with the answer when it is not 201 */
export const created = async (api: Client, path: string, body: object): Promise<any> => {
  const answer = await api.post(path, body)
  if (answer.status !== 201) throw new Error(`POST ${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
  return answer.body
}

const isReady = ({ metadata, status }: any): boolean =>
  metadata.deletionTimestamp === undefined &&
  (status.conditions ?? []).some((each: any) => each.type === 'Ready' && each.status === 'True')

const readyPods = (api: Client, path: string, app: string, count: number): Promise<any[]> =>
  until(`${count} pods of ${app} are ready`, async () => {
    const ready = (await api.get(`${path}?labelSelector=app%3D${app}`)).body.items.filter(isReady)
    return ready.length === count && ready
  })

export const podSpec = {
  terminationGracePeriodSeconds: 1,
  containers: [{ name: 'main', image: 'main', resources: { requests: { cpu: '100m', memory: '64Mi' } } }],
}
/** A pod that no scheduler may place. */
export const gatedPod = (name: string, labels: Readonly<Record<string, string>> = {}) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, labels },
  spec: { ...podSpec, schedulingGates: [{ name: 'example.com/wait' }] },
})
export const deployment = (name: string, replicas: number, metadata: object = {}) => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name },
  spec: {
    replicas,
    selector: { matchLabels: { app: name } },
    template: { metadata: { ...metadata, labels: { app: name } }, spec: podSpec },
  },
})
export const budget = (name: string, app: string, spec: object) => ({
  apiVersion: 'policy/v1',
  kind: 'PodDisruptionBudget',
  metadata: { name },
  spec: { selector: { matchLabels: { app } }, ...spec },
})
export const lease = (name: string, spec: object = {}) => ({
  apiVersion: 'coordination.k8s.io/v1',
  kind: 'Lease',
  metadata: { name },
  spec,
})
export const configMap = (name: string, data: Readonly<Record<string, string>> = {}) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name },
  data,
})
export const node = (name: string) => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name, labels: { 'kubernetes.io/hostname': name, contract: 'node' } },
  status: {
    allocatable: { cpu: '32', memory: '64Gi', pods: '110' },
    capacity: { cpu: '32', memory: '64Gi', pods: '110' },
    conditions: [{ type: 'MemoryPressure', status: 'False', reason: 'KubeletHasSufficientMemory' }],
  },
})
/** A node on which pods can run: until its kubelet has said that it is ready, a real one is tainted. */
export const addNode = async (api: Client, name: string): Promise<void> => {
  await created(api, '/api/v1/nodes', node(name))
  await until(`the node ${name} is ready`, async () => (await api.get(`/api/v1/nodes/${name}`)).body.spec.taints === undefined)
}
export const eviction = (name: string, deleteOptions?: object) => ({
  apiVersion: 'policy/v1',
  kind: 'Eviction',
  metadata: { name },
  ...(deleteOptions ? { deleteOptions } : {}),
})
