import { claimSpec, conditions, labelSelector, labels, objectReference, podSpec, podStatus, podTemplate } from './pods.ts'
import type { Fields, Rule } from './rule.ts'

// What runs pods, and what scales and protects them.
// Of each kind the fields beside `metadata`, from the API reference of Kubernetes 1.35.

export const workloadStatus: Fields = {
  replicas: 'number',
  readyReplicas: 'number',
  availableReplicas: 'number',
  updatedReplicas: 'number',
  unavailableReplicas: 'number',
  fullyLabeledReplicas: 'number',
  currentReplicas: 'number',
  terminatingReplicas: 'number',
  currentRevision: 'text',
  updateRevision: 'text',
  collisionCount: 'number',
  observedGeneration: 'number',
  currentNumberScheduled: 'number',
  desiredNumberScheduled: 'number',
  numberAvailable: 'number',
  numberMisscheduled: 'number',
  numberReady: 'number',
  numberUnavailable: 'number',
  updatedNumberScheduled: 'number',
  conditions,
}

const rollingUpdate: Rule = { maxSurge: 'quantity', maxUnavailable: 'quantity', partition: 'number' }

/** What every owner of a pod template has in some part. */
const workload = (more: Fields): Fields => ({
  spec: { replicas: 'number', selector: labelSelector, template: podTemplate, minReadySeconds: 'number', ...more },
  status: workloadStatus,
})

export const jobSpec: Rule = {
  parallelism: 'number',
  completions: 'number',
  completionMode: 'text',
  activeDeadlineSeconds: 'number',
  backoffLimit: 'number',
  backoffLimitPerIndex: 'number',
  maxFailedIndexes: 'number',
  manualSelector: 'boolean',
  podReplacementPolicy: 'text',
  suspend: 'boolean',
  ttlSecondsAfterFinished: 'number',
  managedBy: 'text',
  selector: labelSelector,
  template: podTemplate,
}

export const crossVersionReference: Fields = { kind: 'text', name: 'text', apiVersion: 'text' }

const metricIdentifier: Rule = { name: 'text', selector: labelSelector }

const metricTarget: Rule = { type: 'text', value: 'quantity', averageValue: 'quantity', averageUtilization: 'number' }

export const scalingRules: Rule = {
  stabilizationWindowSeconds: 'number',
  selectPolicy: 'text',
  tolerance: 'quantity',
  policies: [{ type: 'text', value: 'number', periodSeconds: 'number' }],
}

const horizontalPodAutoscaler: Fields = {
  spec: {
    minReplicas: 'number',
    maxReplicas: 'number',
    targetCPUUtilizationPercentage: 'number',
    scaleTargetRef: crossVersionReference,
    metrics: [
      {
        type: 'text',
        resource: { name: 'text', target: metricTarget },
        containerResource: { name: 'text', container: 'text', target: metricTarget },
        pods: { metric: metricIdentifier, target: metricTarget },
        object: { describedObject: crossVersionReference, metric: metricIdentifier, target: metricTarget },
        external: { metric: metricIdentifier, target: metricTarget },
      },
    ],
    behavior: { scaleUp: scalingRules, scaleDown: scalingRules },
  },
  status: {
    currentReplicas: 'number',
    desiredReplicas: 'number',
    lastScaleTime: 'time',
    observedGeneration: 'number',
    conditions,
  },
}

export const workloads: Readonly<Record<string, Fields>> = {
  pods: { spec: podSpec, status: podStatus },
  'deployments.apps': workload({
    paused: 'boolean',
    progressDeadlineSeconds: 'number',
    revisionHistoryLimit: 'number',
    strategy: { type: 'text', rollingUpdate },
  }),
  'replicasets.apps': workload({}),
  'daemonsets.apps': workload({
    revisionHistoryLimit: 'number',
    updateStrategy: { type: 'text', rollingUpdate },
  }),
  'statefulsets.apps': workload({
    serviceName: 'text',
    podManagementPolicy: 'text',
    revisionHistoryLimit: 'number',
    updateStrategy: { type: 'text', rollingUpdate },
    ordinals: { start: 'number' },
    persistentVolumeClaimRetentionPolicy: { whenDeleted: 'text', whenScaled: 'text' },
    volumeClaimTemplates: [{ metadata: { name: 'text', labels, annotations: 'annotations' }, spec: claimSpec }],
  }),
  // The selector of a ReplicationController is a map of labels, as a Service's is.
  replicationcontrollers: {
    spec: { replicas: 'number', minReadySeconds: 'number', selector: labels, template: podTemplate },
    status: workloadStatus,
  },
  'jobs.batch': {
    spec: jobSpec,
    status: {
      active: 'number',
      succeeded: 'number',
      failed: 'number',
      ready: 'number',
      terminating: 'number',
      startTime: 'time',
      completionTime: 'time',
      conditions,
    },
  },
  'cronjobs.batch': {
    spec: {
      schedule: 'text',
      timeZone: 'text',
      suspend: 'boolean',
      concurrencyPolicy: 'text',
      startingDeadlineSeconds: 'number',
      successfulJobsHistoryLimit: 'number',
      failedJobsHistoryLimit: 'number',
      jobTemplate: { metadata: { labels, annotations: 'annotations' }, spec: jobSpec },
    },
    status: { lastScheduleTime: 'time', lastSuccessfulTime: 'time', active: [objectReference] },
  },
  'horizontalpodautoscalers.autoscaling': horizontalPodAutoscaler,
  'poddisruptionbudgets.policy': {
    spec: {
      minAvailable: 'quantity',
      maxUnavailable: 'quantity',
      selector: labelSelector,
      unhealthyPodEvictionPolicy: 'text',
    },
    status: {
      disruptionsAllowed: 'number',
      currentHealthy: 'number',
      desiredHealthy: 'number',
      expectedPods: 'number',
      observedGeneration: 'number',
      disruptedPods: { '*': 'time' },
      conditions,
    },
  },
}
