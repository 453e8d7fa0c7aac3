import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { findNatsServer } from '../src/adapters/nats-server/find.ts'
import { freePort } from '../src/adapters/nats-server/ready.ts'
import { type Acting, acting, actionId } from '../test/control-plane/acting.ts'
import { findBinaries } from '../test/control-plane/binaries.ts'
import { watchBudgets } from '../test/control-plane/budget-watch.ts'
import { addNodes } from '../test/control-plane/objects.ts'
import { type ControlPlane, startControlPlane } from '../test/control-plane/start.ts'
import { counted, deploy, deployed, pooled, protect } from '../test/control-plane/workloads.ts'
import { type Figure, figure } from './figures.ts'

const NODES = Number(process.env['QM_BENCH_NODES'] ?? 100)
/** Each has one Deployment's worth of pods, spread by the scheduler over all of them. */
const PODS_PER_NODE = Number(process.env['QM_BENCH_PODS_PER_NODE'] ?? 60)
/** Of each Deployment so many may be missing at a time. */
const MISSING = 6
/** A pod of kwok's is ready so long after it was bound. */
const STARTS_S = 2
const TIMEOUT_S = 1_800
/** Drains that budgets let get nowhere are given up after so long. */
const STUCK_S = 60
/** The most requests per second of what acts: adapters/kubernetes/throttle.ts. */
const REQUESTS = 300

const progress = (message: string): void => void process.stderr.write(`${message}\n`)
const names = Array.from({ length: NODES }, (_, index) => `app-${String(index).padStart(3, '0')}`)

type Nodes = { readonly old: readonly string[]; readonly fresh: readonly string[] }
/** All pods on the old nodes, each app under its budget; then as many empty nodes beside them. */
const filled = async ({ api }: ControlPlane): Promise<Nodes> => {
  const old = await addNodes(api, NODES, 'old')
  await pooled(api, old, 'bench')
  for (const name of names) await deploy(api, name, { replicas: PODS_PER_NODE, pool: 'bench', startsIn: `${STARTS_S}s` })
  for (const name of names) await deployed(api, name, PODS_PER_NODE)
  for (const name of names) await protect(api, name, name, { maxUnavailable: MISSING })
  for (const name of names) await counted(api, name, PODS_PER_NODE)
  const fresh = await addNodes(api, NODES, 'new')
  await pooled(api, fresh, 'bench')
  return { old, fresh }
}

const drained = async (us: Acting, nodes: readonly string[], drainTimeoutSeconds = TIMEOUT_S) => {
  const orders = nodes.map((nodeName) => ({ id: actionId(), nodeName, drainTimeoutSeconds, waitForVolumeDetach: false }))
  const startedAt = performance.now()
  for (const order of orders) await us.order('DrainNode', order)
  const isEnded = ({ id }: (typeof orders)[number]): boolean =>
    us.facts(id, 'controller.ActionDone').length + us.facts(id, 'controller.ActionFailed').length > 0
  for (let open = orders; open.length > 0; open = open.filter((order) => !isEnded(order))) {
    await sleep(500)
    if (performance.now() - startedAt > TIMEOUT_S * 1_000) throw new Error(`${open.length} drains do not end`)
  }
  const seconds = (performance.now() - startedAt) / 1_000
  const blocked = orders.reduce((sum, { id }) => sum + us.facts(id, 'controller.EvictionBlocked').length, 0)
  return { seconds, blocked, failed: orders.filter(({ id }) => us.facts(id, 'controller.ActionFailed').length > 0).length }
}

/** The nodes that hold the pods now are drained at once while no budget lets a pod go: all is to end, and as it was before. */
const stuck = async (us: Acting, { api }: ControlPlane, nodes: readonly string[]): Promise<readonly Figure[]> => {
  for (const name of names) {
    await counted(api, name, PODS_PER_NODE)
    await api.patch(`/apis/policy/v1/namespaces/default/poddisruptionbudgets/${name}`, { spec: { maxUnavailable: 0 } })
  }
  const judge = await watchBudgets(api)
  const { seconds, failed } = await drained(us, nodes, STUCK_S)
  await judge.stop()
  const { items }: { readonly items: readonly { readonly metadata: { readonly name: string }; readonly spec: Cordoned }[] } = (
    await api.get('/api/v1/nodes')
  ).body
  const given = items.filter(({ metadata, spec }) => nodes.includes(metadata.name) && !spec.unschedulable)
  return [
    figure(`the same with budgets of 0, given up after ${STUCK_S} s: until all have ended`, seconds, 's'),
    figure('… drains that failed, as they have to', failed, '', { atLeast: nodes.length }),
    figure('… nodes given back', given.length, '', { atLeast: nodes.length }),
    figure('… fewest healthy pods of any app at any moment', fewestOf(judge), 'pods', { atLeast: PODS_PER_NODE }),
    figure('… memory of the process at most, since its start', mostMemory(us), 'MiB'),
  ]
}
type Cordoned = { readonly unschedulable?: boolean }
const fewestOf = (judge: Awaited<ReturnType<typeof watchBudgets>>): number =>
  Math.min(...names.map((name) => judge.fewest().get(name) ?? Number.NaN))
/** Linux alone. MiB. */
const mostMemory = (us: Acting): number =>
  Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${us.up().child.pid}/status`, 'utf8'))?.[1]) / 1_024

/** Requests to evict, by what was answered: the API server's own count. */
const evictions = async ({ api }: ControlPlane): Promise<ReadonlyMap<string, number>> => {
  const text = String((await api.get('/metrics')).body)
  const found = new Map<string, number>()
  for (const [, labels = '', value = '0'] of text.matchAll(
    /^apiserver_request_total\{([^}]*subresource="eviction"[^}]*)\} (\S+)/gm,
  )) {
    const [, code = ''] = /\bcode="(\d+)"/.exec(labels) ?? []
    found.set(code, (found.get(code) ?? 0) + Number(value))
  }
  return found
}

type Placed = {
  readonly metadata: {
    readonly name: string
    readonly namespace: string
    readonly uid: string
    readonly labels: { readonly app: string }
  }
}

/**
 * What the control plane itself needs on this machine: the same pods, evicted once more by a loop that keeps no journal, and
 * that sees in the API's own events, without any way to go, how many of each app are healthy.
 */
const straight = async ({ api }: ControlPlane): Promise<number> => {
  for (const name of names) await counted(api, name, PODS_PER_NODE)
  const pods: readonly Placed[] = (await api.get('/api/v1/namespaces/default/pods?labelSelector=app')).body.items
  const judge = await watchBudgets(api)
  const startedAt = performance.now()
  const evict = async ({ metadata: { name, uid, namespace, labels } }: Placed): Promise<void> => {
    const body = {
      apiVersion: 'policy/v1',
      kind: 'Eviction',
      metadata: { name, namespace },
      deleteOptions: { preconditions: { uid } },
    }
    for (let status = 429; status === 429; ) {
      while (judge.healthy(labels.app) <= PODS_PER_NODE - MISSING) await sleep(20)
      status = (await api.post(`/api/v1/namespaces/${namespace}/pods/${name}/eviction`, body)).status
      if (status === 429) await sleep(50)
    }
  }
  const evicted = names.map(async (app) => {
    for (const pod of pods.filter(({ metadata }) => metadata.labels.app === app)) await evict(pod)
  })
  await Promise.all(evicted)
  const seconds = (performance.now() - startedAt) / 1_000
  await judge.stop()
  return seconds
}

const scraped = async (metrics: string): Promise<string> => (await fetch(`http://${metrics}/metrics`)).text()

/** What the acting process says of itself. @param before what it said when it had started */
const spent = async (us: Acting, before: string, metrics: string): Promise<readonly Figure[]> => {
  const text = await scraped(metrics)
  const longest = (name: string): number => longestIn(bucketsIn(before, name), bucketsIn(text, name)) * 1_000
  const sum = (pattern: RegExp): number => [...text.matchAll(pattern)].reduce((total, [, value]) => total + Number(value), 0)
  const asked = (code: string): number =>
    sum(new RegExp(`^quartermaster_kubernetes_request_duration_seconds_count\\{[^}]*code="${code}"[^}]*\\} (\\S+)`, 'gm'))
  return [
    figure('… requests to the API', asked('[^"]*'), ''),
    figure('… of them answered with 429', asked('429'), ''),
    figure('… commits', sum(/^quartermaster_commits_total\{[^}]*\} (\S+)/gm), ''),
    figure('… longest commit at most', longest('quartermaster_commit_duration_seconds'), 'ms'),
    figure('… event loop held up at most', longest('quartermaster_event_loop_delay_seconds'), 'ms'),
    figure('… of that, CPU time of its thread at most', longest('quartermaster_event_loop_cpu_seconds'), 'ms', {
      atMost: 50,
    }),
    figure('… CPU of the process', sum(/^process_cpu_seconds_total (\S+)/gm), 's'),
    figure('… memory of the process at most', mostMemory(us), 'MiB'),
  ]
}
const bucketsIn = (text: string, name: string): readonly (readonly [bound: number, count: number])[] =>
  [...text.matchAll(new RegExp(`^${name}_bucket\\{le="([^"]+)"\\} (\\S+)`, 'gm'))].map(([, bound = '', count]) => [
    bound === '+Inf' ? Number.POSITIVE_INFINITY : Number(bound),
    Number(count),
  ])
/** The bound of the last bucket into which anything came meanwhile. */
const longestIn = (before: ReturnType<typeof bucketsIn>, after: ReturnType<typeof bucketsIn>): number => {
  const grown = after.map(([bound, count], index) => [bound, count - (before[index]?.[1] ?? 0)] as const)
  const all = grown.at(-1)?.[1]
  return grown.find(([, count]) => count === all)?.[0] ?? Number.NaN
}

/** A hundred nodes drained at once over a real control plane, judged by a watcher of its own. */
export const run = async (): Promise<readonly Figure[]> => {
  const { path: nats } = await findNatsServer({ onProgress: progress })
  await using plane = await startControlPlane({ binaries: await findBinaries({ onProgress: progress }) })
  const { old, fresh } = await filled(plane)
  progress(`bench: ${NODES} nodes with ${NODES * PODS_PER_NODE} pods are there`)
  const metrics = `127.0.0.1:${await freePort()}`
  await using us = await acting({ server: plane.url, token: plane.token, ca: plane.ca, nats, more: ['--metrics', metrics] })
  const judge = await watchBudgets(plane.api)
  const before = await scraped(metrics)
  const { seconds, blocked, failed } = await drained(us, old)
  await judge.stop()
  const answers = await evictions(plane)
  const ours = await spent(us, before, metrics)
  progress(`bench: drained in ${seconds.toFixed(1)} s; now without us`)
  const alone = await straight(plane)
  progress('bench: and drains that get nowhere')
  const nowhere = await stuck(us, plane, fresh)
  const pods = NODES * PODS_PER_NODE
  // As fast as the budgets allow, if scheduling took no time: rounds of as many as may be missing, each as long as a start.
  const byBudgets = Math.ceil(PODS_PER_NODE / MISSING) * STARTS_S
  const title = `${NODES} nodes × ${PODS_PER_NODE} pods drained at once, ${NODES} budgets of ${MISSING}`
  return [
    figure(`${title}: until all are empty`, seconds, 's'),
    figure('… theoretical: the budgets alone', byBudgets, 's'),
    figure(`… theoretical: one request per pod at ${REQUESTS}/s alone`, pods / REQUESTS, 's'),
    figure('… the control plane alone: the same evictions by a loop without a journal', alone, 's'),
    figure('… drains that failed', failed, '', { atMost: 0 }),
    figure('… fewest healthy pods of any app at any moment', fewestOf(judge), 'pods', { atLeast: PODS_PER_NODE - MISSING }),
    figure('… evictions granted (201)', answers.get('201') ?? 0, ''),
    figure('… evictions refused by a budget (429)', answers.get('429') ?? 0, ''),
    figure('… refused per granted', (answers.get('429') ?? 0) / (answers.get('201') ?? Number.NaN), '', { atMost: 2 }),
    figure('… pods that had to wait for their budget', blocked, ''),
    ...ours,
    ...nowhere,
  ]
}
