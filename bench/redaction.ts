import { projected } from '../src/adapters/kubernetes/projection.ts'
import { redacted } from '../src/adapters/kubernetes/redaction.ts'
import { pods } from '../src/events/kinds.ts'
import { type Figure, figure, median, percentages } from './figures.ts'

const PODS = 30_000
const ROUNDS = 5
/** As many as one page of a list has. */
const PAGE = 500

const TIME = '2026-01-01T00:00:00Z'

/** As a pod of a Deployment comes from the API: three containers with environment, probes and mounts, 5 KB. */
const podText = (index: number): string => {
  const container = (name: string) => ({
    name,
    image: `registry.example.com/team-${index % 40}/${name}:1.2.${index % 9}`,
    args: ['serve', `--listen=0.0.0.0:${8000 + (index % 99)}`, '--verbose=true'],
    env: Array.from({ length: 12 }, (_, number) => ({ name: `SETTING_${number}`, value: `value ${number} of ${index}` })),
    resources: { requests: { cpu: '100m', memory: '128Mi' }, limits: { cpu: '1', memory: '256Mi' } },
    ports: [{ name: 'http', containerPort: 8080, protocol: 'TCP' }],
    volumeMounts: [{ name: 'kube-api-access', mountPath: '/var/run/secrets/kubernetes.io/serviceaccount', readOnly: true }],
    livenessProbe: { httpGet: { path: '/healthz', port: 8080, scheme: 'HTTP' }, periodSeconds: 10, failureThreshold: 3 },
    terminationMessagePath: '/dev/termination-log',
    terminationMessagePolicy: 'File',
    imagePullPolicy: 'IfNotPresent',
    securityContext: { runAsNonRoot: true, allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
  })
  const app = `app-${index % 900}`
  const metadata = {
    name: `${app}-7d9c8b7f6-${index}`,
    generateName: `${app}-7d9c8b7f6-`,
    namespace: `team-${index % 40}`,
    uid: `7d0d1e0e-0000-4000-8000-${String(index).padStart(12, '0')}`,
    resourceVersion: String(1_000_000 + index),
    creationTimestamp: TIME,
    labels: {
      app,
      'pod-template-hash': '7d9c8b7f6',
      'app.kubernetes.io/name': app,
      'app.kubernetes.io/instance': `${app}-production`,
    },
    annotations: { 'kubectl.kubernetes.io/restartedAt': TIME, 'prometheus.io/scrape': 'true' },
    ownerReferences: [
      { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: `${app}-7d9c8b7f6`, uid: `rs-${index % 900}`, controller: true },
    ],
    managedFields: [
      { manager: 'kube-controller-manager', operation: 'Update', fieldsV1: { 'f:metadata': { 'f:labels': { 'f:app': {} } } } },
    ],
  }
  const spec = {
    nodeName: `node-${index % 1_000}`,
    containers: [container('app'), container('sidecar')],
    initContainers: [container('init')],
    volumes: [
      { name: 'kube-api-access', projected: { defaultMode: 420, sources: [{ serviceAccountToken: { path: 'token' } }] } },
    ],
    tolerations: ['not-ready', 'unreachable'].map((what) => ({
      key: `node.kubernetes.io/${what}`,
      operator: 'Exists',
      effect: 'NoExecute',
      tolerationSeconds: 300,
    })),
    priority: 0,
    serviceAccountName: app,
    terminationGracePeriodSeconds: 30,
  }
  const conditions = ['Ready', 'Initialized', 'PodScheduled'].map((type) => ({ type, status: 'True', lastTransitionTime: TIME }))
  return JSON.stringify({ metadata, spec, status: { phase: 'Running', startTime: TIME, conditions, podIP: '10.0.0.7' } })
}

/** Microseconds per object of `work` over all pods, page by page, so that no more than a page is alive. */
const microseconds = (
  pages: readonly (readonly string[])[],
  work: (pod: unknown) => unknown,
): readonly [parse: number, work: number] => {
  let [parsing, working] = [0, 0]
  for (const page of pages) {
    const began = performance.now()
    const objects = page.map((text): unknown => JSON.parse(text))
    const parsed = performance.now()
    for (const object of objects) work(object)
    parsing += parsed - began
    working += performance.now() - parsed
  }
  return [(1_000 * parsing) / PODS, (1_000 * working) / PODS]
}

/** What redaction costs beside the parsing of the same objects, which nobody can spare. */
export const run = async (): Promise<readonly Figure[]> => {
  const pages = Array.from({ length: PODS / PAGE }, (_, page) =>
    Array.from({ length: PAGE }, (__, index) => podText(page * PAGE + index)),
  )
  const ways: Readonly<Record<string, (pod: unknown) => unknown>> = {
    'slim record of a pod': (pod) => projected(pods, pod),
    'the same by schema, then redacted': (pod) => redacted(pods, pods.schema.parse({ ...(pod as object), kind: 'Pod' })),
    'redacted full pod': (pod) => redacted(pods, pod),
  }
  const figures: Figure[] = []
  for (const [name, work] of Object.entries(ways)) {
    const rounds = Array.from({ length: ROUNDS }, () => microseconds(pages, work))
    const [parsed, worked] = [rounds.map(([parse]) => parse), rounds.map(([, took]) => took)]
    const goal = name === 'slim record of a pod' ? { atMost: 75 } : undefined
    figures.push(
      figure(name, median(worked), 'µs'),
      figure(`${name}, of its parsing`, median(percentages(worked, parsed)), '%', goal),
    )
  }
  return figures
}
