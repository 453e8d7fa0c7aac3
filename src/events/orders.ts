import { z } from 'zod'

const id = z.string().min(1).max(200)
/** Who wants to hear how the action ends, as `<type>/<id>`; only another actor says so. */
const requester = z.string().optional()
/** Who stands for an order: the name of a key, and what it signed (ed25519, base64url). See docs/guard.md. */
export const Signature = z.strictObject({ key: z.string().min(1).max(100), value: z.string().min(1).max(200) })
export type Signature = z.infer<typeof Signature>
/** What every order of an action has. */
const action = { id, requester, signature: Signature.optional() }

const name = z.string().min(1).max(253)
const namespace = z
  .string()
  .regex(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/, 'a namespace: small letters, digits and "-"')
  .max(63)

/** Lets an action begin that waits for somebody's approval. */
export const Approve = z.strictObject({ id, signature: Signature.optional() })
export type Approve = z.infer<typeof Approve>

/** The node meant: by name and by each id that is given. A node of that name with another id is "already gone". */
const NodeIdentity = {
  nodeName: name,
  nodeUid: z.string().optional(),
  providerId: z.string().optional(),
  /** The value of its node-id label; see `NODE_ID_LABELS`. */
  nodeId: z.string().optional(),
}

const key = z
  .string()
  .regex(/^-?([A-Za-z0-9.-]+\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/, 'a label key, "-" before it to remove it')
const MOST_CHANGES = 100
const changes = (value: z.ZodType<string>) =>
  z.record(key, value).refine((given) => Object.keys(given).length <= MOST_CHANGES, `more than ${MOST_CHANGES} keys`)

/** As Kubernetes has it; `-` before the key removes the taint with that key and effect. */
const Taint = z.strictObject({
  key,
  value: z.string().max(63).default(''),
  effect: z.enum(['NoSchedule', 'PreferNoSchedule', 'NoExecute']),
})

export const PatchNode = z.strictObject({
  ...action,
  ...NodeIdentity,
  labels: changes(z.string().max(63)).default({}),
  annotations: changes(z.string().max(65_536)).default({}),
  taints: z.array(Taint).max(MOST_CHANGES).default([]),
  unschedulable: z.boolean().optional(),
  /** Extended resources, as quantities: they go to the node's status. */
  capacity: z.record(z.string(), z.string().regex(/^[0-9.]+[A-Za-z]{0,2}$/, 'a quantity')).default({}),
})
export type PatchNode = z.infer<typeof PatchNode>

export const CheckNodeDeleted = z.strictObject({ ...action, ...NodeIdentity })
export type CheckNodeDeleted = z.infer<typeof CheckNodeDeleted>

export const CheckNodeStatus = z.strictObject({
  ...action,
  ...NodeIdentity,
  nodeStatus: z.enum(['READY', 'DELETED']),
  waitTimeoutSeconds: z.number().positive().max(3_600).default(540),
})
export type CheckNodeStatus = z.infer<typeof CheckNodeStatus>

export const EvictPod = z.strictObject({
  ...action,
  namespace,
  podName: name,
  /** Another pod of that name is "already gone". */
  podUid: z.string().optional(),
  /** Counted from `createdAt`; 0: as long as it takes. */
  timeoutSeconds: z.number().min(0).max(86_400).default(0),
  /** Epoch ms at which it was ordered; by default when it is admitted. */
  createdAt: z.number().int().positive().optional(),
})
export type EvictPod = z.infer<typeof EvictPod>

export const CreateEvent = z.strictObject({
  ...action,
  reportingComponent: z.string().min(1).max(128),
  objectReference: z.strictObject({
    apiVersion: z.string().max(253).optional(),
    kind: z.string().min(1).max(63),
    namespace: namespace.optional(),
    name,
    uid: z.string().max(128).optional(),
  }),
  /** RFC 3339; by default when it is admitted. */
  eventTime: z.iso.datetime({ offset: true }).optional(),
  eventType: z.enum(['Normal', 'Warning']).default('Normal'),
  reason: z.string().min(1).max(128),
  action: z.string().min(1).max(128),
  message: z.string().max(1_024).default(''),
})
export type CreateEvent = z.infer<typeof CreateEvent>

const group = z
  .string()
  .regex(/^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*)?$/, 'an API group')
  .max(253)
const version = z.string().regex(/^v[0-9]+((alpha|beta)[0-9]+)?$/, 'a version such as v1')
const resource = z.string().regex(/^[a-z][a-z0-9]{0,62}$/, 'a resource in the plural, without a subresource')

/** Orders are journaled, and what is journaled can be read: so nothing is said of Secrets. */
const isNoSecret = (of: { readonly group: string; readonly resource: string }): boolean =>
  !(of.group === '' && of.resource === 'secrets')
const SECRETS = 'Secrets are not handled: what is ordered is journaled'

/** One object of any kind. */
const ObjectId = z.strictObject({ group, version, resource, namespace: namespace.optional(), name }).refine(isNoSecret, SECRETS)
export type ObjectId = z.infer<typeof ObjectId>

const Fields = z.record(z.string(), z.unknown())
export const Patch = z
  .strictObject({
    ...action,
    object: ObjectId,
    patchType: z.enum(['json', 'merge', 'strategic']),
    patch: z.union([Fields, z.array(Fields).max(1_000)]),
  })
  .refine(({ patchType, patch }) => (patchType === 'json') === Array.isArray(patch), 'a JSON patch is a list, others are not')
export type Patch = z.infer<typeof Patch>

/** `object` is the manifest; one that exists is patched with what differs, but for `metadata` and `status`. */
export const Create = z
  .strictObject({
    ...action,
    group,
    version,
    resource,
    object: z.looseObject({
      metadata: z.looseObject({ name, namespace: namespace.optional() }),
    }),
  })
  .refine(isNoSecret, SECRETS)
export type Create = z.infer<typeof Create>

export const Delete = z.strictObject({ ...action, object: ObjectId })
export type Delete = z.infer<typeof Delete>

/** Deletes the namespace that Quartermaster runs in, and with it Quartermaster. */
export const DisconnectCluster = z.strictObject({ ...action, namespace: namespace.default('quartermaster') })
export type DisconnectCluster = z.infer<typeof DisconnectCluster>

/** `<resource>.<group>/<namespace>/<name>`, without what there is not: how facts and people name an object. */
export const objectName = ({ group: of, resource: plural, namespace: where, name: called }: Omit<ObjectId, 'version'>): string =>
  [of === '' ? plural : `${plural}.${of}`, ...(where === undefined ? [] : [where]), called].join('/')

type About = {
  readonly action: string
  readonly verb: string
  readonly node?: string
  readonly pod?: string
  readonly namespace?: string
  readonly object?: string
}
/** What the machines of these actions tell. The time of a step is the fact's. */
export type ActionFact =
  | ({
      readonly type: 'controller.StepDone'
      /** What was asked of the world. */
      readonly step: string
      readonly outcome: 'done' | 'gone' | 'failed'
      /** The class of the error, and its words. */
      readonly error?: string
      readonly reason?: string
    } & About)
  | ({ readonly type: 'controller.ActionDone'; readonly alreadyGone: boolean; readonly result?: object } & About)
  | ({
      readonly type: 'controller.ActionFailed'
      readonly step: string
      readonly error: string
      readonly reason: string
    } & About)

const Cancel = z.strictObject({ reason: z.string() })
/** The one event that every action hears from the controller, under the name of its own actor type. */
export type CancelOf<Type extends string> = {
  readonly type: `${Type}.Cancel`
  readonly reason: string
  readonly at: number
}
/** Journaled for ever: never edit a released shape. Raise its `v` and add the upcast beside it. */
export const cancelOf = <Type extends string>(type: Type) =>
  ({ [`${type}.Cancel`]: { schema: Cancel, v: 1 } }) as {
    readonly [T in `${Type}.Cancel`]: { readonly schema: typeof Cancel; readonly v: 1 }
  }
