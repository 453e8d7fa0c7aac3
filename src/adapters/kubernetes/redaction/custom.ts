import { conditions, labelSelector, labels, localReference, objectReference, podTemplate, quantities, taints } from './pods.ts'
import type { Fields, Rule } from './rule.ts'
import { crossVersionReference, jobSpec, scalingRules, workloadStatus } from './workloads.ts'

// Kinds that others define: Karpenter, Argo Rollouts, KEDA, VPA, Datadog. One rule for all versions of a kind, as
// their fields do not contradict each other. Whatever a newer version adds is dropped until it is named here.

const hidden: Rule = { '*': 'hidden' }
const requirements: Rule = [{ key: 'text', operator: 'text', values: ['text'], minValues: 'number' }]
const classReference: Rule = { group: 'text', kind: 'text', name: 'text', apiVersion: 'text' }
const kubelet: Rule = {
  maxPods: 'number',
  podsPerCore: 'number',
  clusterDNS: ['text'],
  cpuCFSQuota: 'boolean',
  systemReserved: quantities,
  kubeReserved: quantities,
  evictionHard: quantities,
  evictionSoft: quantities,
  evictionSoftGracePeriod: quantities,
  evictionMaxPodGracePeriod: 'number',
  imageGCHighThresholdPercent: 'number',
  imageGCLowThresholdPercent: 'number',
}
const nodeMetadata: Rule = { labels, annotations: 'annotations' }
const nodeTemplate: Fields = {
  requirements,
  taints,
  startupTaints: taints,
  nodeClassRef: classReference,
  expireAfter: 'quantity',
  terminationGracePeriod: 'quantity',
  resources: { requests: quantities, limits: quantities },
  kubelet,
  kubeletConfiguration: kubelet,
  machineTemplateRef: classReference,
}
const nodeStatus: Rule = {
  nodeName: 'text',
  providerID: 'text',
  imageID: 'text',
  capacity: quantities,
  allocatable: quantities,
  lastPodEventTime: 'time',
  conditions,
}
/** Tags are values of a user's: which there are stays. */
const selectorTerms: Rule = [
  { alias: 'text', id: 'text', name: 'text', owner: 'text', ssmParameter: 'text', family: 'text', tags: hidden },
]
const resolved: Rule = [{ id: 'text', name: 'text', zone: 'text', zoneID: 'text', requirements }]
/** `userData` is a script that a machine boots with: in most clusters it holds a token. */
const ec2NodeClass: Fields = {
  spec: {
    amiFamily: 'text',
    amiSelectorTerms: selectorTerms,
    subnetSelectorTerms: selectorTerms,
    securityGroupSelectorTerms: selectorTerms,
    capacityReservationSelectorTerms: selectorTerms,
    subnetSelector: hidden,
    securityGroupSelector: hidden,
    amiSelector: hidden,
    role: 'text',
    instanceProfile: 'text',
    instanceStorePolicy: 'text',
    associatePublicIPAddress: 'boolean',
    detailedMonitoring: 'boolean',
    kubelet,
    tags: hidden,
    userData: 'hidden',
    metadataOptions: { httpEndpoint: 'text', httpProtocolIPv6: 'text', httpPutResponseHopLimit: 'number', httpTokens: 'text' },
    blockDeviceMappings: [
      {
        deviceName: 'text',
        rootVolume: 'boolean',
        ebs: {
          volumeSize: 'quantity',
          volumeType: 'text',
          iops: 'number',
          throughput: 'number',
          encrypted: 'boolean',
          deleteOnTermination: 'boolean',
        },
      },
    ],
  },
  status: { amis: resolved, subnets: resolved, securityGroups: resolved, conditions },
}

/** A trigger's metadata names queues, but also holds whole connection strings. */
const triggers: Rule = [
  {
    type: 'text',
    name: 'text',
    metricType: 'text',
    useCachedMetrics: 'boolean',
    metadata: hidden,
    authenticationRef: { name: 'text', kind: 'text' },
  },
]
const kedaStatus: Rule = {
  conditions,
  hpaName: 'text',
  scaleTargetKind: 'text',
  lastActiveTime: 'time',
  originalReplicaCount: 'number',
  pausedReplicaCount: 'number',
}

const canary: Rule = {
  canaryService: 'text',
  stableService: 'text',
  maxSurge: 'quantity',
  maxUnavailable: 'quantity',
  minPodsPerReplicaSet: 'number',
  dynamicStableScale: 'boolean',
  scaleDownDelaySeconds: 'number',
  abortScaleDownDelaySeconds: 'number',
  steps: [
    {
      setWeight: 'number',
      pause: { duration: 'quantity' },
      setCanaryScale: { replicas: 'number', weight: 'number', matchTrafficWeight: 'boolean' },
    },
  ],
}
const blueGreen: Rule = {
  activeService: 'text',
  previewService: 'text',
  previewReplicaCount: 'number',
  autoPromotionEnabled: 'boolean',
  autoPromotionSeconds: 'number',
  maxUnavailable: 'quantity',
  scaleDownDelaySeconds: 'number',
}

export const custom: Readonly<Record<string, Fields>> = {
  'nodepools.karpenter.sh': {
    spec: {
      replicas: 'number',
      weight: 'number',
      limits: quantities,
      template: { metadata: nodeMetadata, spec: nodeTemplate },
      disruption: {
        consolidationPolicy: 'text',
        consolidateAfter: 'quantity',
        expireAfter: 'quantity',
        budgets: [{ nodes: 'quantity', schedule: 'text', duration: 'quantity', reasons: ['text'] }],
      },
    },
    status: { resources: quantities, nodes: 'number', conditions },
  },
  'nodeclaims.karpenter.sh': { spec: nodeTemplate, status: nodeStatus },
  'nodeoverlays.karpenter.sh': {
    spec: { requirements, price: 'quantity', priceAdjustment: 'quantity', capacity: quantities, weight: 'number' },
    status: { conditions },
  },
  'provisioners.karpenter.sh': {
    spec: {
      ...nodeTemplate,
      labels,
      annotations: 'annotations',
      weight: 'number',
      limits: { resources: quantities },
      consolidation: { enabled: 'boolean' },
      providerRef: classReference,
      ttlSecondsAfterEmpty: 'number',
      ttlSecondsUntilExpired: 'number',
    },
    status: { resources: quantities, lastScaleTime: 'time', conditions },
  },
  'machines.karpenter.sh': { spec: nodeTemplate, status: nodeStatus },
  'ec2nodeclasses.karpenter.k8s.aws': ec2NodeClass,
  'awsnodetemplates.karpenter.k8s.aws': ec2NodeClass,
  'aksnodeclasses.karpenter.azure.com': {
    spec: { imageFamily: 'text', imageVersion: 'text', osDiskSizeGB: 'number', maxPods: 'number', kubelet, tags: hidden },
    status: { kubernetesVersion: 'text', images: resolved, conditions },
  },
  'gcenodeclasses.karpenter.k8s.gcp': {
    spec: {
      imageFamily: 'text',
      imageSelectorTerms: selectorTerms,
      kubeletConfiguration: kubelet,
      disks: [{ sizeGiB: 'number', category: 'text', boot: 'boolean' }],
      labels: hidden,
      metadata: hidden,
      networkTags: ['text'],
    },
    status: { images: resolved, conditions },
  },
  'rollouts.argoproj.io': {
    spec: {
      replicas: 'number',
      minReadySeconds: 'number',
      paused: 'boolean',
      progressDeadlineSeconds: 'number',
      revisionHistoryLimit: 'number',
      selector: labelSelector,
      template: podTemplate,
      workloadRef: objectReference,
      strategy: { canary, blueGreen },
    },
    status: { ...workloadStatus, observedGeneration: 'scalar', phase: 'text', stableRS: 'text', currentPodHash: 'text' },
  },
  'scaledobjects.keda.sh': {
    spec: {
      scaleTargetRef: { ...crossVersionReference, envSourceContainerName: 'text' },
      minReplicaCount: 'number',
      maxReplicaCount: 'number',
      idleReplicaCount: 'number',
      pollingInterval: 'number',
      cooldownPeriod: 'number',
      initialCooldownPeriod: 'number',
      fallback: { failureThreshold: 'number', replicas: 'number' },
      advanced: {
        restoreToOriginalReplicaCount: 'boolean',
        horizontalPodAutoscalerConfig: { name: 'text', behavior: { scaleUp: scalingRules, scaleDown: scalingRules } },
      },
      triggers,
    },
    status: kedaStatus,
  },
  'scaledjobs.keda.sh': {
    spec: {
      jobTargetRef: jobSpec,
      minReplicaCount: 'number',
      maxReplicaCount: 'number',
      pollingInterval: 'number',
      successfulJobsHistoryLimit: 'number',
      failedJobsHistoryLimit: 'number',
      rollout: { strategy: 'text', propagationPolicy: 'text' },
      scalingStrategy: {
        strategy: 'text',
        customScalingQueueLengthDeduction: 'number',
        customScalingRunningJobPercentage: 'quantity',
        pendingPodConditions: ['text'],
        multipleScalersCalculation: 'text',
      },
      triggers,
    },
    status: kedaStatus,
  },
  'verticalpodautoscalers.autoscaling.k8s.io': {
    spec: {
      targetRef: crossVersionReference,
      recommenders: [localReference],
      updatePolicy: {
        updateMode: 'text',
        minReplicas: 'number',
        evictionRequirements: [{ resources: ['text'], changeRequirement: 'text' }],
      },
      resourcePolicy: {
        containerPolicies: [
          {
            containerName: 'text',
            mode: 'text',
            minAllowed: quantities,
            maxAllowed: quantities,
            controlledResources: ['text'],
            controlledValues: 'text',
          },
        ],
      },
    },
    status: {
      conditions,
      recommendation: {
        containerRecommendations: [
          {
            containerName: 'text',
            target: quantities,
            lowerBound: quantities,
            upperBound: quantities,
            uncappedTarget: quantities,
          },
        ],
      },
    },
  },
  'extendeddaemonsetreplicasets.datadoghq.com': {
    spec: { selector: labelSelector, template: podTemplate, templateGeneration: 'text' },
    status: { desired: 'number', current: 'number', ready: 'number', available: 'number', status: 'text', conditions },
  },
}
