import type { z } from 'zod'
import { DeleteNode, DrainNode, UncordonNode } from './controller.ts'

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

/** Every kind of action. A new one is a row here, a machine with its effects, and their definition. */
export const verbs = {
  DrainNode: row({ order: DrainNode, v: 1, actor: 'drain-node', reach: 'disruptive', ...node }),
  DeleteNode: row({ order: DeleteNode, v: 1, actor: 'delete-node', reach: 'disruptive', ...node }),
  UncordonNode: row({ order: UncordonNode, v: 1, actor: 'uncordon-node', reach: 'restoring', ...node }),
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

type OrderEvent<V extends Verb> = { readonly schema: (typeof verbs)[V]['order']; readonly v: number; readonly command: true }

// Journaled for ever: never edit a released shape. Raise the row's `v` and add the upcast beside it.
/** The orders among the controller's events. Only another actor may ask to be told of the end. */
export const orderEvents = Object.fromEntries(
  Object.entries(verbs).map(([verb, { order, v, upcast }]: [string, Row<z.ZodType>]) => [
    `controller.${verb}`,
    { schema: order, v, ...(upcast && { upcast }), command: true, inside: ['requester'] },
  ]),
) as unknown as { readonly [V in Verb as `controller.${V}`]: OrderEvent<V> }
