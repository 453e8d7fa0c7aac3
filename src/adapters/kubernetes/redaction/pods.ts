import type { Fields, Rule } from './rule.ts'

// Shapes that many kinds share, from the API reference of Kubernetes 1.35: metadata, selectors, pods.

const map = (rule: Rule): Rule => ({ '*': rule })

export const labels = map('text')
export const quantities = map('quantity')

export const objectMeta: Rule = {
  name: 'text',
  generateName: 'text',
  namespace: 'text',
  uid: 'text',
  resourceVersion: 'text',
  generation: 'number',
  creationTimestamp: 'time',
  deletionTimestamp: 'time',
  deletionGracePeriodSeconds: 'number',
  labels,
  annotations: 'annotations',
  finalizers: ['text'],
  ownerReferences: [
    { apiVersion: 'text', kind: 'text', name: 'text', uid: 'text', controller: 'boolean', blockOwnerDeletion: 'boolean' },
  ],
}

/** The message of a condition is free text, in which controllers quote what they were given. */
export const conditions: Rule = [
  {
    type: 'text',
    status: 'text',
    reason: 'text',
    observedGeneration: 'number',
    lastTransitionTime: 'time',
    lastUpdateTime: 'time',
    lastProbeTime: 'time',
    lastHeartbeatTime: 'time',
  },
]

const requirements: Rule = [{ key: 'text', operator: 'text', values: ['text'] }]
export const labelSelector: Rule = { matchLabels: labels, matchExpressions: requirements }
const nodeSelectorTerm: Rule = { matchExpressions: requirements, matchFields: requirements }
export const nodeSelector: Rule = { nodeSelectorTerms: [nodeSelectorTerm] }
export const tolerations: Rule = [{ key: 'text', operator: 'text', value: 'text', effect: 'text', tolerationSeconds: 'number' }]
export const localReference: Rule = { name: 'text' }
const secretReference: Rule = { name: 'text', namespace: 'text' }
export const objectReference: Fields = {
  kind: 'text',
  apiGroup: 'text',
  apiVersion: 'text',
  namespace: 'text',
  name: 'text',
  uid: 'text',
}

const podAffinityTerm: Rule = {
  topologyKey: 'text',
  labelSelector,
  namespaces: ['text'],
  namespaceSelector: labelSelector,
  matchLabelKeys: ['text'],
  mismatchLabelKeys: ['text'],
}
const podAffinity: Rule = {
  requiredDuringSchedulingIgnoredDuringExecution: [podAffinityTerm],
  preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 'number', podAffinityTerm }],
}
const affinity: Rule = {
  nodeAffinity: {
    requiredDuringSchedulingIgnoredDuringExecution: nodeSelector,
    preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 'number', preference: nodeSelectorTerm }],
  },
  podAffinity,
  podAntiAffinity: podAffinity,
}

/** Keys of Secrets and ConfigMaps are names, and where they go is a path; what they hold is not here. */
const keysToPaths: Rule = [{ key: 'text', path: 'text', mode: 'number' }]
const fieldReference: Rule = { apiVersion: 'text', fieldPath: 'text' }
const resourceFieldReference: Rule = { containerName: 'text', resource: 'text', divisor: 'quantity' }
const downwardItems: Rule = [{ path: 'text', mode: 'number', fieldRef: fieldReference, resourceFieldRef: resourceFieldReference }]

const env: Rule = [
  {
    name: 'text',
    value: 'environment',
    valueFrom: {
      secretKeyRef: { name: 'text', key: 'text', optional: 'boolean' },
      configMapKeyRef: { name: 'text', key: 'text', optional: 'boolean' },
      fieldRef: fieldReference,
      resourceFieldRef: resourceFieldReference,
      fileKeyRef: { volumeName: 'text', path: 'text', key: 'text', optional: 'boolean' },
    },
  },
]
const optionalReference: Rule = { name: 'text', optional: 'boolean' }

const handler: Fields = {
  exec: { command: ['argument'] },
  httpGet: {
    path: 'requestPath',
    port: 'scalar',
    host: 'text',
    scheme: 'text',
    httpHeaders: [{ name: 'text', value: 'hidden' }],
  },
  tcpSocket: { port: 'scalar', host: 'text' },
  grpc: { port: 'number', service: 'text' },
  sleep: { seconds: 'number' },
}
const probe: Rule = {
  ...handler,
  initialDelaySeconds: 'number',
  timeoutSeconds: 'number',
  periodSeconds: 'number',
  successThreshold: 'number',
  failureThreshold: 'number',
  terminationGracePeriodSeconds: 'number',
}

const profile: Rule = { type: 'text', localhostProfile: 'text' }
const seLinuxOptions: Rule = { user: 'text', role: 'text', type: 'text', level: 'text' }
const windowsOptions: Rule = {
  gmsaCredentialSpecName: 'text',
  gmsaCredentialSpec: 'hidden',
  runAsUserName: 'text',
  hostProcess: 'boolean',
}
const securityContext: Rule = {
  privileged: 'boolean',
  allowPrivilegeEscalation: 'boolean',
  readOnlyRootFilesystem: 'boolean',
  runAsNonRoot: 'boolean',
  runAsUser: 'number',
  runAsGroup: 'number',
  procMount: 'text',
  capabilities: { add: ['text'], drop: ['text'] },
  seLinuxOptions,
  seccompProfile: profile,
  appArmorProfile: profile,
  windowsOptions,
}
const podSecurityContext: Rule = {
  runAsNonRoot: 'boolean',
  runAsUser: 'number',
  runAsGroup: 'number',
  fsGroup: 'number',
  fsGroupChangePolicy: 'text',
  supplementalGroups: ['number'],
  supplementalGroupsPolicy: 'text',
  seLinuxChangePolicy: 'text',
  sysctls: [{ name: 'text', value: 'text' }],
  seLinuxOptions,
  seccompProfile: profile,
  appArmorProfile: profile,
  windowsOptions,
}
const resources: Rule = {
  requests: quantities,
  limits: quantities,
  claims: [{ name: 'text', request: 'text' }],
}

const container: Rule = {
  name: 'text',
  image: 'text',
  imagePullPolicy: 'text',
  command: ['argument'],
  args: ['argument'],
  workingDir: 'text',
  ports: [{ name: 'text', containerPort: 'number', hostPort: 'number', hostIP: 'text', protocol: 'text' }],
  env,
  envFrom: [{ prefix: 'text', secretRef: optionalReference, configMapRef: optionalReference }],
  resources,
  resizePolicy: [{ resourceName: 'text', restartPolicy: 'text' }],
  restartPolicy: 'text',
  restartPolicyRules: [{ action: 'text', exitCodes: { operator: 'text', values: ['number'] } }],
  volumeMounts: [
    {
      name: 'text',
      mountPath: 'text',
      subPath: 'text',
      subPathExpr: 'text',
      readOnly: 'boolean',
      recursiveReadOnly: 'text',
      mountPropagation: 'text',
    },
  ],
  volumeDevices: [{ name: 'text', devicePath: 'text' }],
  livenessProbe: probe,
  readinessProbe: probe,
  startupProbe: probe,
  lifecycle: { postStart: handler, preStop: handler, stopSignal: 'text' },
  terminationMessagePath: 'text',
  terminationMessagePolicy: 'text',
  securityContext,
  stdin: 'boolean',
  stdinOnce: 'boolean',
  tty: 'boolean',
  targetContainerName: 'text',
}

export const claimSpec: Rule = {
  accessModes: ['text'],
  storageClassName: 'text',
  volumeName: 'text',
  volumeMode: 'text',
  volumeAttributesClassName: 'text',
  selector: labelSelector,
  resources: { requests: quantities, limits: quantities },
  dataSource: objectReference,
  dataSourceRef: objectReference,
}

/** Where a volume's data is. Attributes and options of drivers are free maps, in which keys of storage accounts were found. */
export const volumeSources: Fields = {
  hostPath: { path: 'text', type: 'text' },
  nfs: { server: 'text', path: 'text', readOnly: 'boolean' },
  csi: {
    driver: 'text',
    readOnly: 'boolean',
    fsType: 'text',
    volumeHandle: 'text',
    volumeAttributes: map('hidden'),
    nodePublishSecretRef: secretReference,
    nodeStageSecretRef: secretReference,
    nodeExpandSecretRef: secretReference,
    controllerPublishSecretRef: secretReference,
    controllerExpandSecretRef: secretReference,
  },
  awsElasticBlockStore: { volumeID: 'text', fsType: 'text', partition: 'number', readOnly: 'boolean' },
  gcePersistentDisk: { pdName: 'text', fsType: 'text', partition: 'number', readOnly: 'boolean' },
  azureDisk: { diskName: 'text', diskURI: 'text', kind: 'text', fsType: 'text', cachingMode: 'text', readOnly: 'boolean' },
  azureFile: { secretName: 'text', secretNamespace: 'text', shareName: 'text', readOnly: 'boolean' },
  local: { path: 'text', fsType: 'text' },
  cephfs: 'there',
  cinder: 'there',
  fc: 'there',
  flexVolume: 'there',
  flocker: 'there',
  glusterfs: 'there',
  iscsi: 'there',
  photonPersistentDisk: 'there',
  portworxVolume: 'there',
  quobyte: 'there',
  rbd: 'there',
  scaleIO: 'there',
  storageos: 'there',
  vsphereVolume: 'there',
}

const volume: Rule = {
  ...volumeSources,
  name: 'text',
  emptyDir: { medium: 'text', sizeLimit: 'quantity' },
  configMap: { name: 'text', optional: 'boolean', defaultMode: 'number', items: keysToPaths },
  secret: { secretName: 'text', optional: 'boolean', defaultMode: 'number', items: keysToPaths },
  persistentVolumeClaim: { claimName: 'text', readOnly: 'boolean' },
  ephemeral: { volumeClaimTemplate: { metadata: { labels, annotations: 'annotations' }, spec: claimSpec } },
  downwardAPI: { defaultMode: 'number', items: downwardItems },
  projected: {
    defaultMode: 'number',
    sources: [
      {
        configMap: { name: 'text', optional: 'boolean', items: keysToPaths },
        secret: { name: 'text', optional: 'boolean', items: keysToPaths },
        downwardAPI: { items: downwardItems },
        serviceAccountToken: { audience: 'text', expirationSeconds: 'number', path: 'text' },
        clusterTrustBundle: 'there',
        podCertificate: 'there',
      },
    ],
  },
  image: { reference: 'text', pullPolicy: 'text' },
  gitRepo: { repository: 'origin', revision: 'text', directory: 'text' },
}

export const podSpec: Rule = {
  containers: [container],
  initContainers: [container],
  ephemeralContainers: [container],
  volumes: [volume],
  nodeName: 'text',
  nodeSelector: labels,
  affinity,
  tolerations,
  topologySpreadConstraints: [
    {
      maxSkew: 'number',
      minDomains: 'number',
      topologyKey: 'text',
      whenUnsatisfiable: 'text',
      labelSelector,
      matchLabelKeys: ['text'],
      nodeAffinityPolicy: 'text',
      nodeTaintsPolicy: 'text',
    },
  ],
  priority: 'number',
  priorityClassName: 'text',
  preemptionPolicy: 'text',
  schedulerName: 'text',
  schedulingGates: [localReference],
  schedulingGroup: { podGroupName: 'text' },
  readinessGates: [{ conditionType: 'text' }],
  resourceClaims: [{ name: 'text', resourceClaimName: 'text', resourceClaimTemplateName: 'text' }],
  resources,
  overhead: quantities,
  runtimeClassName: 'text',
  restartPolicy: 'text',
  terminationGracePeriodSeconds: 'number',
  activeDeadlineSeconds: 'number',
  serviceAccountName: 'text',
  serviceAccount: 'text',
  automountServiceAccountToken: 'boolean',
  imagePullSecrets: [localReference],
  hostNetwork: 'boolean',
  hostPID: 'boolean',
  hostIPC: 'boolean',
  hostUsers: 'boolean',
  shareProcessNamespace: 'boolean',
  securityContext: podSecurityContext,
  hostname: 'text',
  hostnameOverride: 'text',
  subdomain: 'text',
  setHostnameAsFQDN: 'boolean',
  hostAliases: [{ ip: 'text', hostnames: ['text'] }],
  dnsPolicy: 'text',
  dnsConfig: { nameservers: ['text'], searches: ['text'], options: [{ name: 'text', value: 'text' }] },
  enableServiceLinks: 'boolean',
  os: localReference,
}

export const podTemplate: Rule = { metadata: objectMeta, spec: podSpec }

/** A container's last words (`message`) may quote anything. */
const containerState: Rule = {
  waiting: { reason: 'text' },
  running: { startedAt: 'time' },
  terminated: { exitCode: 'number', signal: 'number', reason: 'text', startedAt: 'time', finishedAt: 'time' },
}
const containerStatuses: Rule = [
  {
    name: 'text',
    image: 'text',
    imageID: 'text',
    ready: 'boolean',
    started: 'boolean',
    restartCount: 'number',
    state: containerState,
    lastState: containerState,
    allocatedResources: quantities,
    resources,
  },
]
export const podStatus: Rule = {
  phase: 'text',
  reason: 'text',
  qosClass: 'text',
  startTime: 'time',
  nominatedNodeName: 'text',
  resize: 'text',
  observedGeneration: 'number',
  conditions,
  resources,
  allocatedResources: quantities,
  containerStatuses,
  initContainerStatuses: containerStatuses,
  ephemeralContainerStatuses: containerStatuses,
  resourceClaimStatuses: [{ name: 'text', resourceClaimName: 'text' }],
}

export const taints: Rule = [{ key: 'text', value: 'text', effect: 'text', timeAdded: 'time' }]
