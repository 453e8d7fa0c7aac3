import type { ChainEffects, ChainedAction } from '../../actors/controller/chain.ts'
import { checkNodeDeleted } from '../../actors/controller/check-node-deleted.ts'
import { checkNodeStatus } from '../../actors/controller/check-node-status.ts'
import { createEvent } from '../../actors/controller/create-event.ts'
import { createObject } from '../../actors/controller/create-object.ts'
import { deleteObject } from '../../actors/controller/delete-object.ts'
import { disconnectCluster } from '../../actors/controller/disconnect-cluster.ts'
import { evictPod } from '../../actors/controller/evict-pod.ts'
import {
  checkNodeDeletedEffects,
  checkNodeStatusEffects,
  evictPodEffects,
  patchNodeEffects,
} from '../../actors/controller/node-action-effects.ts'
import {
  createEventEffects,
  createObjectEffects,
  deleteObjectEffects,
  disconnectClusterEffects,
  patchObjectEffects,
} from '../../actors/controller/object-action-effects.ts'
import { patchNode } from '../../actors/controller/patch-node.ts'
import { patchObject } from '../../actors/controller/patch-object.ts'
import { cancelOf } from '../../events/orders.ts'
import type { KubernetesWrites, NodeWaits, Objects } from '../../ports.ts'
import type { ActorDef, Definition, Migrations, OneShot } from '../../runtime/types.ts'

/** What the actions that are ordered from outside work with. */
export type ActionMeans = {
  /** With the controller's own credentials. */
  readonly own: Objects
  /** With those of the account that the guard's list of objects makes. */
  readonly granted: Objects
  readonly waits: NodeWaits
  /** Labels whose values are node ids. */
  readonly nodeIdLabels: readonly string[]
}
type Means = ActionMeans & { readonly kubernetes: KubernetesWrites }

/** Version 1 of each told its end itself. */
const migrate: Migrations = { 1: (state) => state }

/** The actions that are ordered from outside: one actor each. */
export const actionDefinitions = (means: Means, oneShot: OneShot): readonly Definition[] => {
  const { kubernetes, own, granted, waits, nodeIdLabels: labels } = means
  const chained = <Known, Inputs>(
    { type, machine }: ChainedAction<Known, Inputs>,
    effects: ChainEffects<Known, Inputs>,
  ): Definition => ({ type, version: 2, migrate, oneShot, machine, events: cancelOf(type), effects })
  const statusDef: ActorDef<typeof checkNodeStatus> = {
    type: 'check-node-status',
    version: 2,
    migrate,
    oneShot,
    machine: checkNodeStatus,
    events: cancelOf('check-node-status'),
    effects: checkNodeStatusEffects(kubernetes, waits, labels),
  }
  const evictPodDef: ActorDef<typeof evictPod> = {
    type: 'evict-pod',
    version: 2,
    migrate,
    oneShot,
    machine: evictPod,
    events: cancelOf('evict-pod'),
    effects: evictPodEffects(kubernetes),
    children: { eviction: { type: 'eviction', id: 'ref' } },
  }
  return [
    statusDef,
    evictPodDef,
    chained(patchNode, patchNodeEffects(own, kubernetes, labels)),
    chained(checkNodeDeleted, checkNodeDeletedEffects(kubernetes, labels)),
    chained(createEvent, createEventEffects(own)),
    chained(patchObject, patchObjectEffects(granted)),
    chained(createObject, createObjectEffects(granted)),
    chained(deleteObject, deleteObjectEffects(granted)),
    chained(disconnectCluster, disconnectClusterEffects(own)),
  ]
}
