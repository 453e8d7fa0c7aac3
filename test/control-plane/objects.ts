import { type Client, until } from '../kubernetes-client.ts'

/** Requests under way at once. */
const PARALLEL = 32
/** Thousands of objects take minutes on a busy machine, and asking after them often makes that longer. */
const MANY = { longestMs: 600_000, stepMs: 250 }

type Capacity = { readonly cpu?: string; readonly memory?: string; readonly pods?: string }

/** A node as kwok's machines are. Its zone follows from its index. */
const kwokNode = (name: string, index: number, { cpu = '32', memory = '128Gi', pods = '110' }: Capacity = {}) => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: {
    name,
    labels: {
      'kubernetes.io/hostname': name,
      'kubernetes.io/os': 'linux',
      'kubernetes.io/arch': 'amd64',
      'node.kubernetes.io/instance-type': 'm6i.8xlarge',
      'topology.kubernetes.io/region': 'region-1',
      'topology.kubernetes.io/zone': `zone-${index % 3}`,
    },
  },
  spec: { providerID: `kwok://${name}` },
  status: { allocatable: { cpu, memory, pods }, capacity: { cpu, memory, pods } },
})

/** A pod that asks for little and goes at once. */
export const smallPod = (name: string, spec: object = {}, labels: Readonly<Record<string, string>> = {}) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, labels },
  spec: {
    automountServiceAccountToken: false,
    terminationGracePeriodSeconds: 0,
    containers: [{ name: 'main', image: 'main', resources: { requests: { cpu: '100m', memory: '64Mi' } } }],
    ...spec,
  },
})

/** Makes `count` nodes, `node-00000` and on, and waits until kwok has made them ready. @returns their names */
export const addNodes = async (api: Client, count: number, prefix = 'node'): Promise<readonly string[]> => {
  const names = Array.from({ length: count }, (_, index) => `${prefix}-${String(index).padStart(5, '0')}`)
  await inParallel(names, async (name, index) => created(api, '/api/v1/nodes', kwokNode(name, index)))
  await until(
    `${count} nodes are ready`,
    async () => {
      const { items } = (await api.get('/api/v1/nodes')).body
      const isReady = ({ spec, status }: any): boolean =>
        !spec.taints && (status.conditions ?? []).some((each: any) => each.type === 'Ready' && each.status === 'True')
      return items.filter(isReady).length >= count
    },
    MANY,
  )
  return names
}

/**
 * Makes `count` pods, `pod-00000` and on, bound to the nodes in turn: the scheduler is not asked, which makes many of them
 * cheap. @returns their names
 */
export const addPods = async (
  api: Client,
  count: number,
  nodes: readonly string[],
  { namespace = 'default', prefix = 'pod' }: { readonly namespace?: string; readonly prefix?: string } = {},
): Promise<readonly string[]> => {
  const names = Array.from({ length: count }, (_, index) => `${prefix}-${String(index).padStart(5, '0')}`)
  await inParallel(names, async (name, index) =>
    created(
      api,
      `/api/v1/namespaces/${namespace}/pods`,
      smallPod(name, { nodeName: nodes[index % nodes.length] }, { app: prefix }),
    ),
  )
  return names
}

/** Waits until the namespace has so many pods and all of them are Running. */
export const podsRunning = (api: Client, count: number, namespace = 'default'): Promise<unknown> =>
  until(
    `${count} pods are running`,
    async () => {
      const path = `/api/v1/namespaces/${namespace}/pods?limit=1`
      const { items, metadata } = (await api.get(path)).body
      if (items.length + (metadata.remainingItemCount ?? 0) < count) return false
      return (await api.get(`${path}&fieldSelector=status.phase!%3DRunning`)).body.items.length === 0
    },
    MANY,
  )

export const created = async (api: Client, path: string, body: object): Promise<void> => {
  const { status, body: answer } = await api.post(path, body)
  if (status !== 201) throw new Error(`POST ${path}: ${status} ${JSON.stringify(answer)}`)
}

/** Runs the work for each item, a bounded number at once. */
const inParallel = async <Item>(items: readonly Item[], work: (item: Item, index: number) => Promise<void>): Promise<void> => {
  const next = items.entries()
  await Promise.all(
    Array.from({ length: PARALLEL }, async () => {
      for (const [index, item] of next) await work(item, index)
    }),
  )
}
