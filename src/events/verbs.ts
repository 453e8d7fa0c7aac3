import type { z } from 'zod'
import { ChartRollback, ChartUninstall, ChartUpsert } from './charts.ts'
import { answerOf, DeleteNode, DrainNode, UncordonNode } from './controller.ts'
import {
  CheckNodeDeleted,
  CheckNodeStatus,
  Create,
  CreateEvent,
  Delete,
  DisconnectCluster,
  EvictPod,
  type ObjectId,
  objectName,
  Patch,
  PatchNode,
} from './orders.ts'

/** What an action is at work on. Its facts carry it, so that `why` finds them. A pod is named `<namespace>/<name>`. */
export type Target = {
  readonly node?: string
  readonly pod?: string
  readonly namespace?: string
  /** `<resource>.<group>/<namespace>/<name>`, without what it does not have. */
  readonly object?: string
}

/** One kind of action: what is ordered, whose machine carries it out, and what speaks against it. */
type Row<Schema extends z.ZodType> = {
  readonly order: Schema
  /** Version of the order's schema, and how older ones are read; see EventDef. */
  readonly v: number
  readonly upcast?: Readonly<Record<number, (payload: unknown) => unknown>>
  /** The actor type of its actions: one actor each, named by the action's id. */
  readonly actor: string
  /** `disruptive`: the brake holds it. `restoring`: it gives something back. `internal`: it changes nothing that runs. */
  readonly reach: 'disruptive' | 'restoring' | 'internal'
  readonly target: (order: z.infer<Schema>) => Target
  /** Of several with the same name here only one may be at work; undefined: any number. */
  readonly alone?: (order: z.infer<Schema>) => string
}
const row = <Schema extends z.ZodType>(described: Row<Schema>): Row<Schema> => described

const node = {
  target: ({ nodeName }: { readonly nodeName: string }): Target => ({ node: nodeName }),
  alone: ({ nodeName }: { readonly nodeName: string }): string => `node ${nodeName}`,
}

const objectTarget = (of: ObjectId): Target => ({
  object: objectName(of),
  ...(of.namespace !== undefined && { namespace: of.namespace }),
})
const object = {
  target: ({ object: of }: { readonly object: ObjectId }): Target => objectTarget(of),
  alone: ({ object: of }: { readonly object: ObjectId }): string => objectName(of),
}
/** What an order to create means. */
export const createdObject = ({ group, version, resource, object: { metadata } }: Create): ObjectId => {
  const { name, namespace } = metadata
  return { group, version, resource, name, ...(namespace !== undefined && { namespace }) }
}

/** Version 2 of the oldest orders has more fields, and none that it needs. */
const moreFields = { 1: (order: unknown): unknown => order }

type Release = { readonly namespace: string; readonly releaseName: string }
const release = {
  target: ({ namespace, releaseName }: Release): Target => ({
    namespace,
    object: `releases.helm.sh/${namespace}/${releaseName}`,
  }),
  alone: ({ namespace, releaseName }: Release): string => `release ${namespace}/${releaseName}`,
}

/** Every kind of action. A new one is a row here, a machine with its effects, and their definition. */
export const verbs = {
  DrainNode: row({ order: DrainNode, v: 2, upcast: moreFields, actor: 'drain-node', reach: 'disruptive', ...node }),
  DeleteNode: row({ order: DeleteNode, v: 2, upcast: moreFields, actor: 'delete-node', reach: 'disruptive', ...node }),
  UncordonNode: row({ order: UncordonNode, v: 2, upcast: moreFields, actor: 'uncordon-node', reach: 'restoring', ...node }),
  PatchNode: row({ order: PatchNode, v: 1, actor: 'patch-node', reach: 'disruptive', ...node }),
  CheckNodeDeleted: row({
    order: CheckNodeDeleted,
    v: 1,
    actor: 'check-node-deleted',
    reach: 'internal',
    target: node.target,
  }),
  CheckNodeStatus: row({ order: CheckNodeStatus, v: 1, actor: 'check-node-status', reach: 'internal', target: node.target }),
  EvictPod: row({
    order: EvictPod,
    v: 1,
    actor: 'evict-pod',
    reach: 'disruptive',
    target: ({ namespace, podName }) => ({ namespace, pod: `${namespace}/${podName}` }),
    alone: ({ namespace, podName }) => `pod ${namespace}/${podName}`,
  }),
  CreateEvent: row({
    order: CreateEvent,
    v: 1,
    actor: 'create-event',
    reach: 'internal',
    target: ({ objectReference: { kind, namespace, name } }) => ({
      ...(namespace !== undefined && { namespace }),
      ...(kind === 'Node'
        ? { node: name }
        : kind === 'Pod'
          ? { pod: `${namespace ?? ''}/${name}` }
          : { object: `${kind}/${name}` }),
    }),
  }),
  Patch: row({ order: Patch, v: 1, actor: 'patch-object', reach: 'disruptive', ...object }),
  Create: row({
    order: Create,
    v: 1,
    actor: 'create-object',
    reach: 'disruptive',
    target: (order) => objectTarget(createdObject(order)),
    alone: (order) => objectName(createdObject(order)),
  }),
  Delete: row({ order: Delete, v: 1, actor: 'delete-object', reach: 'disruptive', ...object }),
  ChartUpsert: row({ order: ChartUpsert, v: 1, actor: 'chart-upsert', reach: 'disruptive', ...release }),
  ChartUninstall: row({ order: ChartUninstall, v: 1, actor: 'chart-uninstall', reach: 'disruptive', ...release }),
  ChartRollback: row({ order: ChartRollback, v: 1, actor: 'chart-rollback', reach: 'disruptive', ...release }),
  DisconnectCluster: row({
    order: DisconnectCluster,
    v: 1,
    actor: 'disconnect-cluster',
    reach: 'disruptive',
    target: ({ namespace }) => ({ namespace, object: `namespaces/${namespace}` }),
    alone: () => 'cluster',
  }),
} as const

export type Verb = keyof typeof verbs
export const verbNames = Object.keys(verbs) as readonly Verb[]

/** An order as the controller hears it. */
export type Order = {
  readonly [V in Verb]: { readonly type: `controller.${V}`; readonly at: number } & z.infer<(typeof verbs)[V]['order']>
}[Verb]

export const verbOf = ({ type }: Pick<Order, 'type'>): Verb => type.slice('controller.'.length) as Verb

// The row of a verb reads that verb's orders: the compiler does not see it through the union.
const rowOf = (order: Order) =>
  verbs[verbOf(order)] as {
    readonly target: (order: Order) => Target
    readonly alone?: (order: Order) => string
  }
export const targetOf = (order: Order): Target => rowOf(order).target(order)
export const aloneOf = (order: Order): string | undefined => rowOf(order).alone?.(order)

/** Of an action that the controller itself runs: its actor's address. */
export const actorOf = (verb: Verb, action: string): string => `${verbs[verb].actor}/${action}`

type OrderEvent<V extends Verb> = {
  readonly schema: (typeof verbs)[V]['order']
  readonly v: number
  readonly command: true
  readonly answer: typeof answerOf
}

// Journaled for ever: never edit a released shape. Raise the row's `v` and add the upcast beside it.
/** The orders among the controller's events. Only another actor may ask to be told of the end. */
export const orderEvents = Object.fromEntries(
  Object.entries(verbs).map(([verb, { order, v, upcast }]: [string, Row<z.ZodType>]) => [
    `controller.${verb}`,
    { schema: order, v, ...(upcast && { upcast }), command: true, inside: ['requester'], answer: answerOf },
  ]),
) as unknown as { readonly [V in Verb as `controller.${V}`]: OrderEvent<V> }
