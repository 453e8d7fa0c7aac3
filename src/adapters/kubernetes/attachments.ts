import { z } from 'zod'
import { type Attachment, Gone, Unavailable } from '../../ports.ts'
import type { KubernetesClient } from './client.ts'
import { ListPage, MOST_PAGES } from './pages.ts'
import { attachmentPath } from './paths.ts'

const VolumeAttachment = z.object({
  metadata: z.object({ name: z.string(), uid: z.string(), deletionTimestamp: z.string().nullish() }),
  spec: z.object({
    nodeName: z.string(),
    source: z.object({ persistentVolumeName: z.string().optional() }).default({}),
  }),
})
type VolumeAttachment = z.infer<typeof VolumeAttachment>

const PAGE = 500
/** Many drains wait for volumes at the same time, and the API can't select by node: they share a list so long. */
const SHARED_MS = 2_000

/** The VolumeAttachments of all nodes, by node. */
export const attachments = (client: KubernetesClient) => {
  let shared: { readonly at: number; readonly list: Promise<readonly VolumeAttachment[]> } | undefined
  const all = (): Promise<readonly VolumeAttachment[]> => {
    if (shared && performance.now() - shared.at < SHARED_MS) return shared.list
    // It is everybody's: no signal of one who asks ends it.
    const list = listed(client)
    shared = { at: performance.now(), list }
    list.catch(() => {
      shared = undefined
    })
    return list
  }
  return {
    of: async (node: string, signal?: AbortSignal): Promise<readonly Attachment[]> => {
      const list = await all()
      signal?.throwIfAborted()
      return list.filter(({ spec }) => spec.nodeName === node).map(attachmentOf)
    },
  }
}

const attachmentOf = ({ metadata: { name, uid, deletionTimestamp }, spec }: VolumeAttachment): Attachment => {
  const volume = spec.source.persistentVolumeName
  return { name, uid, ...(volume !== undefined && { volume }), isBeingDeleted: typeof deletionTimestamp === 'string' }
}

const listed = async (client: KubernetesClient): Promise<readonly VolumeAttachment[]> => {
  const found: VolumeAttachment[] = []
  let token: string | undefined
  for (let read = 0; read < MOST_PAGES; read++) {
    const page = ListPage.safeParse(await answered(client, token))
    if (!page.success) throw new Unavailable(`GET ${attachmentPath()}: the answer is no list: ${page.error.message}`)
    found.push(...(page.data.items ?? []).map(understood))
    token = page.data.metadata.continue || undefined
    if (token === undefined) return found
  }
  throw new Unavailable('the VolumeAttachments: a list without an end')
}

// An API without the group storage.k8s.io has none.
const answered = async (client: KubernetesClient, token: string | undefined): Promise<unknown> => {
  try {
    return await client.request('GET', attachmentPath(), { query: { limit: PAGE, continue: token } })
  } catch (error) {
    if (error instanceof Gone) return {}
    throw error
  }
}

const understood = (raw: unknown): VolumeAttachment => {
  const result = VolumeAttachment.safeParse(raw)
  if (!result.success) throw new Unavailable(`a VolumeAttachment makes no sense: ${result.error.message.slice(0, 200)}`)
  return result.data
}
