import { z } from 'zod'
import type { Kind } from '../../events/kinds.ts'
import type { KubernetesObject } from '../../events/kubernetes.ts'
import { redacted } from './redaction.ts'
import { MISFIT, slimWalk } from './slim.ts'

/** What was left of an object of the API, or what is wrong with it, by name. */
export type Projected = { readonly object: KubernetesObject } | { readonly malformed: string }

/**
 * The part of an object that leaves this adapter: the slim shape of its kind or all that redaction lets through, and
 * redacted in both cases. Items of a list carry no kind, so it is put in.
 */
export const projected = (kind: Kind, raw: unknown): Projected => {
  const object = kind.record === 'slim' ? walkOf(kind)(raw) : MISFIT
  return object !== MISFIT && isVersioned(object as KubernetesObject) ? { object: object as KubernetesObject } : parsed(kind, raw)
}

const walks = new Map<Kind['schema'], ReturnType<typeof slimWalk>>()

const walkOf = (kind: Kind): ReturnType<typeof slimWalk> => {
  const known = walks.get(kind.schema)
  if (known) return known
  const walk = slimWalk(kind, kind.schema)
  walks.set(kind.schema, walk)
  return walk
}

const isVersioned = ({ metadata: { uid, resourceVersion } }: KubernetesObject): boolean => uid !== '' && resourceVersion !== ''

/** The long way: it changes what only redaction changes, and says what is wrong. */
const parsed = (kind: Kind, raw: unknown): Projected => {
  const named = typeof raw === 'object' && raw !== null ? { ...raw, kind: kind.kind } : raw
  const result = kind.schema.safeParse(kind.record === 'slim' ? named : redacted(kind, named))
  if (!result.success) return { malformed: `${kind.name} ${nameOf(raw)}: ${issuesOf(result.error)}` }
  if (!isVersioned(result.data)) return { malformed: `${kind.name} ${nameOf(raw)}: no uid or resourceVersion` }
  return { object: kind.record === 'slim' ? (redacted(kind, result.data) as KubernetesObject) : result.data }
}

const Named = z.object({ metadata: z.object({ namespace: z.string().default(''), name: z.string() }) })

const nameOf = (raw: unknown): string => {
  const named = Named.safeParse(raw)
  return named.success ? `${named.data.metadata.namespace}/${named.data.metadata.name}`.slice(0, 300) : '(without a name)'
}

// The form of a value that is wrong is said, never the value.
const issuesOf = ({ issues }: z.ZodError): string =>
  issues
    .slice(0, 3)
    .map(({ path, message }) => `${path.join('.')}: ${message}`)
    .join('; ')
