import { z } from 'zod'
import type { Kind } from '../../events/kinds.ts'
import { type KubernetesObject, ObjectMeta } from '../../events/kubernetes.ts'

/** Annotations that some actor reads. All others may hold secrets (last-applied configuration, tokens) and are dropped. */
const keptPrefixes = ['quartermaster.dev/', 'autoscaling.cast.ai/', 'cluster-autoscaler.kubernetes.io/', 'karpenter.sh/']
const keptKeys: ReadonlySet<string> = new Set(['controller.kubernetes.io/pod-deletion-cost', 'kubernetes.io/config.mirror'])
const VALUE_BYTES = 256

const isKept = (key: string): boolean => keptKeys.has(key) || keptPrefixes.some((prefix) => key.startsWith(prefix))

// Cut between characters: half a character would become another one.
const cut = (value: string): string => {
  const bytes = Buffer.from(value)
  if (bytes.length <= VALUE_BYTES) return value
  let end = VALUE_BYTES
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end--
  return bytes.toString('utf8', 0, end)
}

const withoutSecrets = ({ annotations, ...meta }: ObjectMeta): ObjectMeta => {
  const kept = Object.entries(annotations ?? {}).filter(([key]) => isKept(key))
  return kept.length === 0 ? meta : { ...meta, annotations: Object.fromEntries(kept.map(([key, value]) => [key, cut(value)])) }
}

/** Of the kinds without a slim shape nothing else is known to be harmless. */
const Bare = z.object({ kind: z.string(), apiVersion: z.string().optional(), metadata: ObjectMeta })

/** What was left of an object of the API, or what is wrong with it, by name. */
export type Projected = { readonly object: KubernetesObject } | { readonly malformed: string }

/**
 * The part of an object that leaves this adapter: the slim shape of its kind, redacted.
 * Items of a list carry no kind, so it is put in.
 */
export const projected = ({ name, kind, record, schema }: Kind, raw: unknown): Projected => {
  const result = (record === 'slim' ? schema : Bare).safeParse(typeof raw === 'object' && raw !== null ? { ...raw, kind } : raw)
  if (!result.success) return { malformed: `${name} ${nameOf(raw)}: ${issuesOf(result.error)}` }
  const object: KubernetesObject = result.data
  const { uid, resourceVersion } = object.metadata
  if (uid === '' || resourceVersion === '') return { malformed: `${name} ${nameOf(raw)}: no uid or resourceVersion` }
  return { object: { ...object, metadata: withoutSecrets(object.metadata) } }
}

const Named = z.object({ metadata: z.object({ namespace: z.string().default(''), name: z.string() }) })

const nameOf = (raw: unknown): string => {
  const named = Named.safeParse(raw)
  return named.success ? `${named.data.metadata.namespace}/${named.data.metadata.name}`.slice(0, 300) : '(without a name)'
}

const issuesOf = ({ issues }: z.ZodError): string =>
  issues
    .slice(0, 3)
    .map(({ path, message }) => `${path.join('.')}: ${message}`)
    .join('; ')
