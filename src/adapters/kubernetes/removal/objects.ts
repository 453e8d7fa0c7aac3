import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { Gone, Unavailable } from '../../../ports.ts'
import type { KubernetesClient } from '../client.ts'

const Reference = z.object({
  apiVersion: z.string(),
  kind: z.string(),
  name: z.string(),
  uid: z.string(),
  controller: z.boolean().optional(),
})
export type Reference = z.infer<typeof Reference>

/** What of an object tells whose it is; nothing else of it is read. */
export const Owned = z.object({
  metadata: z.object({
    uid: z.string(),
    resourceVersion: z.string(),
    deletionTimestamp: z.string().nullish(),
    labels: z.record(z.string(), z.string()).default({}),
    annotations: z.record(z.string(), z.string()).default({}),
    ownerReferences: z.array(Reference).default([]),
  }),
})
export type Owned = z.infer<typeof Owned>

/** The object at the path, or undefined. @throws Unavailable, also when it makes no sense; Refused */
export const objectAt = async <O>(
  client: KubernetesClient,
  path: string,
  schema: z.ZodType<O>,
  signal?: AbortSignal,
): Promise<O | undefined> => {
  try {
    const result = schema.safeParse(await client.request('GET', path, { signal }))
    if (result.success) return result.data
    throw new Unavailable(`GET ${path}: the answer makes no sense: ${result.error.message.slice(0, 200)}`)
  } catch (error) {
    if (error instanceof Gone) return undefined
    throw error
  }
}

const LOOK_MS = 5_000

/** Resolves when no object with this UID is at the path. An API that does not answer is asked again. */
export const awaitAbsence = async (client: KubernetesClient, path: string, uid: string, signal: AbortSignal): Promise<void> => {
  for (;;) {
    const found = await objectAt(client, path, Owned, signal).catch((error: unknown) => {
      if (error instanceof Unavailable) return 'unknown' as const
      throw error
    })
    if (found !== 'unknown' && found?.metadata.uid !== uid) return
    await sleep(LOOK_MS, undefined, { signal })
  }
}
