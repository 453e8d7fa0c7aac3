import { type AgentMeans, agentEffects, agentPowers } from '../../actors/agent/effects.ts'
import { agent, agentMigrations } from '../../actors/agent.ts'
import { clusterEffects, clusterPowers } from '../../actors/cluster/effects.ts'
import { cluster, clusterMigrations } from '../../actors/cluster.ts'
import { type ChartMeans, chartPowers } from '../../actors/controller/charts/effects.ts'
import { approveCsr } from '../../actors/controller/csr/approve-csr.ts'
import { csrApprover, csrApproverMigrations } from '../../actors/controller/csr/csr-approver.ts'
import { approveCsrEffects, type CsrMeans, csrApproverEffects, csrPowers } from '../../actors/controller/csr/effects.ts'
import { deleteNode, deletionMigrations } from '../../actors/controller/delete-node.ts'
import { drainMigrations, drainNode } from '../../actors/controller/drain-node.ts'
import {
  controllerPowers,
  deleteNodeEffects,
  drainNodeEffects,
  evictionEffects,
  uncordonNodeEffects,
} from '../../actors/controller/effects.ts'
import { eviction, evictionMigrations } from '../../actors/controller/eviction.ts'
import { controllerEffects } from '../../actors/controller/guard-effects.ts'
import { uncordonMigrations, uncordonNode } from '../../actors/controller/uncordon-node.ts'
import { controller, controllerMigrations } from '../../actors/controller.ts'
import { evictorEffects } from '../../actors/evictor/effects.ts'
import { evictor, evictorMigrations } from '../../actors/evictor.ts'
import { agentEvents } from '../../events/agent.ts'
import { csrApproverEvents } from '../../events/certificates.ts'
import { clusterEvents } from '../../events/cluster.ts'
import { controllerEvents, deletionEvents, drainEvents, evictionEvents } from '../../events/controller.ts'
import { evictorEvents } from '../../events/evictor.ts'
import { type Guard, guardEvents } from '../../events/guard.ts'
import { orderEvents, verbs } from '../../events/verbs.ts'
import type { Evictions, KubernetesWrites, NodeRemoval, Planner, Processes, SwitchReads } from '../../ports.ts'
import type { ActorDef, Definition } from '../../runtime/types.ts'
import { type ActionMeans, actionDefinitions } from './action-definitions.ts'
import { chartDefinitions, chartOrders } from './chart-definitions.ts'

export type Ports = ActionMeans & {
  readonly kubernetes: KubernetesWrites
  readonly evictions: Evictions
  readonly removal: NodeRemoval
  /** What the agent works with: kinds, where they come from and where they go, and who tells whose cluster it is. */
  readonly agent: AgentMeans
  readonly planner: Planner
  readonly processes: Processes
  readonly brakeSwitch: SwitchReads
  readonly guard: Guard
  readonly certificates: CsrMeans
  readonly charts: ChartMeans
  /** Why nothing may be changed in the cluster; undefined: it may. */
  readonly readOnly?: string | undefined
}

/** What each actor type needs of Kubernetes; the evictor acts through the controller alone. */
const powers = { cluster: clusterPowers, agent: agentPowers, controller: controllerPowers }

/** How long the journal keeps a finished action; then it is in the archive, and its id is not used again. */
const oneShot = { retainMs: 2 * 24 * 3_600_000 }

/** Every actor type of ours, joined to the world. */
export const definitions = (ports: Ports): readonly Definition[] => {
  const { kubernetes, evictions, removal, planner, processes, brakeSwitch, readOnly } = ports
  const needed = {
    ...powers,
    ...(ports.certificates?.policy && { 'csr-approver': csrPowers }),
    ...(ports.charts?.policy && { charts: chartPowers(ports.charts.policy) }),
  }
  const clusterDef: ActorDef<typeof cluster> = {
    type: 'cluster',
    version: 4,
    migrate: clusterMigrations,
    machine: cluster,
    events: {
      ...clusterEvents,
      'cluster.Promote': { ...clusterEvents['cluster.Promote'], ...(readOnly !== undefined && { barred: readOnly }) },
    },
    effects: clusterEffects(kubernetes, processes, brakeSwitch, needed),
    children: {
      agent: { type: 'agent', id: 'parent' },
      evictor: { type: 'evictor', id: 'parent' },
      controller: { type: 'controller', id: 'parent' },
      csrApprover: { type: 'csr-approver', id: 'parent' },
      scanner: { type: 'scanner', id: 'parent' },
    },
  }
  const agentDef: ActorDef<typeof agent> = {
    type: 'agent',
    version: 2,
    migrate: agentMigrations,
    machine: agent,
    events: agentEvents,
    effects: agentEffects(ports.agent),
  }
  const evictorDef: ActorDef<typeof evictor> = {
    type: 'evictor',
    version: 3,
    migrate: evictorMigrations,
    machine: evictor,
    events: evictorEvents,
    effects: evictorEffects(planner),
  }
  const controllerDef: ActorDef<typeof controller> = {
    type: 'controller',
    version: 6,
    migrate: controllerMigrations,
    machine: controller,
    events: { ...controllerEvents, ...guardEvents, ...orderEvents, ...chartOrders(ports.charts) },
    effects: controllerEffects(kubernetes, ports.own, ports.guard),
    children: Object.fromEntries(Object.entries(verbs).map(([verb, { actor }]) => [verb, { type: actor, id: 'ref' as const }])),
    idInPayload: true,
  }
  const drainDef: ActorDef<typeof drainNode> = {
    type: 'drain-node',
    version: 3,
    migrate: drainMigrations,
    oneShot,
    machine: drainNode,
    events: drainEvents,
    effects: drainNodeEffects(kubernetes, removal, ports.nodeIdLabels),
    children: { eviction: { type: 'eviction', id: 'ref' } },
  }
  const evictionDef: ActorDef<typeof eviction> = {
    type: 'eviction',
    version: 2,
    migrate: evictionMigrations,
    oneShot,
    machine: eviction,
    events: evictionEvents,
    effects: evictionEffects(kubernetes, evictions),
  }
  const deletionDef: ActorDef<typeof deleteNode> = {
    type: 'delete-node',
    version: 3,
    migrate: deletionMigrations,
    oneShot,
    machine: deleteNode,
    events: deletionEvents,
    effects: deleteNodeEffects(kubernetes, removal, ports.nodeIdLabels),
  }
  const uncordonDef: ActorDef<typeof uncordonNode> = {
    type: 'uncordon-node',
    version: 3,
    migrate: uncordonMigrations,
    oneShot,
    machine: uncordonNode,
    events: {},
    effects: uncordonNodeEffects(kubernetes, ports.nodeIdLabels),
  }
  const csrApproverDef: ActorDef<typeof csrApprover> = {
    type: 'csr-approver',
    version: 2,
    migrate: csrApproverMigrations,
    machine: csrApprover,
    events: csrApproverEvents,
    effects: csrApproverEffects(ports.certificates),
    children: { approveCsr: { type: 'approve-csr', id: 'ref' } },
  }
  const approveCsrDef: ActorDef<typeof approveCsr> = {
    type: 'approve-csr',
    version: 1,
    oneShot,
    machine: approveCsr,
    events: {},
    effects: approveCsrEffects(ports.certificates),
  }
  return [
    csrApproverDef,
    ...chartDefinitions(ports.charts, oneShot),
    approveCsrDef,
    clusterDef,
    agentDef,
    evictorDef,
    controllerDef,
    drainDef,
    evictionDef,
    deletionDef,
    uncordonDef,
    ...actionDefinitions(ports, oneShot),
  ]
}
