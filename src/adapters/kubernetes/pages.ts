import { z } from 'zod'
import { type Served, Unavailable } from '../../ports.ts'
import type { KubernetesClient } from './client.ts'
import { collectionPath } from './paths.ts'

/** One page of a list; `items` as the API gave them. */
export const ListPage = z.object({
  metadata: z
    .object({ resourceVersion: z.string().default(''), continue: z.string().optional() })
    .default({ resourceVersion: '' }),
  // The API says null for a list without items.
  items: z.array(z.unknown()).nullish(),
})
export type ListPage = z.infer<typeof ListPage>

/** One page of a kind's list. @throws Unavailable, also if the answer is no list; Refused, Gone, Expired */
export const pageOf = async (
  client: KubernetesClient,
  served: Served,
  query: { readonly limit?: number; readonly continue?: string },
  signal: AbortSignal,
): Promise<ListPage> => {
  const path = collectionPath(served)
  const { fieldSelector } = served.kind
  const page = ListPage.safeParse(await client.request('GET', path, { query: { ...query, fieldSelector }, signal }))
  if (!page.success) throw new Unavailable(`GET ${path}: the answer is no list: ${page.error.message}`)
  return page.data
}
