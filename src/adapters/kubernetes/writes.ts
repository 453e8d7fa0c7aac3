import { z } from 'zod'
import { type Kind, nodes, pods } from '../../events/kinds.ts'
import type { KubernetesObject, Node, Pod } from '../../events/kubernetes.ts'
import { Gone, type KubernetesWrites, type NodeRef, Unavailable } from '../../ports.ts'
import { attachments } from './attachments.ts'
import type { KubernetesClient } from './client.ts'
import { mergePatchOf, RawNode } from './node-change.ts'
import { MOST_PAGES, pageOf } from './pages.ts'
import { attachmentPath, claimPath, nodePath, podPath } from './paths.ts'
import { projected } from './projection.ts'
import { missingPowers } from './reviews.ts'

const PAGE = 500

/** The writes of ports.ts over one client, with the reads that guard them. */
export const kubernetesWrites = (client: KubernetesClient): KubernetesWrites => {
  const remove = async (path: string, uid: string, graceSeconds: number | undefined, signal?: AbortSignal): Promise<void> => {
    const options = { apiVersion: 'v1', kind: 'DeleteOptions', preconditions: { uid } }
    const body = graceSeconds === undefined ? options : { ...options, gracePeriodSeconds: graceSeconds }
    await client.request('DELETE', path, { body, signal })
  }

  const attached = attachments(client)
  return {
    getNode: async (name, signal) => (await read(client, nodes, nodePath(name), signal)) as Node | undefined,
    getPod: async (namespace, name, signal) => (await read(client, pods, podPath(namespace, name), signal)) as Pod | undefined,
    listPodsOn: (node, signal) => podsOn(client, node, signal),
    patchNode: async (node, patch, signal) => {
      const body = withUid(node, patch)
      await client.request('PATCH', nodePath(node.name), { body, contentType: 'application/merge-patch+json', signal })
    },
    changeNode: async ({ metadata: { name, uid, resourceVersion } }, change, signal) => {
      const raw = RawNode.safeParse(await client.request('GET', nodePath(name), { signal }))
      if (!raw.success) throw new Unavailable(`the API's answer for node ${name} makes no sense: ${raw.error.message}`)
      const { metadata } = raw.data
      if (metadata.uid !== uid) throw new Gone(`node ${name} (${uid}) is no more`)
      if (metadata.resourceVersion !== resourceVersion)
        throw new Unavailable(`node ${name} was changed by somebody at the same time; try again`)
      const body = mergePatchOf(raw.data, change)
      await client.request('PATCH', nodePath(name), { body, contentType: 'application/merge-patch+json', signal })
    },
    evictPod: async ({ namespace, name, uid }, signal) => {
      const deleteOptions = { preconditions: { uid } }
      const body = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { namespace, name }, deleteOptions }
      await client.request('POST', `${podPath(namespace, name)}/eviction`, { body, signal })
    },
    deletePod: async ({ namespace, name, uid }, graceSeconds, signal) =>
      remove(podPath(namespace, name), uid, graceSeconds, signal),
    deleteNode: async ({ name, uid }, signal) => remove(nodePath(name), uid, undefined, signal),
    attachmentsOf: attached.of,
    deleteAttachment: async ({ name, uid }, signal) => remove(attachmentPath(name), uid, undefined, signal),
    volumeOf: async (namespace, claim, signal) =>
      volumeIn(await orGone(client.request('GET', claimPath(namespace, claim), { signal }))),
    missingPowers: (powers, signal) => missingPowers(client, powers, signal),
  }
}

// The UID in a merge patch is the precondition: the API refuses to change it (409 or 422), which is read as Gone.
const withUid = ({ uid }: NodeRef, patch: object): object => ({
  ...patch,
  metadata: { ...(patch as { metadata?: object }).metadata, uid },
})

const read = async (
  client: KubernetesClient,
  kind: Kind,
  path: string,
  signal?: AbortSignal,
): Promise<KubernetesObject | undefined> => {
  const found = await orGone(client.request('GET', path, { signal }))
  return found === undefined ? undefined : understood(kind, found)
}

const orGone = async (answer: Promise<unknown>): Promise<unknown> => {
  try {
    return await answer
  } catch (error) {
    if (error instanceof Gone) return undefined
    throw error
  }
}

const Claim = z.object({ spec: z.object({ volumeName: z.string().optional() }) })
const volumeIn = (claim: unknown): string | undefined => Claim.safeParse(claim).data?.spec.volumeName

const podsOn = async (client: KubernetesClient, node: string, signal?: AbortSignal): Promise<readonly Pod[]> => {
  const found: Pod[] = []
  let token: string | undefined
  for (let read = 0; read < MOST_PAGES; read++) {
    const query = { fieldSelector: `spec.nodeName=${node}`, limit: PAGE, continue: token }
    const page = await pageOf(client, { kind: pods, version: 'v1' }, query, signal)
    found.push(...page.items.map((item) => understood(pods, item) as Pod))
    token = page.continue
    if (token === undefined) return found
  }
  throw new Unavailable(`the pods on node ${node}: a list without an end`)
}

// A pod that we do not understand must not be overlooked on a node that is being emptied: the whole read fails.
const understood = (kind: Kind, raw: unknown): KubernetesObject => {
  const result = projected(kind, raw)
  if ('malformed' in result) throw new Unavailable(`the API's answer makes no sense: ${result.malformed}`)
  return result.object
}
