import { z } from 'zod'
import { LabelSelector, TopologySpreadConstraint } from './kubernetes.ts'

const ScoredResource = z.strictObject({ name: z.string(), weight: z.int().min(1).max(100).default(1) })
const CPU_AND_MEMORY = [
  { name: 'cpu', weight: 1 },
  { name: 'memory', weight: 1 },
]
const scoredResources = z.array(ScoredResource).min(1).default(CPU_AND_MEMORY)
const UtilizationShape = z
  .array(z.strictObject({ utilization: z.int().min(0).max(100), score: z.int().min(0).max(10) }))
  .min(1)
  .refine((shape) => shape.every(({ utilization }, index) => index === 0 || utilization > (shape[index - 1]?.utilization ?? 0)), {
    error: 'the utilizations of the shape must increase',
  })
const weight = (standard: number) => z.int().min(0).max(100).default(standard)

/**
 * What of the cluster's KubeSchedulerConfiguration decides where the default scheduler puts a pod, in its own words; by
 * default the profile that kube-scheduler comes with. A weight of 0 is a plugin whose Score is disabled.
 */
export const SchedulerProfile = z.strictObject({
  /** NodeResourcesFitArgs.scoringStrategy */
  scoringStrategy: z
    .strictObject({
      type: z.enum(['LeastAllocated', 'MostAllocated', 'RequestedToCapacityRatio']).default('LeastAllocated'),
      resources: scoredResources,
      requestedToCapacityRatio: z.strictObject({ shape: UtilizationShape }).optional(),
    })
    .refine(
      ({ type, requestedToCapacityRatio }) => type !== 'RequestedToCapacityRatio' || requestedToCapacityRatio !== undefined,
      {
        error: 'RequestedToCapacityRatio needs requestedToCapacityRatio.shape',
      },
    )
    .prefault({}),
  /** NodeResourcesBalancedAllocationArgs.resources */
  balancedResources: scoredResources,
  /** InterPodAffinityArgs */
  hardPodAffinityWeight: z.int().min(0).max(100).default(1),
  ignorePreferredTermsOfExistingPods: z.boolean().default(false),
  /** 0: as many as kube-scheduler finds right for the size of the cluster. */
  percentageOfNodesToScore: z.int().min(0).max(100).default(0),
  weights: z
    .strictObject({
      TaintToleration: weight(3),
      NodeAffinity: weight(2),
      NodeResourcesFit: weight(1),
      PodTopologySpread: weight(2),
      InterPodAffinity: weight(2),
      NodeResourcesBalancedAllocation: weight(1),
    })
    .prefault({}),
})
export type SchedulerProfile = z.infer<typeof SchedulerProfile>

const timeOfDay = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'it is a time of day such as 22:00')
const isTimeZone = (name: string): boolean => {
  try {
    return new Intl.DateTimeFormat('en-US', { timeZone: name }) !== undefined
  } catch {
    return false
  }
}
/** When something may be disturbed. One that ends before it begins ends on the next day. */
export const DisruptionWindow = z.strictObject({
  days: z
    .array(z.enum(['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun']))
    .min(1)
    .optional()
    .describe('On which days it begins; by default on all.'),
  from: timeOfDay,
  to: timeOfDay,
  timeZone: z
    .string()
    .refine(isTimeZone, 'it is a time zone such as Europe/Berlin')
    .default('UTC')
    .describe('Whose clocks are meant, as IANA names it.'),
})
export type DisruptionWindow = z.infer<typeof DisruptionWindow>

const WorkloadRule = z.strictObject({
  namespaces: z.array(z.string()).optional().describe('Whose pods are meant; by default those of all namespaces.'),
  selector: LabelSelector.optional().describe('Which pods are meant, by their labels; by default all.'),
  maxEvictions: z.int().min(0).optional().describe('No more pods of each owner are evicted by a plan.'),
  disruptionWindows: z.array(DisruptionWindow).default([]).describe('They are evicted only in these; by default at any time.'),
})

/** Room that a plan leaves free, each for itself: what fitted before the plan fits after it. */
const Headroom = z.strictObject({
  percent: z
    .number()
    .min(0)
    .max(400)
    .default(0)
    .describe('Room for so many percent more of the pods that ask for cpu and memory alone, where they may run.'),
  largestPod: z
    .boolean()
    .default(false)
    .describe('Room for one more of the largest pod, by each resource, of those that may run on the same nodes.'),
  rolloutSurge: z
    .enum(['none', 'one', 'all'])
    .default('none')
    .describe('Room for the maxSurge of Deployments: of any one at a time, or of all at once.'),
  autoscaledPeaks: z
    .boolean()
    .default(false)
    .describe('Room for every HorizontalPodAutoscaler to go to its maxReplicas, all at once.'),
  zoneLoss: z
    .boolean()
    .default(false)
    .describe('The pods of any one zone fit into the others, by the sums of what they request.'),
  minNodesPerZone: z.int().min(0).default(0).describe('So many nodes stay in each zone that has them.'),
})

/** Nodes may be launched, for dearer ones to be emptied onto them. */
const Replacement = z.strictObject({
  maxLaunches: z.int().min(1).max(100).default(10).describe('No more nodes are launched by a plan.'),
  minSavingPercent: z
    .number()
    .min(0)
    .max(1_000)
    .default(20)
    .describe('Nothing is launched that does not save so many percent of its own price more than a plan without.'),
  spot: z.boolean().default(false).describe('Also spot machines, in place of whatever they replace.'),
})

/** What the evictor may do. Every field has a careful default. */
export const Policy = z.strictObject({
  $schema: z.string().optional().describe('Where editors find this schema.'),
  nodeGraceSeconds: z.number().min(0).default(300).describe('A younger node is left alone.'),
  aggressive: z
    .boolean()
    .default(false)
    .describe('Also single replicas, StatefulSets, Jobs (they begin anew) and bare pods (they do not come back).'),
  evictLocalStorage: z
    .boolean()
    .default(false)
    .describe('Also pods with an emptyDir on disk or a hostPath: what they hold is lost.'),
  evictGangs: z
    .boolean()
    .default(false)
    .describe('Also pods of gangs (JobSet, LeaderWorkerSet, Kueue, Volcano, PodGroup): one eviction disrupts all of them.'),
  windows: z.boolean().default(false).describe('Also nodes of Windows.'),
  arm64: z.boolean().default(true).describe('Also nodes of arm64.'),
  ignorePodDisruptionBudgets: z
    .boolean()
    .default(false)
    .describe('Plan as if there were no budgets. The API server honours them all the same.'),
  scope: LabelSelector.optional().describe('Only nodes with these labels may be emptied.'),
  maxEvictions: z.int().min(0).optional().describe('No more pods are evicted by a plan.'),
  maxNodes: z.int().min(0).optional().describe('No more nodes are emptied by a plan.'),
  maxNodesPerWave: z.int().min(1).default(10).describe('How many nodes are drained at the same time.'),
  defaultConstraints: z
    .array(TopologySpreadConstraint)
    .default([])
    .describe(
      "What the cluster's scheduler spreads pods by that say nothing themselves (PodTopologySpreadArgs, defaultingType List).",
    ),
  scheduler: SchedulerProfile.optional().describe("How the cluster's default scheduler scores nodes; by default as it comes."),
  minNodes: z.int().min(0).default(1).describe('So many nodes stay, whatever they cost.'),
  minSaving: z
    .strictObject({
      hourly: z.number().min(0).default(0).describe('$/h.'),
      percent: z.number().min(0).max(100).default(0).describe('Of what the cluster costs.'),
    })
    .prefault({})
    .describe('A plan that saves less is not worth it: nothing is emptied then.'),
  utilizationBelow: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .describe('Only nodes are emptied of which less than this part is requested, of every resource. By default all.'),
  balance: z
    .number()
    .positive()
    .optional()
    .describe(
      "Only nodes are emptied that cost at least 1/balance as large a part of the money as their pods are of the disruption (Karpenter's consolidationThreshold, there 2).",
    ),
  protectedNamespaces: z.array(z.string()).default([]).describe('No pod of these is evicted.'),
  disruptionWindows: z
    .array(DisruptionWindow)
    .default([])
    .describe('Plans are carried out only in these; by default at any time. They are made and shown all the same.'),
  workloads: z.array(WorkloadRule).default([]).describe('What holds for some pods only.'),
  headroom: Headroom.optional().describe('Room that is left free for what is to come; by default none.'),
  replacement: Replacement.optional().describe(
    'Also nodes are launched that cost less than those they replace, of kinds that the cluster has or a catalogue lists; by default none. Only `plan` shows such plans: nobody launches nodes yet.',
  ),
})
export type Policy = z.infer<typeof Policy>

const dollars = z.record(z.string(), z.number().min(0))
/** What is paid for whether it is used or not. Spot nodes use none of it. */
const Commitments = z.strictObject({
  /** Reserved instances and their like: so many nodes of a type, in one zone or in any, at $/h for each; by default what a node costs. */
  instances: z
    .array(
      z.strictObject({
        instanceType: z.string(),
        zone: z.string().optional(),
        count: z.int().min(1),
        hourly: z.number().min(0).optional(),
      }),
    )
    .default([]),
  /** Savings plans and committed use: $/h that are spent, for use that would cost so much more on demand. */
  spend: z.array(z.strictObject({ hourly: z.number().min(0), discount: z.number().min(0).max(0.99) })).default([]),
})
export type Commitments = z.infer<typeof Commitments>

const PriceFile = z.strictObject({
  currency: z.string().default('USD'),
  /** $/h of one node, by its name. */
  nodes: dollars.default({}),
  /** $/h on demand, by `node.kubernetes.io/instance-type`. */
  instanceTypes: dollars.default({}),
  /** The part of the price on demand that a spot node saves. */
  spotDiscount: z.number().min(0).max(1).default(0.6),
  /** Where `instanceTypes` are from: a public list, or what this cluster pays. */
  basis: z.enum(['list', 'custom']).default('custom'),
  /** The part that is taken off the prices of instance types and of the formula, as negotiated. */
  discount: z.number().min(0).max(1).default(0),
  /** $/h of a node that has no price: for each core, each GiB of memory and each GPU that is allocatable. */
  fallback: z
    .strictObject({
      core: z.number().min(0).default(0.035),
      gib: z.number().min(0).default(0.0045),
      gpu: z.number().min(0).default(1),
    })
    .prefault({}),
  /** The address of OpenCost's API, which is asked for the prices of nodes that are not among `nodes`. */
  openCost: z.string().optional(),
  commitments: Commitments.prefault({}),
})
const AwsList = z
  .object({
    region: z.string(),
    currency: z.string(),
    unit: z.string().optional(),
    asOf: z.string().optional(),
    onDemand: dollars,
  })
  .transform(({ currency, onDemand }) => PriceFile.parse({ currency, basis: 'list', instanceTypes: onDemand }))

/** A price file: ours, or a public list of on-demand prices of a region (`{region, currency, unit, asOf, onDemand}`). */
export const Prices = z.union([PriceFile, AwsList])
export type Prices = z.infer<typeof Prices>

/** How many nodes are priced by a public list, by what somebody says of this cluster, and by a formula. */
const Pricing = z.object({ currency: z.string(), list: z.int(), custom: z.int(), guessed: z.int() })
export type Pricing = z.infer<typeof Pricing>

const Cost = z.object({ nodes: z.int(), hourlyCost: z.number() })
export const Reason = z.object({ code: z.string(), message: z.string(), pod: z.string().optional() })
export type Reason = z.infer<typeof Reason>

const Move = z.object({ namespace: z.string(), name: z.string(), uid: z.string(), to: z.string() })
export type Move = z.infer<typeof Move>
export const Drain = z.object({
  node: z.string(),
  uid: z.string(),
  wave: z.int(),
  moves: z.array(Move),
  /** The planned nodes that its pods go to. */
  replacedBy: z.array(z.string()).optional(),
})
export type Drain = z.infer<typeof Drain>
const Kept = z.object({ node: z.string(), reasons: z.array(Reason) })

/** Nodes of one kind that are to be there before the first drain, by the names that moves and drains call them by. */
const Launch = z.object({
  instanceType: z.string(),
  count: z.int(),
  zone: z.string().optional(),
  capacityType: z.string().optional(),
  /** $/h of one. */
  hourlyCost: z.number().optional(),
  nodes: z.array(z.string()).optional(),
})
export type Launch = z.infer<typeof Launch>

/** Drains and moves in the order of execution; waves count from 1. */
export const Plan = z.object({
  planner: z.string(),
  solveMillis: z.number(),
  before: Cost,
  after: Cost,
  /** No plan for this cluster under this policy costs less. */
  bound: z.object({ hourlyCost: z.number(), proven: z.boolean(), covers: z.string().optional() }),
  evictions: z.int(),
  risk: z.object({ stranded: z.int() }),
  launch: z.array(Launch),
  drains: z.array(Drain),
  kept: z.array(Kept),
  prices: Pricing.optional(),
  /** Of the policy's headroom what has no room in the cluster as it is: so many pods of those that might come. */
  unmet: z.array(z.object({ what: z.string(), pods: z.int(), of: z.int() })).optional(),
})
export type Plan = z.infer<typeof Plan>
