import { z } from 'zod'
import { type Verb, verbNames, verbs } from './verbs.ts'

const VerbName = z.enum(verbNames as readonly [Verb, ...Verb[]])

/** Verbs that are off until they are listed: they reach any object, or end everything. */
const OFF: ReadonlySet<Verb> = new Set<Verb>(['Patch', 'Create', 'Delete', 'DisconnectCluster'])
/** What may be ordered where the file does not say. */
export const verbsByDefault: readonly Verb[] = verbNames.filter((verb) => !OFF.has(verb))

const namespaceName = z.string().regex(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/, 'a namespace: small letters, digits and "-"')

/** Objects that Patch, Create and Delete may touch, besides being allowed as verbs. */
const ObjectRule = z.strictObject({
  verbs: z.array(z.enum(['Patch', 'Create', 'Delete'])).min(1),
  /** '' is the core group. */
  group: z.string(),
  resource: z
    .string()
    .regex(/^[a-z][a-z0-9]*$/, 'a resource in the plural')
    .refine((resource) => resource !== 'secrets', 'Secrets are not handled: what is ordered is journaled'),
  /** Absent: objects without a namespace. `*` alone: of every namespace. */
  namespaces: z.union([z.tuple([z.literal('*')]), z.array(namespaceName).min(1)]).optional(),
  /** Absent: whatever they are called. */
  names: z.array(z.string().min(1)).min(1).optional(),
})
export type ObjectRule = z.infer<typeof ObjectRule>

/** How much may be touched: of the same zone or namespace, or in all; within a time, or at once. */
const Budget = z.strictObject({
  /** A refusal says it. */
  name: z.string().min(1).max(100),
  counts: z.enum(['nodes', 'pods', 'actions']),
  most: z.number().int().min(0),
  per: z.enum(['cluster', 'zone', 'namespace']).default('cluster'),
  /** Absent: at work at the same time. */
  withinSeconds: z.number().positive().max(86_400).optional(),
  /** Absent: every disruptive one. */
  verbs: z.array(VerbName).readonly().optional(),
})
export type Budget = z.infer<typeof Budget>

const Approval = z.strictObject({
  verbs: z.array(VerbName).min(1),
  /** What nobody approved by then is refused. */
  expirySeconds: z.number().positive().max(86_400).default(3_600),
})

const Signatures = z.strictObject({
  /** nkeys of users (`U…`), each under the name that a signature says. */
  keys: z.record(z.string().min(1), z.string().regex(/^U[A-Z2-7]{55}$/, 'the public nkey of a user: U…')),
  /** Absent: every verb that does not give something back, and Approve. */
  verbs: z.array(z.union([VerbName, z.literal('Approve')])).optional(),
})

/** What may be ordered. What gives something back, and the answers to our own actors' questions, are never held up by it. */
export const Guard = z.strictObject({
  verbs: z.array(VerbName).readonly().optional(),
  /** Whose pods and objects may be touched; absent: of every namespace. */
  namespaces: z.array(namespaceName).optional(),
  objects: z.array(ObjectRule).default([]),
  budgets: z.array(Budget).default([]),
  /** A drain may delete by force, at its deadline, what budgets keep; absent: no drain may. */
  force: z.boolean().optional(),
  approval: Approval.optional(),
  signatures: Signatures.optional(),
  /** Labels whose value is a node's id, for orders that name it. */
  nodeIdLabels: z.array(z.string().min(1)).optional(),
})
export type Guard = z.infer<typeof Guard>

/** Without a file. */
export const NO_GUARD: Guard = Guard.parse({})

export const isDisruptive = (verb: Verb): boolean => verbs[verb].reach === 'disruptive'

const GuardSet = z.strictObject({ guard: Guard })
export type GuardSet = { readonly type: 'controller.GuardSet'; readonly at: number } & z.infer<typeof GuardSet>
/** How the controller hears of the file. Journaled for ever: never edit a released shape. */
export const guardEvents = { 'controller.GuardSet': { schema: GuardSet, v: 1 } } as const
