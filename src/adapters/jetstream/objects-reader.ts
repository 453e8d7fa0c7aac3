import { setTimeout as sleep } from 'node:timers/promises'
import type { JetStreamClient, JetStreamManager, JsMsg } from 'nats'
import type { Kind } from '../../events/kinds.ts'
import type { KubernetesObject } from '../../events/kubernetes.ts'
import { subjects } from '../../events/subjects.ts'
import type { KindMeta } from '../../ports.ts'
import { consumed, lastSequence } from './objects-consume.ts'
import { DELETED, jsonIn, keyIn, metaIn, subjectsOf } from './objects-stream.ts'
import { type ObjectsSum, objectsSum } from './objects-sum.ts'

/** Told in stream order. `onReady` comes once; what comes before it is a picture in the making. */
export type ObjectsListener<O extends KubernetesObject = KubernetesObject> = {
  onObject(kind: Kind<O>, object: O): void
  onDeleted(kind: Kind<O>, namespace: string | undefined, name: string): void
  onReady(): void
  onMeta(kind: Kind<O>, meta: KindMeta): void
  /** A record that makes no sense, a lasting disagreement with the agent's count and hash, or NATS away: reading goes on. */
  onTrouble(reason: string): void
}

/** One resourceVersion is another record when its kind is read at another version of its group. */
type Known = { readonly uid: string; readonly resourceVersion: string; readonly apiVersion: string | undefined }
type Following<O extends KubernetesObject> = {
  readonly kind: Kind<O>
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
export const readObjects = async <O extends KubernetesObject>(
  js: JetStreamClient,
  jsm: JetStreamManager,
  cluster: string,
  kinds: readonly Kind<O>[],
  listener: ObjectsListener<O>,
  signal: AbortSignal,
): Promise<void> => {
  const followed = new Map(kinds.map((kind) => [placeIn(subjects(cluster).meta(kind)), following(kind)]))
  const filters = kinds.flatMap((kind) => subjectsOf(cluster, kind))
  const state = { isReady: false }
  for (let pause = FIRST_PAUSE_MS; !signal.aborted; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
    const startedAt = performance.now()
    const reason = await pass(js, jsm, filters, followed, listener, state, signal).catch((error: unknown) => {
      if (error instanceof ListenerFailed) throw error.cause
      return String(error)
    })
    if (signal.aborted) return
    listener.onTrouble(`${reason}; reading all again`)
    if (performance.now() - startedAt > LONGEST_PAUSE_MS) pause = FIRST_PAUSE_MS
    await sleep(pause, undefined, { signal }).catch(() => {}) // the loop sees the abort
  }
}

/** The tokens of a subject that say its kind: the group, the resource, and the namespace if the kind is limited to one. */
const placeIn = (subject: string): string => subject.split('.').slice(3).join('.')
const followedIn = <F>(followed: ReadonlyMap<string, F>, subject: string): F | undefined => {
  const [, , , group, resource, namespace] = subject.split('.')
  return followed.get(`${group}.${resource}`) ?? followed.get(`${group}.${resource}.${namespace}`)
}

const following = <O extends KubernetesObject>(kind: Kind<O>): Following<O> => ({
  kind,
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
const pass = async <O extends KubernetesObject>(
  js: JetStreamClient,
  jsm: JetStreamManager,
  filters: readonly string[],
  followed: ReadonlyMap<string, Following<O>>,
  listener: ObjectsListener<O>,
  state: { isReady: boolean },
  signal: AbortSignal,
): Promise<string> => {
  for (const each of followed.values())
    Object.assign(each, { seen: new Set(), meta: undefined, agrees: false, disagreements: 0, lastSeq: 0 })
  const until = await lastSequence(jsm, filters)
  let isCaughtUp = false
  const catchUp = (): void => {
    isCaughtUp = true
    for (const each of followed.values()) forgetUnseen(each, listener)
  }
  if (until === 0) catchUp()
  for await (const message of consumed(js, filters, signal)) {
    const each = followedIn(followed, message.subject)
    if (each) take(each, message, listener)
    if (!isCaughtUp && (message.seq >= until || message.info.pending === 0)) catchUp()
    if (!isCaughtUp) continue
    const wrong = [...followed.values()].find(({ disagreements }) => disagreements >= DISAGREEMENTS)
    if (wrong) return disagreementOf(wrong)
    if (state.isReady || ![...followed.values()].every(({ agrees }) => agrees)) continue
    state.isReady = true
    told(() => listener.onReady())
  }
  return 'the consumer of OBJECTS ended'
}

const disagreementOf = <O extends KubernetesObject>({ kind, meta, sum }: Following<O>): string =>
  `${kind.name}: the agent says ${meta?.count} objects with hash ${meta?.hash}, read were ${sum.count()} with ${sum.hash()}`

const take = <O extends KubernetesObject>(each: Following<O>, message: JsMsg, listener: ObjectsListener<O>): void => {
  if (message.subject.split('.')[2] === 'meta') takeMeta(each, message, listener)
  else takeObject(each, message, listener)
}

const takeObject = <O extends KubernetesObject>(each: Following<O>, message: JsMsg, listener: ObjectsListener<O>): void => {
  each.lastSeq = message.seq
  each.seen.add(message.subject)
  const object = message.headers?.has(DELETED) ? undefined : objectIn(each.kind, message)
  // An old version in place of one that cannot be read would be a lie: it goes.
  if (object === undefined || typeof object === 'string') forget(each, message.subject, listener)
  else learn(each, message.subject, object, listener)
  if (typeof object === 'string') told(() => listener.onTrouble(object))
}

const learn = <O extends KubernetesObject>(
  each: Following<O>,
  subject: string,
  object: O,
  listener: ObjectsListener<O>,
): void => {
  const { uid, resourceVersion } = object.metadata
  const { apiVersion } = object
  const before = each.known.get(subject)
  if (before?.uid === uid && before.resourceVersion === resourceVersion && before.apiVersion === apiVersion) return
  if (before) each.sum.remove(before.uid, before.resourceVersion)
  each.sum.add(uid, resourceVersion)
  each.known.set(subject, { uid, resourceVersion, apiVersion })
  told(() => listener.onObject(each.kind, object))
}

/** The object in a record, or what is wrong with it. Whoever may publish here is not yet trusted with its own name. */
const objectIn = <O extends KubernetesObject>(kind: Kind<O>, { subject, seq, data }: JsMsg): O | string => {
  const result = kind.schema.safeParse(jsonIn(data))
  if (!result.success)
    return `OBJECTS ${seq} ${subject} is no ${kind.name}: ${result.error.issues[0]?.path.join('.')} ${result.error.issues[0]?.message}`
  const object = result.data
  const key = keyIn(subject)
  if (object.metadata.name !== key.name || object.metadata.namespace !== key.namespace)
    return `OBJECTS ${seq} ${subject} holds another object: ${object.metadata.namespace ?? ''}/${object.metadata.name}`
  return object
}

const takeMeta = <O extends KubernetesObject>(
  each: Following<O>,
  { seq, subject, data, info }: JsMsg,
  listener: ObjectsListener<O>,
): void => {
  const meta = metaIn(data)
  if (meta === undefined) {
    told(() => listener.onTrouble(`OBJECTS ${seq} ${subject} is no meta record`))
    return
  }
  each.meta = meta
  each.metaSeq = seq
  // Who lists or takes over still learns what is there; what it says is compared, but no reason to read again.
  compare(each, info.pending === 0 && meta.state === 'streaming')
  told(() => listener.onMeta(each.kind, meta))
}

// While records wait behind the meta record, one before it may be hidden by a newer one: only at the head is it evidence.
const compare = <O extends KubernetesObject>(each: Following<O>, isEvidence: boolean): void => {
  each.agrees = each.meta?.hash === each.sum.hash() && each.meta.count === each.sum.count()
  each.disagreements = each.agrees ? 0 : each.disagreements + (isEvidence ? 1 : 0)
}

const forget = <O extends KubernetesObject>(each: Following<O>, subject: string, listener: ObjectsListener<O>): void => {
  const before = each.known.get(subject)
  if (!before) return
  each.known.delete(subject)
  each.sum.remove(before.uid, before.resourceVersion)
  const { namespace, name } = keyIn(subject)
  told(() => listener.onDeleted(each.kind, namespace, name))
}

/** What an earlier pass knew and this one did not meet is no more: its tombstone is purged already. */
const forgetUnseen = <O extends KubernetesObject>(each: Following<O>, listener: ObjectsListener<O>): void => {
  for (const subject of [...each.known.keys()]) if (!each.seen.has(subject)) forget(each, subject, listener)
  each.seen = new Set()
  // A meta record judged before this, or before a newer object, was judged too early.
  each.disagreements = 0
  if (each.meta && each.lastSeq < each.metaSeq) compare(each, false)
}
