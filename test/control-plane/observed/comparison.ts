import { isDeepStrictEqual } from 'node:util'
import type { NatsConnection } from 'nats'
import { objectsSum } from '../../../src/adapters/jetstream/objects-sum.ts'
import { collectionPath } from '../../../src/adapters/kubernetes/paths.ts'
import { isKept, recordOf } from '../../../src/adapters/kubernetes/records.ts'
import { catalogue, type Kind } from '../../../src/events/kinds.ts'
import { subjects } from '../../../src/events/subjects.ts'
import type { KindMeta, Served } from '../../../src/ports.ts'
import type { Client } from '../../kubernetes-client.ts'
import { type Held, heldOf } from './held.ts'

/** What of a kind the API has and what NATS has. */
type Pair = {
  readonly kind: Kind
  /** Undefined: the API serves it at no version that we read. */
  readonly version: string | undefined
  /** By subject, what the record of each object is to be. */
  readonly wanted: ReadonlyMap<string, unknown>
  readonly held: ReadonlyMap<string, unknown>
  readonly meta: KindMeta | undefined
}
export type Comparison = { readonly differences: readonly string[]; readonly counts: Readonly<Record<string, number>> }

/** Differences that are said of one kind. */
const MOST = 5

/**
 * Holds OBJECTS to the API, which is read in whole lists as kubectl does: for each of the kinds the same objects
 * in the same versions with the same contents, and a meta record with their count and hash.
 */
export const compared = async (
  api: Client,
  nc: NatsConnection,
  cluster: string,
  kinds: readonly Kind[] = catalogue(),
): Promise<Comparison> => {
  const lists: { readonly kind: Kind; readonly found: Found | undefined }[] = []
  for (const kind of kinds) lists.push({ kind, found: await listOf(api, kind) })
  const held = await heldOf(nc, `qm.${cluster}.obj.>`, `qm.${cluster}.meta.>`)
  const pairs = lists.map(({ kind, found }) => pairOf(cluster, kind, found, held))
  return {
    differences: pairs.flatMap((pair) => differencesOf(pair)),
    counts: Object.fromEntries(pairs.filter(({ wanted }) => wanted.size > 0).map(({ kind, wanted }) => [kind.name, wanted.size])),
  }
}

type Found = { readonly version: string; readonly items: readonly unknown[] }
const listOf = async (api: Client, kind: Kind): Promise<Found | undefined> => {
  for (const version of kind.versions) {
    const { fieldSelector } = kind
    const selected = fieldSelector === undefined ? '' : `?fieldSelector=${encodeURIComponent(fieldSelector)}`
    const { status, body } = await api.get(`${collectionPath({ kind, version })}${selected}`)
    if (status === 200) return { version, items: body.items }
    if (status !== 404) throw new Error(`${kind.name}: ${status} ${JSON.stringify(body)}`)
  }
  return undefined
}

const pairOf = (cluster: string, kind: Kind, found: Found | undefined, all: ReadonlyMap<string, Held>): Pair => {
  const prefix = subjects(cluster).objects(kind).replace(/>$/, '')
  const held = [...all].flatMap(([subject, { value }]) =>
    subject.startsWith(prefix) && value !== undefined ? [[subject, value] as const] : [],
  )
  const wanted = (found?.items ?? []).flatMap((raw) => wantedOf(cluster, { kind, version: found?.version ?? '' }, raw))
  const meta = all.get(subjects(cluster).meta(kind))?.value as KindMeta | undefined
  return { kind, version: found?.version, wanted: new Map(wanted), held: new Map(held), meta }
}

const wantedOf = (cluster: string, served: Served, raw: unknown): readonly (readonly [string, unknown])[] => {
  if (!isKept(served, raw)) return []
  const { namespace, name } = (raw as { readonly metadata: { readonly namespace?: string; readonly name: string } }).metadata
  const result = recordOf(served, raw)
  const record = 'object' in result ? JSON.parse(JSON.stringify(result.object)) : result
  return [[subjects(cluster).object(served.kind, namespace, name), record]]
}

const differencesOf = ({ kind, version, wanted, held, meta }: Pair): readonly string[] => {
  const of = (text: string): string => `${kind.name}: ${text}`
  const objects = [
    ...[...wanted].flatMap(([subject, record]) => differenceOf(subject, record, held.get(subject))),
    ...[...held.keys()].filter((subject) => !wanted.has(subject)).map((subject) => `${subject} is held, and not in the API`),
  ]
  const more = objects.length > MOST ? [`and ${objects.length - MOST} more`] : []
  return [...objects.slice(0, MOST), ...more, ...metaDifferences(version, held, meta)].map(of)
}

const differenceOf = (subject: string, wanted: any, held: any): readonly string[] => {
  if (held === undefined) return [`${subject} is not held`]
  const [ours, theirs] = [held, wanted].map(({ metadata }) => `${metadata?.uid} at ${metadata?.resourceVersion}`)
  if (ours !== theirs) return [`${subject} is held as ${ours}, the API has ${theirs}`]
  return isDeepStrictEqual(held, wanted) ? [] : [`${subject} is held as ${JSON.stringify(held)}, not ${JSON.stringify(wanted)}`]
}

const metaDifferences = (
  version: string | undefined,
  held: ReadonlyMap<string, any>,
  meta: KindMeta | undefined,
): readonly string[] => {
  const sum = objectsSum()
  for (const { metadata } of held.values()) sum.add(metadata.uid, metadata.resourceVersion)
  const expected = {
    count: sum.count(),
    hash: sum.hash(),
    ...(version === undefined ? UNSERVED : { state: 'streaming', version }),
  }
  return Object.entries(expected).flatMap(([field, value]) => {
    const told = meta?.[field as keyof KindMeta]
    return told === value ? [] : [`its meta record says ${field} ${told}, it is ${value}`]
  })
}
const UNSERVED = { state: 'unavailable' }

/** Compares until nothing differs; the agent may be a moment behind, and its meta records half a minute. */
export const untilEqual = async (
  what: string,
  compare: () => Promise<Comparison>,
  { longestMs = 150_000, stepMs = 1_000 } = {},
): Promise<Comparison & { readonly ms: number }> => {
  const from = performance.now()
  for (;;) {
    const comparison = await compare().catch((error: unknown): Comparison => ({ differences: [String(error)], counts: {} }))
    const ms = performance.now() - from
    if (comparison.differences.length === 0) return { ...comparison, ms }
    if (ms > longestMs) throw new Error(`${what}: NATS and the API differ:\n${comparison.differences.slice(0, 40).join('\n')}`)
    await new Promise((resolve) => setTimeout(resolve, stepMs))
  }
}
