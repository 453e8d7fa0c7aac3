import { z } from 'zod'
import type { Power } from '../../ports.ts'
import type { KubernetesClient } from './client.ts'

const Review = z.object({ status: z.object({ allowed: z.boolean().default(false) }).default({ allowed: false }) })
const AT_ONCE = 8

/** Those of the powers that this process does not have, by one SelfSubjectAccessReview each, a few at a time. */
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
  const answer = await client.request('POST', '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', { body, signal })
  return Review.parse(answer).status.allowed
}
