/** Pods as large as they are in real clusters: 6 kB each, a third of it managed fields. */
export const rawPod = (index: number, resourceVersion: string, more: object = {}): object => {
  const name = `web-${index % 97}-6f9c7d8b5-${index.toString(36).padStart(5, '0')}`
  return {
    metadata: {
      name,
      generateName: `web-${index % 97}-6f9c7d8b5-`,
      namespace: `team-${index % 50}`,
      uid: `0b1c2d3e-4f50-4617-8a9b-${index.toString(16).padStart(12, '0')}`,
      resourceVersion,
      creationTimestamp: '2026-01-01T10:00:00Z',
      labels: {
        app: `web-${index % 97}`,
        'pod-template-hash': '6f9c7d8b5',
        team: `team-${index % 50}`,
        tier: 'backend',
        ...more,
      },
      annotations: {
        'kubernetes.io/config.seen': '2026-01-01T10:00:00Z',
        'prometheus.io/scrape': 'true',
        'prometheus.io/port': '9090',
      },
      ownerReferences: [
        {
          apiVersion: 'apps/v1',
          kind: 'ReplicaSet',
          name: `web-${index % 97}-6f9c7d8b5`,
          uid: `1b1c2d3e-4f50-4617-8a9b-${(index % 97).toString(16).padStart(12, '0')}`,
          controller: true,
          blockOwnerDeletion: true,
        },
      ],
      managedFields: [0, 1].map((at) => managedFields(at)),
    },
    spec: {
      nodeName: `node-${index % 1_000}`,
      restartPolicy: 'Always',
      terminationGracePeriodSeconds: 30,
      dnsPolicy: 'ClusterFirst',
      serviceAccountName: 'default',
      schedulerName: 'default-scheduler',
      priority: 0,
      enableServiceLinks: true,
      preemptionPolicy: 'PreemptLowerPriority',
      securityContext: {},
      tolerations: ['not-ready', 'unreachable'].map((key) => ({
        key: `node.kubernetes.io/${key}`,
        operator: 'Exists',
        effect: 'NoExecute',
        tolerationSeconds: 300,
      })),
      affinity: {
        podAntiAffinity: {
          preferredDuringSchedulingIgnoredDuringExecution: [
            {
              weight: 100,
              podAffinityTerm: { topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: { app: 'web' } } },
            },
          ],
        },
      },
      volumes: [
        { name: 'config', configMap: { name: 'web-config', defaultMode: 420 } },
        {
          name: 'kube-api-access',
          projected: { defaultMode: 420, sources: [{ serviceAccountToken: { path: 'token', expirationSeconds: 3607 } }] },
        },
      ],
      containers: ['main', 'sidecar'].map(container),
    },
    status: status(index),
  }
}

const managedFields = (at: number): object => ({
  manager: ['kube-controller-manager', 'kubelet'][at],
  operation: 'Update',
  apiVersion: 'v1',
  time: '2026-01-01T10:00:00Z',
  fieldsType: 'FieldsV1',
  fieldsV1: {
    'f:metadata': {
      'f:labels': { '.': {}, 'f:app': {}, 'f:pod-template-hash': {} },
      'f:ownerReferences': { '.': {}, 'k:{"uid":"x"}': {} },
    },
    'f:spec': {
      'f:containers': Object.fromEntries(
        ['main', 'sidecar'].map((name) => [
          `k:{"name":"${name}"}`,
          Object.fromEntries(
            ['.', 'f:env', 'f:image', 'f:livenessProbe', 'f:name', 'f:ports', 'f:resources', 'f:volumeMounts'].map((key) => [
              key,
              {},
            ]),
          ),
        ]),
      ),
      'f:dnsPolicy': {},
      'f:restartPolicy': {},
      'f:schedulerName': {},
      'f:securityContext': {},
    },
  },
})

const container = (name: string): object => ({
  name,
  image: `registry.example/team/${name}:1.2.3`,
  imagePullPolicy: 'IfNotPresent',
  ports: [{ name: 'http', containerPort: 8080, protocol: 'TCP' }],
  env: Array.from({ length: 8 }, (_, index) => ({ name: `SETTING_${index}`, value: `value-${index}` })),
  resources: { requests: { cpu: '100m', memory: '128Mi' }, limits: { cpu: '1', memory: '256Mi' } },
  livenessProbe: { httpGet: { path: '/healthz', port: 'http', scheme: 'HTTP' }, timeoutSeconds: 1, periodSeconds: 10 },
  readinessProbe: { httpGet: { path: '/readyz', port: 'http', scheme: 'HTTP' }, timeoutSeconds: 1, periodSeconds: 10 },
  volumeMounts: [
    { name: 'config', mountPath: '/etc/web' },
    { name: 'kube-api-access', mountPath: '/var/run/secrets', readOnly: true },
  ],
  terminationMessagePath: '/dev/termination-log',
  terminationMessagePolicy: 'File',
})

const status = (index: number): object => ({
  phase: 'Running',
  conditions: ['PodReadyToStartContainers', 'Initialized', 'Ready', 'ContainersReady', 'PodScheduled'].map((type) => ({
    type,
    status: 'True',
    lastProbeTime: null,
    lastTransitionTime: '2026-01-01T10:00:05Z',
  })),
  hostIP: '10.0.0.1',
  podIP: `10.1.${(index >> 8) % 256}.${index % 256}`,
  qosClass: 'Burstable',
  startTime: '2026-01-01T10:00:01Z',
  containerStatuses: ['main', 'sidecar'].map((name) => ({
    name,
    ready: true,
    restartCount: 0,
    image: `registry.example/team/${name}:1.2.3`,
    imageID: `registry.example/team/${name}@sha256:${'ab'.repeat(32)}`,
    containerID: `containerd://${'cd'.repeat(32)}`,
    state: { running: { startedAt: '2026-01-01T10:00:04Z' } },
  })),
})

export const rawNode = (index: number, resourceVersion: string): object => ({
  metadata: {
    name: `node-${index}`,
    uid: `2b1c2d3e-4f50-4617-8a9b-${index.toString(16).padStart(12, '0')}`,
    resourceVersion,
    creationTimestamp: '2026-01-01T09:00:00Z',
    labels: {
      'kubernetes.io/hostname': `node-${index}`,
      'topology.kubernetes.io/zone': `zone-${index % 3}`,
      'node.kubernetes.io/instance-type': 'm7i.xlarge',
    },
  },
  spec: { providerID: `aws:///zone-${index % 3}/i-${index}` },
  status: {
    allocatable: { cpu: '3920m', memory: '15Gi', pods: '58' },
    conditions: [{ type: 'Ready', status: 'True', reason: 'KubeletReady' }],
    images: Array.from({ length: 30 }, (_, at) => ({
      names: [`registry.example/image-${at}@sha256:${'ef'.repeat(32)}`],
      sizeBytes: 1e8,
    })),
  },
})
