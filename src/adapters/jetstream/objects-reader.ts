import { setTimeout as sleep } from 'node:timers/promises'
import type { JetStreamClient, JetStreamManager, JsMsg } from 'nats'
import { type KubernetesObject, type Resource, streamedKinds } from '../../events/kubernetes.ts'
import type { KindMeta } from '../../ports.ts'
import { consumed, lastSequence } from './objects-consume.ts'
import { DELETED, jsonIn, keyIn, metaIn, subjectsOf } from './objects-stream.ts'
import { type ObjectsSum, objectsSum } from './objects-sum.ts'

/** Told in stream order. `onReady` comes once; what comes before it is a picture in the making. */
export type ObjectsListener = {
  onObject(resource: Resource, object: KubernetesObject): void
  onDeleted(resource: Resource, namespace: string | undefined, name: string): void
  onReady(): void
  onMeta(resource: Resource, meta: KindMeta): void
  /** A record that makes no sense, a lasting disagreement with the agent's count and hash, or NATS away: reading goes on. */
  onTrouble(reason: string): void
}

type Known = { readonly uid: string; readonly resourceVersion: string }
type Kind = {
  readonly resource: Resource
  readonly known: Map<string, Known>
  readonly sum: ObjectsSum
  seen: Set<string>
  meta: KindMeta | undefined
  metaSeq: number
  lastSeq: number
  agrees: boolean
  disagreements: number
}

/** A forgotten tombstone or a foreign write shows in every meta record from then on; one alone may be read too early. */
const DISAGREEMENTS = 2
const FIRST_PAUSE_MS = 500
const LONGEST_PAUSE_MS = 60_000

/**
 * Reads the kinds from the start and follows them until the signal aborts. Ready when everything that was there at the
 * start is read and each kind's count and hash are those of its meta record. If they lastingly are not, all is read
 * again, and what is no more is told as deleted.
 */
export const readObjects = async (
  js: JetStreamClient,
  jsm: JetStreamManager,
  cluster: string,
  resources: readonly Resource[],
  listener: ObjectsListener,
  signal: AbortSignal,
): Promise<void> => {
  const kinds = new Map(resources.map((resource) => [resource, kindOf(resource)]))
  const filters = resources.flatMap((resource) => subjectsOf(cluster, resource))
  const state = { isReady: false }
  for (let pause = FIRST_PAUSE_MS; !signal.aborted; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
    const startedAt = performance.now()
    const reason = await pass(js, jsm, filters, kinds, listener, state, signal).catch((error: unknown) => {
      if (error instanceof ListenerFailed) throw error.cause
      return String(error)
    })
    if (signal.aborted) return
    listener.onTrouble(`${reason}; reading all again`)
    if (performance.now() - startedAt > LONGEST_PAUSE_MS) pause = FIRST_PAUSE_MS
    await sleep(pause, undefined, { signal }).catch(() => {}) // the loop sees the abort
  }
}

const kindOf = (resource: Resource): Kind => ({
  resource,
  known: new Map(),
  sum: objectsSum(),
  seen: new Set(),
  meta: undefined,
  metaSeq: 0,
  lastSeq: 0,
  agrees: false,
  disagreements: 0,
})

/** What the listener throws is its own affair and ends the reading. */
class ListenerFailed extends Error {}

const told = (tell: () => void): void => {
  try {
    tell()
  } catch (cause) {
    throw new ListenerFailed('the listener failed', { cause })
  }
}

/** One consumer's life; comes back with the reason for another. */
const pass = async (
  js: JetStreamClient,
  jsm: JetStreamManager,
  filters: readonly string[],
  kinds: ReadonlyMap<Resource, Kind>,
  listener: ObjectsListener,
  state: { isReady: boolean },
  signal: AbortSignal,
): Promise<string> => {
  for (const kind of kinds.values())
    Object.assign(kind, { seen: new Set(), meta: undefined, agrees: false, disagreements: 0, lastSeq: 0 })
  const until = await lastSequence(jsm, filters)
  let isCaughtUp = false
  const catchUp = (): void => {
    isCaughtUp = true
    for (const kind of kinds.values()) forgetUnseen(kind, listener)
  }
  if (until === 0) catchUp()
  for await (const message of consumed(js, filters, signal)) {
    const kind = kinds.get(resourceIn(message.subject))
    if (kind) take(kind, message, listener)
    if (!isCaughtUp && (message.seq >= until || message.info.pending === 0)) catchUp()
    if (!isCaughtUp) continue
    const wrong = [...kinds.values()].find(({ disagreements }) => disagreements >= DISAGREEMENTS)
    if (wrong) return disagreementOf(wrong)
    if (state.isReady || ![...kinds.values()].every(({ agrees }) => agrees)) continue
    state.isReady = true
    told(() => listener.onReady())
  }
  return 'the consumer of OBJECTS ended'
}

const resourceIn = (subject: string): Resource => subject.split('.')[4] as Resource

const disagreementOf = ({ resource, meta, sum }: Kind): string =>
  `${resource}: the agent says ${meta?.count} objects with hash ${meta?.hash}, read were ${sum.count()} with ${sum.hash()}`

const take = (kind: Kind, message: JsMsg, listener: ObjectsListener): void => {
  if (message.subject.split('.')[2] === 'meta') takeMeta(kind, message, listener)
  else takeObject(kind, message, listener)
}

const takeObject = (kind: Kind, message: JsMsg, listener: ObjectsListener): void => {
  kind.lastSeq = message.seq
  kind.seen.add(message.subject)
  const object = message.headers?.has(DELETED) ? undefined : objectIn(kind.resource, message)
  // An old version in place of one that cannot be read would be a lie: it goes.
  if (object === undefined || typeof object === 'string') forget(kind, message.subject, listener)
  else learn(kind, message.subject, object, listener)
  if (typeof object === 'string') told(() => listener.onTrouble(object))
}

const learn = (kind: Kind, subject: string, object: KubernetesObject, listener: ObjectsListener): void => {
  const { uid, resourceVersion } = object.metadata
  const before = kind.known.get(subject)
  if (before?.uid === uid && before.resourceVersion === resourceVersion) return
  if (before) kind.sum.remove(before.uid, before.resourceVersion)
  kind.sum.add(uid, resourceVersion)
  kind.known.set(subject, { uid, resourceVersion })
  told(() => listener.onObject(kind.resource, object))
}

/** The object in a record, or what is wrong with it. Whoever may publish here is not yet trusted with its own name. */
const objectIn = (resource: Resource, { subject, seq, data }: JsMsg): KubernetesObject | string => {
  const result = streamedKinds[resource].schema.safeParse(jsonIn(data))
  if (!result.success)
    return `OBJECTS ${seq} ${subject} is no ${resource}: ${result.error.issues[0]?.path.join('.')} ${result.error.issues[0]?.message}`
  const object: KubernetesObject = result.data
  const key = keyIn(subject)
  if (object.metadata.name !== key.name || object.metadata.namespace !== key.namespace)
    return `OBJECTS ${seq} ${subject} holds another object: ${object.metadata.namespace ?? ''}/${object.metadata.name}`
  return object
}

const takeMeta = (kind: Kind, { seq, subject, data, info }: JsMsg, listener: ObjectsListener): void => {
  const meta = metaIn(data)
  if (meta === undefined) {
    told(() => listener.onTrouble(`OBJECTS ${seq} ${subject} is no meta record`))
    return
  }
  kind.meta = meta
  kind.metaSeq = seq
  // Who lists or takes over still learns what is there; what it says is compared, but no reason to read again.
  compare(kind, info.pending === 0 && meta.state === 'streaming')
  told(() => listener.onMeta(kind.resource, meta))
}

// While records wait behind the meta record, one before it may be hidden by a newer one: only at the head is it evidence.
const compare = (kind: Kind, isEvidence: boolean): void => {
  kind.agrees = kind.meta?.hash === kind.sum.hash() && kind.meta.count === kind.sum.count()
  kind.disagreements = kind.agrees ? 0 : kind.disagreements + (isEvidence ? 1 : 0)
}

const forget = (kind: Kind, subject: string, listener: ObjectsListener): void => {
  const before = kind.known.get(subject)
  if (!before) return
  kind.known.delete(subject)
  kind.sum.remove(before.uid, before.resourceVersion)
  const { namespace, name } = keyIn(subject)
  told(() => listener.onDeleted(kind.resource, namespace, name))
}

/** What an earlier pass knew and this one did not meet is no more: its tombstone is purged already. */
const forgetUnseen = (kind: Kind, listener: ObjectsListener): void => {
  for (const subject of [...kind.known.keys()]) if (!kind.seen.has(subject)) forget(kind, subject, listener)
  kind.seen = new Set()
  // A meta record judged before this, or before a newer object, was judged too early.
  kind.disagreements = 0
  if (kind.meta && kind.lastSeq < kind.metaSeq) compare(kind, false)
}
