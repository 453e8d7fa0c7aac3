import { z } from 'zod'
import { ApiFailure, badRequest } from '../failure.ts'
import type { Target } from './path.ts'

/** A rule of a role. `*` stands for everything; a subresource is written `pods/eviction`. */
export type Rule = {
  readonly verbs: readonly string[]
  readonly groups: readonly string[]
  readonly resources: readonly string[]
}
export const everything: readonly Rule[] = [{ verbs: ['*'], groups: ['*'], resources: ['*'] }]

/** Who sent a request, what that one may do, and whether the simulated world itself is theirs to disturb. */
export type Caller = { readonly user: string; readonly rules: readonly Rule[]; readonly isOwner?: boolean }
/** Who shows no token. */
export const anonymous: Caller = { user: 'system:anonymous', rules: [] }

const covers = (words: readonly string[], word: string): boolean => words.includes('*') || words.includes(word)
const mayDo = (rules: readonly Rule[], verb: string, group: string, resource: string): boolean =>
  rules.some((rule) => covers(rule.verbs, verb) && covers(rule.groups, group) && covers(rule.resources, resource))

const Review = z.object({
  spec: z.object({
    resourceAttributes: z
      .object({
        verb: z.string().default(''),
        group: z.string().default(''),
        resource: z.string().default(''),
        subresource: z.string().default(''),
      })
      .optional(),
    nonResourceAttributes: z.object({ verb: z.string().optional(), path: z.string().optional() }).optional(),
  }),
})

/** Answers a SelfSubjectAccessReview. @throws ApiFailure 400 */
export const review = ({ rules }: Caller, body: unknown): object => {
  const { success, data } = Review.safeParse(body)
  const asked = data?.spec.resourceAttributes
  if (!success || (!asked && !data.spec.nonResourceAttributes))
    throw badRequest('spec.resourceAttributes or spec.nonResourceAttributes is needed')
  const allowed = asked
    ? mayDo(rules, asked.verb, asked.group, asked.subresource ? `${asked.resource}/${asked.subresource}` : asked.resource)
    : true
  return {
    kind: 'SelfSubjectAccessReview',
    apiVersion: 'authorization.k8s.io/v1',
    metadata: {},
    spec: data.spec,
    status: { allowed, ...(allowed ? {} : { reason: 'no rule of the simulated cluster allows it' }) },
  }
}

/** Paths that are no resource are for everybody who is known. @throws ApiFailure 403 */
export const demandKnown = ({ user }: Caller, verb: string, path: string): void => {
  if (user !== anonymous.user) return
  throw new ApiFailure(403, 'Forbidden', `forbidden: User "${user}" cannot ${verb} path "${path}"`, { details: {} })
}

/** @throws ApiFailure 403 */
export const demandAccess = ({ user, rules }: Caller, verb: string, { kind, name, namespace, subresource }: Target): void => {
  const resource = subresource === undefined ? kind.resource : `${kind.resource}/${subresource}`
  if (mayDo(rules, verb, kind.group, resource)) return
  const where = namespace === undefined ? 'at the cluster scope' : `in the namespace "${namespace}"`
  const what = name === undefined ? kind.resource : `${kind.resource} "${name}"`
  const message = `${what} is forbidden: User "${user}" cannot ${verb} resource "${resource}" in API group "${kind.group}" ${where}`
  const details = {
    ...(name === undefined ? {} : { name }),
    ...(kind.group === '' ? {} : { group: kind.group }),
    kind: kind.resource,
  }
  throw new ApiFailure(403, 'Forbidden', message, { details })
}
