import { z } from 'zod'
import { Name } from '../../events/provider.ts'
import type { MachineFacts } from '../../ports.ts'
import { type Ask, asking, nonsense } from './request.ts'

const TOKEN = '/latest/api/token'
const DOCUMENT = '/latest/dynamic/instance-identity/document'
const TAGS = '/latest/meta-data/tags/instance'
/** Seconds; three requests need no longer. */
const TOKEN_TTL = '60'

// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-identity-documents.html
const Document = z.object({
  accountId: z.string().regex(/^\d{12}$/),
  region: Name,
  availabilityZone: Name,
  instanceId: z.string().regex(/^i-[0-9a-f]{8,32}$/),
})
const Token = z.string().regex(/^[\x21-\x7e]{1,1024}$/)

// Managed node groups, EKS and Karpenter set these. A tag with a slash in its name (`kubernetes.io/cluster/…`) is never shown.
const CLUSTER_TAGS = ['aws:eks:cluster-name', 'eks:cluster-name', 'eks:eks-cluster-name']

/**
 * EC2's metadata, version 2 of the service alone: a session token first. The cluster's name is told only if the instance
 * allows tags in its metadata. From a pod outside the host's network the token needs a hop limit of 2.
 * @throws Unavailable
 */
export const awsMachine = (base: string, signal?: AbortSignal): Promise<MachineFacts> =>
  asking('AWS', base, signal, async (ask) => {
    const headers = { 'x-aws-ec2-metadata-token': await tokenFrom(ask) }
    const get = async (path: string): Promise<string | undefined> => (await ask(path, { headers }))?.text
    const text = await get(DOCUMENT)
    const { accountId, region, availabilityZone, instanceId } = documentIn(text)
    const tags = await Promise.all(CLUSTER_TAGS.map((tag) => get(`${TAGS}/${tag}`)))
    const clusterName = tags.find((tag) => Name.safeParse(tag).success)
    return { cloud: 'AWS', providerID: `aws:///${availabilityZone}/${instanceId}`, region, account: accountId, clusterName }
  })

const tokenFrom = async (ask: Ask): Promise<string> => {
  const answer = await ask(TOKEN, { method: 'PUT', headers: { 'x-aws-ec2-metadata-token-ttl-seconds': TOKEN_TTL } })
  const token = Token.safeParse(answer?.text)
  if (!token.success) throw nonsense('AWS', 'it gives no token') // the text could be one: it is not repeated
  return token.data
}

const documentIn = (text: string | undefined): z.infer<typeof Document> => {
  try {
    return Document.parse(JSON.parse(text ?? ''))
  } catch (error) {
    throw nonsense('AWS', 'its instance identity document is none', error)
  }
}
