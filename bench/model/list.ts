import { once } from 'node:events'
import { createWriteStream } from 'node:fs'

const NODES = 5_000
const PODS = 150_000
const APPS = 4_000
const ZONES = ['a', 'b', 'c']
const HEX = '0123456789abcdef'

const meta = (name: string, namespace: string | undefined, more: object = {}): object => ({
  name,
  ...(namespace !== undefined && { namespace }),
  uid: `${name}-0000-4000-8000-000000000000`,
  resourceVersion: '1234567',
  creationTimestamp: '2025-01-01T00:00:00Z',
  ...more,
})
const node = (n: number): object => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: meta(`node-${n}`, undefined, {
    labels: {
      'kubernetes.io/hostname': `node-${n}`,
      'topology.kubernetes.io/zone': ZONES[n % 3],
      'node.kubernetes.io/instance-type': `m${n % 12}.xlarge`,
    },
    annotations: { 'node.alpha.kubernetes.io/ttl': '0' },
  }),
  spec: { providerID: `bench:///${n}` },
  status: {
    allocatable: { cpu: '63', memory: '250Gi', pods: '110', 'ephemeral-storage': '100Gi' },
    conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: '2025-01-01T00:00:00Z' }],
    images: Array.from({ length: 40 }, (_, i) => ({
      names: [`registry.local/app-${i}@sha256:${HEX.repeat(4)}`],
      sizeBytes: 1e8,
    })),
  },
})

/** A third of the apps keep their pods apart, a third spread them over zones; the rest do neither. */
const placing = (app: number): object => {
  const mine = { labelSelector: { matchLabels: { app: `app-${app}` } } }
  if (app % 3 === 0)
    return {
      affinity: {
        podAntiAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: [{ ...mine, topologyKey: 'kubernetes.io/hostname' }],
        },
      },
    }
  if (app % 3 === 1)
    return {
      topologySpreadConstraints: [
        { ...mine, maxSkew: 3, topologyKey: 'topology.kubernetes.io/zone', whenUnsatisfiable: 'DoNotSchedule' },
      ],
    }
  return {}
}
const pod = (n: number): object => {
  const app = n % APPS
  const token = { name: `kube-api-access-${n}`, readOnly: true, mountPath: '/var/run/secrets/kubernetes.io/serviceaccount' }
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: meta(`app-${app}-7d9f8c6b5d-${n}`, `team-${app % 200}`, {
      labels: { app: `app-${app}`, 'pod-template-hash': '7d9f8c6b5d' },
      annotations: { 'example.local/config': HEX.repeat(20) },
      ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: `app-${app}`, uid: `rs-${app}`, controller: true }],
    }),
    spec: {
      // Pods of one app are on different nodes, as its rules want.
      nodeName: `node-${(Math.floor(n / APPS) * 131 + app) % NODES}`,
      ...placing(app),
      containers: [
        {
          name: 'main',
          image: `registry.local/app-${app}@sha256:${HEX.repeat(4)}`,
          env: Array.from({ length: 15 }, (_, i) => ({ name: `SETTING_${i}`, value: `value-${i}-${HEX}` })),
          resources: { requests: { cpu: `${100 + (app % 7) * 50}m`, memory: `${128 + (app % 5) * 64}Mi` } },
          volumeMounts: [token],
          livenessProbe: { httpGet: { path: '/healthz', port: 8080 }, periodSeconds: 10 },
        },
      ],
      volumes: [{ name: token.name, projected: { sources: [{ serviceAccountToken: { path: 'token' } }] } }],
      tolerations: [{ key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 }],
    },
    status: {
      phase: 'Running',
      startTime: '2025-01-01T00:00:00Z',
      conditions: ['PodScheduled', 'Initialized', 'ContainersReady', 'Ready'].map((type) => ({ type, status: 'True' })),
      containerStatuses: [
        {
          name: 'main',
          imageID: `registry.local/app@sha256:${HEX.repeat(4)}`,
          containerID: `containerd://${HEX.repeat(4)}`,
          allocatedResources: { cpu: `${100 + (app % 7) * 50}m`, memory: `${128 + (app % 5) * 64}Mi` },
        },
      ],
    },
  }
}
const replicaSet = (app: number): object => ({
  apiVersion: 'apps/v1',
  kind: 'ReplicaSet',
  metadata: { ...meta(`app-${app}`, `team-${app % 200}`), uid: `rs-${app}` },
  spec: { replicas: Math.floor(PODS / APPS), selector: { matchLabels: { app: `app-${app}` } } },
})

function* objects(): Generator<object> {
  for (let n = 0; n < NODES; n += 1) yield node(n)
  for (let app = 0; app < APPS; app += 1) yield replicaSet(app)
  for (let n = 0; n < PODS; n += 1) yield pod(n)
}

/** Writes a List as kubectl prints it: 5,000 nodes, 150,000 pods of 4,000 ReplicaSets. */
export const writeList = async (file: string): Promise<void> => {
  const out = createWriteStream(file)
  out.write('{\n    "apiVersion": "v1",\n    "items": [\n')
  let isFirst = true
  for (const object of objects()) {
    const text = `${isFirst ? '' : ',\n'}${JSON.stringify(object, null, 4)}`
    isFirst = false
    if (!out.write(text)) await once(out, 'drain')
  }
  out.end('\n    ],\n    "kind": "List"\n}\n')
  await once(out, 'finish')
}
