import { z } from 'zod'
import { type Power, Unavailable } from '../../ports.ts'
import type { KubernetesClient } from './client.ts'

const Review = z.object({ status: z.object({ allowed: z.boolean() }) })
const REVIEWS = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews'
const AT_ONCE = 8

/**
 * Those of the powers that this process does not have, by one SelfSubjectAccessReview each, a few at a time.
 * @throws Unavailable, Refused
 */
export const missingPowers = async (
  client: KubernetesClient,
  powers: readonly Power[],
  signal?: AbortSignal,
): Promise<readonly Power[]> => {
  const allowed = new Map<Power, boolean>()
  const waiting = powers.values()
  const asking = async (): Promise<void> => {
    for (const power of waiting) allowed.set(power, await isAllowed(client, power, signal))
  }
  await Promise.all(Array.from({ length: AT_ONCE }, asking))
  return powers.filter((power) => !allowed.get(power))
}

const isAllowed = async (client: KubernetesClient, power: Power, signal?: AbortSignal): Promise<boolean> => {
  const body = { apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectAccessReview', spec: { resourceAttributes: power } }
  const answer = Review.safeParse(await client.request('POST', REVIEWS, { body, signal }))
  // Of an answer that makes no sense nothing follows, and no missing power either: a kind would be given up for it.
  if (!answer.success) throw new Unavailable(`POST ${REVIEWS}: the answer is no review: ${z.prettifyError(answer.error)}`)
  return answer.data.status.allowed
}
