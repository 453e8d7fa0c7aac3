import type { Client } from '../../kubernetes-client.ts'

const SPACE = 'every-kind'
const labels = { app: 'every-kind' }
const selector = { matchLabels: labels }
const template = {
  metadata: { labels },
  spec: {
    containers: [
      {
        name: 'main',
        image: 'main',
        env: [
          { name: 'PASSWORD', value: 'hunter2' },
          { name: 'LOG_LEVEL', value: 'debug' },
        ],
        resources: { requests: { cpu: '10m', memory: '16Mi' } },
      },
    ],
  },
}
const job = { template: { ...template, spec: { ...template.spec, restartPolicy: 'Never' } } }
const reference = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'one' }
const involvedObject = { apiVersion: 'v1', kind: 'Pod', namespace: SPACE, name: 'one' }

/** An object for each kind that a plain API server serves: where it is made, and what it is beside its metadata. */
const objects: Readonly<Record<string, object>> = {
  '/api/v1/persistentvolumes': {
    spec: { capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce'], hostPath: { path: '/one' } },
  },
  [`/api/v1/namespaces/${SPACE}/persistentvolumeclaims`]: {
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
  },
  [`/api/v1/namespaces/${SPACE}/replicationcontrollers`]: { spec: { replicas: 1, selector: labels, template } },
  [`/api/v1/namespaces/${SPACE}/services`]: { spec: { selector: labels, ports: [{ port: 80 }] } },
  [`/api/v1/namespaces/${SPACE}/limitranges`]: {
    spec: { limits: [{ type: 'Container', defaultRequest: { cpu: '10m', memory: '16Mi' } }] },
  },
  [`/api/v1/namespaces/${SPACE}/resourcequotas`]: { spec: { hard: { pods: '50' } } },
  [`/api/v1/namespaces/${SPACE}/events`]: {
    involvedObject,
    reason: 'Evicted',
    message: 'The node was low on resource: memory.',
    type: 'Warning',
  },
  [`/apis/apps/v1/namespaces/${SPACE}/deployments`]: { spec: { replicas: 2, selector, template } },
  [`/apis/apps/v1/namespaces/${SPACE}/statefulsets`]: { spec: { replicas: 1, serviceName: 'one', selector, template } },
  [`/apis/apps/v1/namespaces/${SPACE}/daemonsets`]: {
    spec: { selector, template: { ...template, spec: { ...template.spec, nodeSelector: { 'node-role': 'none' } } } },
  },
  [`/apis/apps/v1/namespaces/${SPACE}/replicasets`]: { spec: { replicas: 0, selector, template } },
  [`/apis/batch/v1/namespaces/${SPACE}/jobs`]: { spec: job },
  [`/apis/batch/v1/namespaces/${SPACE}/cronjobs`]: { spec: { schedule: '0 0 1 1 *', jobTemplate: { spec: job } } },
  [`/apis/policy/v1/namespaces/${SPACE}/poddisruptionbudgets`]: { spec: { minAvailable: 1, selector } },
  [`/apis/autoscaling/v2/namespaces/${SPACE}/horizontalpodautoscalers`]: {
    spec: { scaleTargetRef: reference, maxReplicas: 3 },
  },
  [`/apis/networking.k8s.io/v1/namespaces/${SPACE}/ingresses`]: {
    spec: { defaultBackend: { service: { name: 'one', port: { number: 80 } } } },
  },
  [`/apis/networking.k8s.io/v1/namespaces/${SPACE}/networkpolicies`]: {
    spec: { podSelector: selector, policyTypes: ['Egress'] },
  },
  [`/apis/rbac.authorization.k8s.io/v1/namespaces/${SPACE}/roles`]: {
    rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }],
  },
  [`/apis/rbac.authorization.k8s.io/v1/namespaces/${SPACE}/rolebindings`]: {
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'one' },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'somebody' }],
  },
  '/apis/storage.k8s.io/v1/storageclasses': { provisioner: 'csi.example.com', parameters: { password: 'hunter2' } },
  '/apis/storage.k8s.io/v1/csinodes': {
    spec: { drivers: [{ name: 'csi.example.com', nodeID: 'one', topologyKeys: ['topology.example.com/zone'] }] },
  },
  '/apis/resource.k8s.io/v1/deviceclasses': { spec: { selectors: [{ cel: { expression: 'true' } }] } },
  [`/apis/resource.k8s.io/v1/namespaces/${SPACE}/resourceclaims`]: {
    spec: { devices: { requests: [{ name: 'one', exactly: { deviceClassName: 'one' } }] } },
  },
}
/** Served, and of no interest: it must not be told. */
const leftOut: Readonly<Record<string, object>> = {
  [`/api/v1/namespaces/${SPACE}/services`]: { spec: { type: 'ExternalName', externalName: 'example.com' } },
  [`/api/v1/namespaces/${SPACE}/secrets`]: { stringData: { password: 'hunter2' } },
  [`/api/v1/namespaces/${SPACE}/events`]: { involvedObject, reason: 'Evicted', message: 'The node was low on resource: pids.' },
}

/**
 * Makes one object of every kind that a plain API server serves, and some that are left out; what is there already stays.
 * @returns how many kinds these are
 */
export const addEveryKind = async (api: Client): Promise<number> => {
  await made(api, '/api/v1/namespaces', { metadata: { name: SPACE } })
  for (const [path, object] of Object.entries(objects)) await made(api, path, { ...object, metadata: { name: 'one' } })
  for (const [path, object] of Object.entries(leftOut)) await made(api, path, { ...object, metadata: { name: 'other' } })
  return Object.keys(objects).length
}

const made = async (api: Client, path: string, body: object): Promise<void> => {
  const { status, body: answer } = await api.post(path, body)
  if (status !== 201 && status !== 409) throw new Error(`POST ${path}: ${status} ${JSON.stringify(answer)}`)
}
