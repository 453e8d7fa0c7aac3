import { z } from 'zod'
import type { Kind } from '../../events/kinds.ts'
import type { KubernetesObject, ObjectMeta } from '../../events/kubernetes.ts'
import type { ObjectName, ObjectRecord } from '../../ports.ts'
import { MARKER } from './redaction/secrets.ts'
import { redacted } from './redaction.ts'
import { MISFIT, slimWalk } from './slim.ts'

/** What was left of an object of the API, or what is wrong with it; `at`: if it could be told which it is. */
export type Projected = { readonly object: KubernetesObject } | Malformed
export type Malformed = { readonly malformed: string; readonly at?: ObjectName }

/**
 * The part of an object that leaves this adapter: the slim shape of its kind or all that redaction lets through, and
 * redacted in both cases. Items of a list carry no kind, so it is put in.
 */
export const projected = (kind: Kind, raw: unknown): Projected => {
  const object = kind.record === 'slim' ? walkOf(kind)(raw) : MISFIT
  return object !== MISFIT && strangeness(kind, raw, object as KubernetesObject) === undefined
    ? { object: object as KubernetesObject }
    : parsed(kind, raw)
}

const walks = new Map<Kind['schema'], ReturnType<typeof slimWalk>>()

const walkOf = (kind: Kind): ReturnType<typeof slimWalk> => {
  const known = walks.get(kind.schema)
  if (known) return known
  const walk = slimWalk(kind, kind.schema)
  walks.set(kind.schema, walk)
  return walk
}

/** No name of Kubernetes is longer, and a longer one makes a subject that NATS does not take. */
const NAME_CHARACTERS = 253

/** Why it can be no object of the kind, whatever fields it has: under a wrong name it would stand in another's place. */
export const strangeness = (kind: Kind, raw: unknown, { metadata }: Pick<ObjectRecord, 'metadata'>): string | undefined =>
  metadata.uid === '' || metadata.resourceVersion === '' ? 'no uid or resourceVersion' : misplaced(kind, raw, metadata)

const misplaced = (kind: Kind, raw: unknown, { name, namespace }: Pick<ObjectMeta, 'name' | 'namespace'>): string | undefined => {
  const said = (raw as { readonly kind?: unknown }).kind
  if (said !== undefined && said !== kind.kind) return `it is no ${kind.kind}`
  if (!isName(name) || !(namespace === undefined || isName(namespace))) return 'no name of an object'
  if (kind.namespaced !== (namespace !== undefined)) return `${kind.namespaced ? 'without' : 'with'} a namespace`
  return kind.namespace === undefined || kind.namespace === namespace ? undefined : `not of namespace ${kind.namespace}`
}
// What redaction put in the place of a name is not one: two objects would have it.
const isName = (name: string): boolean => name !== '' && name !== MARKER && name.length <= NAME_CHARACTERS

/** The long way: it changes what only redaction changes, and says what is wrong. */
const parsed = (kind: Kind, raw: unknown): Projected => {
  const named = typeof raw === 'object' && raw !== null ? { ...raw, kind: kind.kind } : raw
  const result = kind.schema.safeParse(named)
  if (!result.success) return malformed(kind, raw, issuesOf(result.error))
  const object = redacted(kind, kind.record === 'slim' ? result.data : named) as KubernetesObject
  const strange = strangeness(kind, raw, result.data)
  return strange === undefined ? { object } : malformed(kind, raw, strange)
}

const Named = z.object({ metadata: z.object({ namespace: z.string().optional(), name: z.string() }) })

const malformed = (kind: Kind, raw: unknown, issues: string): Projected => {
  const { data } = Named.safeParse(raw)
  if (!data) return { malformed: `${kind.name} (without a name): ${issues}` }
  const { namespace, name } = data.metadata
  const description = `${kind.name} ${`${namespace ?? ''}/${name}`.slice(0, 300)}: ${issues}`
  return { malformed: description, ...(misplaced(kind, raw, data.metadata) === undefined && { at: { namespace, name } }) }
}

// The form of a value that is wrong is said, never the value.
const issuesOf = ({ issues }: z.ZodError): string =>
  issues
    .slice(0, 3)
    .map(({ path, message }) => `${path.join('.')}: ${message}`)
    .join('; ')
