import { z } from 'zod'

const list = <Item extends z.ZodType>(item: Item) =>
  z
    .array(item)
    .nullish()
    .transform((items) => items ?? [])

const Rule = z.object({
  verbs: list(z.string()),
  apiGroups: list(z.string()),
  resources: list(z.string()),
  resourceNames: list(z.string()),
  nonResourceURLs: list(z.string()),
})
export type PolicyRule = z.infer<typeof Rule>

const Kind = z.enum(['Role', 'ClusterRole', 'RoleBinding', 'ClusterRoleBinding'])
const Raw = z.object({
  kind: Kind,
  metadata: z.object({
    name: z.string().min(1),
    namespace: z.string().nullish(),
    labels: z.record(z.string(), z.unknown()).nullish(),
  }),
  rules: list(Rule),
  aggregationRule: z.unknown().optional(),
  roleRef: z.object({ kind: z.string(), name: z.string() }).optional(),
  subjects: list(z.object({ kind: z.string(), name: z.string(), namespace: z.string().nullish() })),
})

/** An object that gives rights (rbac.authorization.k8s.io), as far as it does. */
export type RbacObject = {
  readonly kind: z.infer<typeof Kind>
  readonly namespace?: string
  readonly name: string
  readonly rules: readonly PolicyRule[]
  /** Of a ClusterRole: labels by which others take up its rules, and by which it takes up others'. */
  readonly aggregation: readonly string[]
  /** Of a binding. */
  readonly roleRef?: string
  readonly subjects: readonly string[]
}

const NAMESPACED: readonly string[] = ['Role', 'RoleBinding']
const AGGREGATED = 'rbac.authorization.k8s.io/aggregate-to-'

/**
 * An object of RBAC from a manifest or from the API.
 * @param namespace where it goes when it names none
 * @returns `unreadable` with the reason when it makes no sense
 */
export const rbacObject = (raw: unknown, namespace: string): RbacObject | { readonly unreadable: string } => {
  const parsed = Raw.safeParse(raw)
  if (!parsed.success) return { unreadable: `an object of RBAC makes no sense: ${z.prettifyError(parsed.error).slice(0, 300)}` }
  const { kind, metadata, rules, aggregationRule, roleRef, subjects } = parsed.data
  const labels = Object.entries(metadata.labels ?? {}).filter(([key, value]) => key.startsWith(AGGREGATED) && value === 'true')
  const takesUp = aggregationRule === undefined || aggregationRule === null ? [] : [JSON.stringify(aggregationRule)]
  return {
    kind,
    ...(NAMESPACED.includes(kind) && { namespace: metadata.namespace ?? namespace }),
    name: metadata.name,
    rules,
    aggregation: [...labels.map(([key]) => key), ...takesUp],
    ...(roleRef && { roleRef: `${roleRef.kind}/${roleRef.name}` }),
    subjects: subjects.map((subject) =>
      [subject.kind, ...(subject.namespace ? [subject.namespace] : []), subject.name].join('/'),
    ),
  }
}
