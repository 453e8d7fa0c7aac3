import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import { apiVersionOf } from '../../src/adapters/kubernetes/pages.ts'
import { collectionPath } from '../../src/adapters/kubernetes/paths.ts'
import { catalogue } from '../../src/events/kinds.ts'
import { rawNode, rawPod } from './pod.ts'

// An API server out of a can, in a process of its own: its pages are made beforehand, so that only the client is measured.
// `node api.ts NODES PODS`; says its port, and obeys {perSecond, seconds}: that many changes to pods.

const [nodes = 0, pods = 0] = process.argv.slice(2).map(Number)
const FIRST = 1_000_000
const BOOKMARK_MS = 60_000
/** As kube-apiserver compresses. */
const LEVEL = 1
const PAGE = 500

type Shelf = { readonly count: number; readonly item: (index: number) => object }
const shelves: Readonly<Record<string, Shelf>> = {
  '/api/v1/nodes': { count: nodes, item: (index) => rawNode(index, String(index + 1)) },
  '/api/v1/pods': { count: pods, item: (index) => rawPod(index, String(index + 1)) },
}
const served: Readonly<Record<string, readonly string[]>> = {
  '': [
    'nodes',
    'pods',
    'namespaces',
    'persistentvolumes',
    'persistentvolumeclaims',
    'replicationcontrollers',
    'services',
    'events',
    'limitranges',
    'resourcequotas',
  ],
  apps: ['deployments', 'replicasets', 'daemonsets', 'statefulsets'],
  batch: ['jobs', 'cronjobs'],
  policy: ['poddisruptionbudgets'],
  autoscaling: ['horizontalpodautoscalers'],
  'events.k8s.io': ['events'],
  'storage.k8s.io': ['storageclasses', 'csinodes'],
  'networking.k8s.io': ['ingresses', 'networkpolicies'],
  'rbac.authorization.k8s.io': ['roles', 'rolebindings', 'clusterroles', 'clusterrolebindings'],
  'resource.k8s.io': ['deviceclasses', 'resourceclaims', 'resourceclaimtemplates', 'resourceslices'],
  'karpenter.sh': ['nodepools', 'nodeclaims'],
  'karpenter.k8s.aws': ['ec2nodeclasses'],
  'keda.sh': ['scaledobjects', 'scaledjobs'],
}
const versionOf: Readonly<Record<string, string>> = { autoscaling: 'v2', 'keda.sh': 'v1alpha1' }
const discovery = (isCore: boolean): object => ({
  kind: 'APIGroupDiscoveryList',
  items: Object.entries(served)
    .filter(([group]) => (group === '') === isCore)
    .map(([name, resources]) => ({
      metadata: { name },
      versions: [
        {
          version: versionOf[name] ?? 'v1',
          freshness: 'Current',
          resources: resources.map((resource) => ({ resource, verbs: ['list', 'watch'] })),
        },
      ],
    })),
})

/** By path, what its objects are. */
const types = new Map(
  catalogue().flatMap((kind) =>
    kind.versions.map((version) => {
      const served = { kind, version }
      return [collectionPath(served), { kind: kind.kind, apiVersion: apiVersionOf(served) }]
    }),
  ),
)

/** A page as it is and compressed. */
type Page = { readonly identity: Buffer; readonly gzip: Buffer }
const canned = new Map<string, Page>()
const listOf = (path: string, { item }: Shelf, from: number, to: number, more: string): string => {
  const items = Array.from({ length: Math.max(0, to - from) }, (_, index) => item(from + index))
  const type = types.get(path)
  return JSON.stringify({
    kind: `${type?.kind}List`,
    apiVersion: type?.apiVersion,
    metadata: { resourceVersion: String(FIRST), continue: more },
    items,
  })
}
const pageOf = (text: string): Page => ({ identity: Buffer.from(text), gzip: gzipSync(text, { level: LEVEL }) })
const page = (path: string, limit: number, from: number): Page => {
  const key = `${path} ${limit} ${from}`
  const known = canned.get(key)
  if (known) return known
  const shelf = shelves[path] ?? { count: 0, item: () => ({}) }
  const to = limit === 0 ? shelf.count : Math.min(shelf.count, from + limit)
  const made = pageOf(listOf(path, shelf, from, to, to < shelf.count ? String(to) : ''))
  canned.set(key, made)
  return made
}

const watches = new Map<ServerResponse, string>()
const watched = (path: string, response: ServerResponse): void => {
  response.writeHead(200, { 'content-type': 'application/json' })
  response.flushHeaders()
  watches.set(response, path)
  response.on('close', () => watches.delete(response))
}

const server = createServer((request, response) => {
  const at = new URL(request.url ?? '/', 'http://api')
  const query = at.searchParams
  if (query.get('watch') !== null && query.get('watch') !== 'false') return watched(at.pathname, response)
  const encoding = String(request.headers['accept-encoding']).includes('gzip') ? 'gzip' : 'identity'
  const answer = ({ [encoding]: bytes }: Page, code = 200): void => {
    response.writeHead(code, {
      'content-type': 'application/json',
      'content-length': bytes.length,
      ...(encoding === 'gzip' && { 'content-encoding': 'gzip' }),
    })
    response.end(bytes)
  }
  if (at.pathname === '/api' || at.pathname === '/apis') return answer(pageOf(JSON.stringify(discovery(at.pathname === '/api'))))
  if (request.method === 'POST') return answer(pageOf(JSON.stringify({ status: { allowed: true } })), 201)
  answer(page(at.pathname, Number(query.get('limit') ?? 0), Number(query.get('continue') || 0)))
})

setInterval(() => {
  for (const [response, path] of watches) {
    const object = { ...types.get(path), metadata: { resourceVersion: String(version) } }
    response.write(`${JSON.stringify({ type: 'BOOKMARK', object })}\n`)
  }
}, BOOKMARK_MS).unref()

let version = FIRST
const TICK_MS = 10
/** Each change carries the time when it was written, in a label. */
const change = (count: number): void => {
  const open = [...watches].filter(([, path]) => path === '/api/v1/pods')
  for (let index = 0; index < count; index++) {
    version += 1
    const object = {
      kind: 'Pod',
      apiVersion: 'v1',
      ...rawPod(version % pods, String(version), { sent: String(performance.timeOrigin + performance.now()) }),
    }
    const text = `${JSON.stringify({ type: 'MODIFIED', object })}\n`
    for (const [response] of open) response.write(text)
  }
}
process.on('message', ({ perSecond, seconds }: { perSecond: number; seconds: number }) => {
  const startedAt = performance.now()
  let done = 0
  const timer = setInterval(() => {
    const due = Math.min(perSecond * seconds, Math.floor(((performance.now() - startedAt) / 1_000) * perSecond))
    change(due - done)
    done = due
    if (done < perSecond * seconds) return
    clearInterval(timer)
    process.send?.({ done })
  }, TICK_MS)
})
process.on('disconnect', () => process.exit())

for (const path of Object.keys(shelves)) {
  for (let from = 0; from < (shelves[path]?.count ?? 0); from += PAGE) page(path, PAGE, from)
  page(path, 0, 0)
}
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }))
