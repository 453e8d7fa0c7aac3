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
export const review = (rules: readonly Rule[], body: unknown): object => {
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

/** @throws ApiFailure 403 */
export const demandAccess = (rules: readonly Rule[], verb: string, { kind, name, namespace, subresource }: Target): void => {
  const resource = subresource === undefined ? kind.resource : `${kind.resource}/${subresource}`
  if (mayDo(rules, verb, kind.group, resource)) return
  const where = namespace === undefined ? 'at the cluster scope' : `in the namespace "${namespace}"`
  const what = name === undefined ? kind.resource : `${kind.resource} "${name}"`
  const message = `${what} is forbidden: User "simulated" cannot ${verb} resource "${resource}" in API group "${kind.group}" ${where}`
  throw new ApiFailure(403, 'Forbidden', message, { details: { ...(name === undefined ? {} : { name }), kind: kind.resource } })
}
