import { conditions, labelSelector, labels, localReference, objectReference, quantities, taints, tolerations } from './pods.ts'
import type { Fields, Rule } from './rule.ts'

// What the whole cluster has: nodes, namespaces and their limits, powers, Events.
// Of each kind the fields beside `metadata`, from the API reference of Kubernetes 1.35.

const policyRules: Rule = [
  { apiGroups: ['text'], resources: ['text'], verbs: ['text'], resourceNames: ['text'], nonResourceURLs: ['text'] },
]

const binding: Fields = {
  roleRef: { apiGroup: 'text', kind: 'text', name: 'text' },
  subjects: [{ apiGroup: 'text', kind: 'text', name: 'text', namespace: 'text' }],
}

const scopeSelector: Rule = { matchExpressions: [{ scopeName: 'text', operator: 'text', values: ['text'] }] }

export const cluster: Readonly<Record<string, Fields>> = {
  nodes: {
    spec: { providerID: 'text', unschedulable: 'boolean', taints, podCIDR: 'text', podCIDRs: ['text'] },
    status: {
      capacity: quantities,
      allocatable: quantities,
      conditions,
      phase: 'text',
      nodeInfo: {
        architecture: 'text',
        operatingSystem: 'text',
        osImage: 'text',
        kernelVersion: 'text',
        kubeletVersion: 'text',
        kubeProxyVersion: 'text',
        containerRuntimeVersion: 'text',
      },
      volumesInUse: ['text'],
      volumesAttached: [{ name: 'text', devicePath: 'text' }],
      runtimeHandlers: [{ name: 'text', features: { '*': 'boolean' } }],
      features: { '*': 'boolean' },
    },
  },
  namespaces: { status: { phase: 'text' } },
  limitranges: {
    spec: {
      limits: [
        {
          type: 'text',
          default: quantities,
          defaultRequest: quantities,
          max: quantities,
          min: quantities,
          maxLimitRequestRatio: quantities,
        },
      ],
    },
  },
  resourcequotas: {
    spec: { hard: quantities, scopes: ['text'], scopeSelector },
    status: { hard: quantities, used: quantities },
  },
  'priorityclasses.scheduling.k8s.io': { value: 'number', globalDefault: 'boolean', preemptionPolicy: 'text' },
  'runtimeclasses.node.k8s.io': {
    handler: 'text',
    overhead: { podFixed: quantities },
    scheduling: { nodeSelector: labels, tolerations },
  },
  serviceaccounts: {
    automountServiceAccountToken: 'boolean',
    imagePullSecrets: [localReference],
    secrets: [objectReference],
  },
  configmaps: { data: { '*': 'hidden' }, binaryData: { '*': 'hiddenBytes' }, immutable: 'boolean' },
  'roles.rbac.authorization.k8s.io': { rules: policyRules },
  'clusterroles.rbac.authorization.k8s.io': {
    rules: policyRules,
    aggregationRule: { clusterRoleSelectors: [labelSelector] },
  },
  'rolebindings.rbac.authorization.k8s.io': binding,
  'clusterrolebindings.rbac.authorization.k8s.io': binding,
  events: {
    type: 'text',
    reason: 'text',
    action: 'text',
    message: 'eventMessage',
    count: 'number',
    eventTime: 'time',
    firstTimestamp: 'time',
    lastTimestamp: 'time',
    reportingComponent: 'text',
    reportingInstance: 'text',
    source: { component: 'text', host: 'text' },
    series: { count: 'number', lastObservedTime: 'time' },
    involvedObject: { ...objectReference, fieldPath: 'text', resourceVersion: 'text' },
    related: objectReference,
  },
  'events.events.k8s.io': {
    type: 'text',
    reason: 'text',
    action: 'text',
    note: 'eventMessage',
    eventTime: 'time',
    deprecatedCount: 'number',
    deprecatedFirstTimestamp: 'time',
    deprecatedLastTimestamp: 'time',
    reportingController: 'text',
    reportingInstance: 'text',
    series: { count: 'number', lastObservedTime: 'time' },
    regarding: { ...objectReference, fieldPath: 'text', resourceVersion: 'text' },
    related: objectReference,
  },
  'pods.metrics.k8s.io': { timestamp: 'time', window: 'quantity', containers: [{ name: 'text', usage: quantities }] },
}
