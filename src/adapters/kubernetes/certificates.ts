import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { CertificateRequest, type NodeIdentity, type Pkcs10 } from '../../events/certificates.ts'
import { full } from '../../events/kinds.ts'
import { type CertificateRequests, Gone, Refused, type Served, Unavailable } from '../../ports.ts'
import { pauseMs } from './back-off.ts'
import type { KubernetesClient } from './client.ts'
import { failureInStream } from './failure.ts'
import { lines } from './lines.ts'
import { pageOf } from './pages.ts'
import { collectionPath, nodePath, objectPath } from './paths.ts'

const served: Served = {
  kind: full('certificatesigningrequests.certificates.k8s.io', ['v1'], 'CertificateSigningRequest', { namespaced: false }),
  version: 'v1',
}
const csrs = { group: served.kind.group, version: served.version, resource: served.kind.resource }
const PAGE = 100
/** No kubelet's request is as long, and what is longer is not read. */
const MOST_REQUEST_CHARACTERS = 22_000
const short = z.string().max(500)

const Condition = z.object({ type: short, reason: z.string().nullish(), message: z.string().nullish() })
const Csr = z.object({
  metadata: z.object({ name: z.string(), uid: z.string(), resourceVersion: z.string(), creationTimestamp: z.string() }),
  spec: z.object({
    request: z.string(),
    signerName: short,
    username: z.string().default(''),
    groups: z.array(z.string()).default([]),
    usages: z.array(z.string()).default([]),
    expirationSeconds: z.number().optional(),
  }),
  status: z
    .object({ certificate: z.string().optional(), conditions: z.array(Condition).default([]) })
    .default({ conditions: [] }),
})

const MachineNode = z.object({
  metadata: z.object({ name: z.string() }),
  status: z
    .object({
      addresses: z.array(z.object({ type: z.string(), address: z.string() })).default([]),
      conditions: z.array(z.object({ type: z.string(), status: z.string() })).default([]),
    })
    .default({ addresses: [], conditions: [] }),
})

/** By this reason of its condition an approval is known as ours. */
const REASON = 'QuartermasterApproved'

/** How what stands in a request is read: PKCS#10, and IP addresses in the one text that stands for each. */
export type Reading = {
  readonly pkcs10: (base64: string) => Promise<Pkcs10 | { readonly unreadable: string }>
  readonly address: (text: string) => string | undefined
}

/** Requests for certificates over one client. */
export const certificateRequests = (client: KubernetesClient, reading: Reading): CertificateRequests => ({
  follow: (onRequest, onFailure, signal) => follow(client, reading, onRequest, onFailure, signal),
  read: async (name, signal) => {
    const found = await client.request('GET', objectPath(csrs, name), { signal }).catch(absent)
    return found === undefined ? undefined : requestOf(found, reading)
  },
  node: async (name, signal) => {
    const found = await client.request('GET', nodePath(name), { signal }).catch(absent)
    return found === undefined ? undefined : identityOf(found, reading)
  },
  approve: async ({ name, uid, resourceVersion }, message, signal) => {
    const condition = { type: 'Approved', status: 'True', reason: REASON, message }
    const body = { metadata: { uid, resourceVersion }, status: { conditions: [condition] } }
    const contentType = 'application/strategic-merge-patch+json' // a condition of another type stays
    await client.request('PATCH', `${objectPath(csrs, name)}/approval`, { body, contentType, signal })
  },
  create: async ({ name, pem, signerName, usages, expirationSeconds }, signal) => {
    const spec = { request: pem, signerName, usages, ...(expirationSeconds !== undefined && { expirationSeconds }) }
    const body = { apiVersion: 'certificates.k8s.io/v1', kind: 'CertificateSigningRequest', metadata: { name }, spec }
    const made = await requestOf(await client.request('POST', collectionPath(served), { body, signal }), reading)
    return { name: made.name, uid: made.uid }
  },
})

const absent = (error: unknown): undefined => {
  if (error instanceof Gone) return undefined
  throw error
}

const requestOf = async (raw: unknown, { pkcs10 }: Reading): Promise<CertificateRequest> => {
  const parsed = Csr.safeParse(raw)
  if (!parsed.success)
    throw new Unavailable(`the API's CertificateSigningRequest makes no sense: ${z.prettifyError(parsed.error)}`)
  const { metadata, spec, status } = parsed.data
  const { request, username, groups, usages, ...rest } = spec
  const isLong = request.length > MOST_REQUEST_CHARACTERS
  const failed = status.conditions.find(({ type }) => type === 'Failed')
  return CertificateRequest.parse({
    ...rest,
    name: metadata.name,
    uid: metadata.uid,
    resourceVersion: metadata.resourceVersion,
    createdAt: Date.parse(metadata.creationTimestamp),
    username: username.slice(0, 500),
    groups: groups.slice(0, 50).map((group) => group.slice(0, 500)),
    usages: usages.slice(0, 50).map((usage) => usage.slice(0, 100)),
    conditions: status.conditions.slice(0, 50).map(({ type }) => type),
    approvedByUs: status.conditions.some(({ type, reason }) => type === 'Approved' && reason === REASON),
    issued: (status.certificate ?? '') !== '',
    ...(failed && { failure: `${failed.reason ?? ''}: ${failed.message ?? ''}`.slice(0, 500) }),
    pem: isLong ? '' : request,
    pkcs10: isLong ? { unreadable: `it is longer than ${MOST_REQUEST_CHARACTERS} characters` } : await pkcs10(request),
  })
}

const DNS_TYPES: readonly string[] = ['Hostname', 'InternalDNS', 'ExternalDNS']
const IP_TYPES: readonly string[] = ['InternalIP', 'ExternalIP']

const identityOf = (raw: unknown, { address }: Reading): NodeIdentity => {
  const parsed = MachineNode.safeParse(raw)
  if (!parsed.success) throw new Unavailable(`the API's Node makes no sense: ${z.prettifyError(parsed.error)}`)
  const { metadata, status } = parsed.data
  const of = (types: readonly string[]) =>
    status.addresses.filter(({ type }) => types.includes(type)).map((each) => each.address.slice(0, 300))
  return {
    name: metadata.name,
    ready: status.conditions.some(({ type, status: is }) => type === 'Ready' && is === 'True'),
    dnsNames: of(DNS_TYPES),
    ipAddresses: of(IP_TYPES).flatMap((text) => address(text) ?? []),
  }
}

type Telling = (request: CertificateRequest) => Promise<void>

/** A list, then a watch from there on until the server ends it, and again: a list is all that is ever missed. */
const follow = async (
  client: KubernetesClient,
  reading: Reading,
  onRequest: Telling,
  onFailure: (reason: string) => void,
  signal: AbortSignal,
): Promise<void> => {
  let failures = 0
  while (!signal.aborted) {
    try {
      const version = await list(client, reading, onRequest, signal)
      failures = 0
      await watch(client, reading, version, onRequest, signal)
    } catch (error) {
      if (signal.aborted) return
      if (!(error instanceof Unavailable || error instanceof Refused || error instanceof Gone)) throw error
      onFailure(error.message)
      await sleep(pauseMs(++failures), undefined, { signal }).catch(() => {}) // the loop sees the abort
    }
  }
}

const list = async (client: KubernetesClient, reading: Reading, onRequest: Telling, signal: AbortSignal): Promise<string> => {
  let page = await pageOf(client, served, { limit: PAGE }, signal)
  for (;;) {
    for (const raw of page.items) await tell(raw, reading, onRequest)
    if (page.continue === undefined) return page.resourceVersion
    page = await pageOf(client, served, { limit: PAGE, continue: page.continue }, signal)
  }
}

const Event = z.object({ type: z.string(), object: z.unknown() })

const watch = async (
  client: KubernetesClient,
  reading: Reading,
  resourceVersion: string,
  onRequest: Telling,
  signal: AbortSignal,
): Promise<void> => {
  const query = { watch: true, allowWatchBookmarks: true, resourceVersion, timeoutSeconds: 300 }
  const body = await client.open(collectionPath(served), { query, signal })
  try {
    for await (const batch of lines(body)) for (const line of batch) await hear(line, reading, onRequest)
  } catch (error) {
    if (error instanceof Unavailable) throw error
    throw new Unavailable(`the watch of ${served.kind.name} broke: ${(error as Error).message}`, { cause: error })
  } finally {
    body.on('error', () => {}) // we end it: what it says to that is of no use
    body.destroy()
  }
}

const hear = async (line: Buffer, reading: Reading, onRequest: Telling): Promise<void> => {
  const event = Event.safeParse(JSON.parse(line.toString()))
  if (!event.success) throw new Unavailable(`a watch event of ${line.length} bytes is not one`)
  const { type, object } = event.data
  if (type === 'ERROR') throw failureInStream({ method: 'GET', path: collectionPath(served) }, object)
  if (type === 'ADDED' || type === 'MODIFIED') await tell(object, reading, onRequest)
}

/** Of one that makes no sense nothing is told: it is not approved. */
const tell = async (raw: unknown, reading: Reading, onRequest: Telling): Promise<void> => {
  if (Csr.safeParse(raw).success) await onRequest(await requestOf(raw, reading))
}
