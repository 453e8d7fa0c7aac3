import {
  type CertificatePolicy,
  type CertificateRequest,
  CLIENT_SIGNER,
  KUBELET_SIGNERS,
  type NodeIdentity,
  type Pkcs10,
  SERVING_SIGNER,
} from '../../../events/certificates.ts'
import { hasForm } from '../../../events/pattern.ts'

/** `wait`: not now, but what stands against it may pass within minutes. */
export type Verdict =
  | { readonly is: 'approve' }
  | { readonly is: 'refuse' | 'wait'; readonly rule: Rule; readonly reason: string }

/** The rules in the order in which they are asked. */
export type Rule =
  | 'Signer'
  | 'Decided'
  | 'Name'
  | 'Age'
  | 'Unreadable'
  | 'Subject'
  | 'Organization'
  | 'CommonName'
  | 'Requester'
  | 'Key'
  | 'Signature'
  | 'Usages'
  | 'Expiration'
  | 'Extension'
  | 'SubjectAltName'
  | 'NodeReady'
  | 'NodeUnknown'
  | 'DnsName'
  | 'IpAddress'

/** What is judged: the request, the Node of that name if there is one, and the time (epoch ms). */
export type Case = { readonly request: CertificateRequest; readonly node: NodeIdentity | null; readonly at: number }
type Read = Case & { readonly pkcs10: Pkcs10; readonly nodeName: string }
type Objection = readonly [Rule, string] | undefined

const NODE_PREFIX = 'system:node:'
const NODES_GROUP = 'system:nodes'
/** A node's name is a DNS subdomain (RFC 1123). */
const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/

/** The node that a request is for, by its common name; '' where it names none. */
export const nodeOf = ({ pkcs10 }: Pick<CertificateRequest, 'pkcs10'>): string => {
  const named = 'unreadable' in pkcs10 ? undefined : pkcs10.subject.find(({ type }) => type === 'CN')
  return named?.value.startsWith(NODE_PREFIX) ? named.value.slice(NODE_PREFIX.length) : ''
}

/** Whether a node is one of those that the policy lets in. */
export const isOurs = ({ nodeNames }: CertificatePolicy, node: string): boolean =>
  nodeNames.some((pattern) => hasForm(pattern, node))

/**
 * Whether a kubelet's request is approved, or the first rule that stands against it. What the signer checks as well
 * (kubernetes/pkg/apis/certificates/helpers.go: organisation, usages, kinds of names) is checked all the same: what is
 * approved and then fails stays in the cluster as approved. What it does not check is what makes an approval safe: who
 * asks, for which node, and whether names and addresses are that node's own.
 */
export const judge = (policy: CertificatePolicy, judged: Case): Verdict => {
  const { pkcs10 } = judged.request
  const outside = envelope(policy, judged)
  if (outside) return refused(outside)
  if ('unreadable' in pkcs10) return refused(['Unreadable', pkcs10.unreadable])
  const read: Read = { ...judged, pkcs10, nodeName: nodeOf(judged.request) }
  for (const rule of rules) {
    const objection = rule(policy, read)
    if (objection) return refused(objection)
  }
  return awaited(read)
}

const refused = ([rule, reason]: readonly [Rule, string]): Verdict => ({ is: 'refuse', rule, reason })

/** What is asked of the request whatever is in it. */
const envelope = ({ namePrefixes, maxAgeSeconds }: CertificatePolicy, { request, at }: Case): Objection => {
  const { name, signerName, conditions, issued, createdAt } = request
  if (!KUBELET_SIGNERS.includes(signerName)) return ['Signer', `${signerName} signs for no kubelet`]
  if (conditions.length > 0 || issued) return ['Decided', `it is ${conditions.join(', ') || 'issued'} already`]
  if (!namePrefixes.some((prefix) => name.startsWith(prefix)))
    return ['Name', `the request's name begins with none of ${namePrefixes.join(', ')}`]
  if (!(at - createdAt <= maxAgeSeconds * 1_000)) return ['Age', `it is older than ${maxAgeSeconds} s`]
  return undefined
}

const subject = (_: CertificatePolicy, { pkcs10 }: Read): Objection => {
  const types = pkcs10.subject.map(({ type }) => type)
  return types.toSorted().join() === 'CN,O' ? undefined : ['Subject', `its parts are ${types.join(', ')}, not one O and one CN`]
}

const organization = (_: CertificatePolicy, { pkcs10 }: Read): Objection => {
  const found = pkcs10.subject.find(({ type }) => type === 'O')?.value
  return found === NODES_GROUP ? undefined : ['Organization', `${quoted(found)} is not ${NODES_GROUP}`]
}

const commonName = (policy: CertificatePolicy, { nodeName }: Read): Objection => {
  if (nodeName.length > 253 || !SUBDOMAIN.test(nodeName))
    return ['CommonName', `it is not ${NODE_PREFIX} and the name of a node (${quoted(nodeName)})`]
  return isOurs(policy, nodeName) ? undefined : ['CommonName', `${nodeName} is none of the nodes that the policy lets in`]
}

/** The node itself asks for its next certificates; for its first one, which lets it in, somebody whom the policy names. */
const requester = ({ bootstrapUsers }: CertificatePolicy, { request, nodeName }: Read): Objection => {
  const { username, groups, signerName } = request
  if (username === NODE_PREFIX + nodeName)
    return groups.includes(NODES_GROUP) ? undefined : ['Requester', `${username} is not in the group ${NODES_GROUP}`]
  if (username.startsWith(NODE_PREFIX)) return ['Requester', `${username} asks for another node, ${nodeName}`]
  if (signerName === SERVING_SIGNER) return ['Requester', `${quoted(username)} is not the node that is to serve`]
  return bootstrapUsers.includes(username) ? undefined : ['Requester', `${quoted(username)} is none of the bootstrap users`]
}

const LEAST_RSA_BITS = 2_048
const MOST_RSA_BITS = 8_192
const CURVES: readonly number[] = [256, 384, 521]
const key = (_: CertificatePolicy, { pkcs10 }: Read): Objection => {
  const { type, bits } = pkcs10.key
  const isFit = type === 'rsa' ? bits >= LEAST_RSA_BITS && bits <= MOST_RSA_BITS : type === 'ec' && CURVES.includes(bits)
  return isFit
    ? undefined
    : ['Key', `${type} of ${bits} bits is neither RSA of 2048 to 8192 nor on the curves P-256, P-384, P-521`]
}

const signature = (_: CertificatePolicy, { pkcs10 }: Read): Objection =>
  pkcs10.signed ? undefined : ['Signature', 'it is not signed with the key that it is for']

const usagesOf = (signerName: string): readonly string[] => [
  signerName === CLIENT_SIGNER ? 'client auth' : 'server auth',
  'digital signature',
]
/** Exactly what the signer demands; only RSA keys encipher, and need not be allowed to. */
const usages = (_: CertificatePolicy, { request }: Read): Objection => {
  const required = usagesOf(request.signerName)
  const asked = new Set(request.usages)
  const surplus = [...asked].filter((usage) => !required.includes(usage) && usage !== 'key encipherment')
  if (surplus.length > 0) return ['Usages', `${surplus.join(', ')} is nothing that this certificate is for`]
  const missing = required.filter((usage) => !asked.has(usage))
  return missing.length === 0 ? undefined : ['Usages', `without ${missing.join(', ')} the signer refuses it`]
}

const expiration = ({ maxExpirationSeconds }: CertificatePolicy, { request }: Read): Objection =>
  (request.expirationSeconds ?? 0) > maxExpirationSeconds
    ? ['Expiration', `${request.expirationSeconds} s are longer than ${maxExpirationSeconds} s`]
    : undefined

const extension = (_: CertificatePolicy, { pkcs10: { extensions } }: Read): Objection =>
  extensions.length === 0 ? undefined : ['Extension', `it asks for ${extensions.join(', ')}; a kubelet asks for names alone`]

const alternativeNames = (_: CertificatePolicy, { request, pkcs10 }: Read): Objection => {
  const { dnsNames, ipAddresses, otherNames } = pkcs10
  if (otherNames.length > 0) return ['SubjectAltName', `a kubelet has no names of the kind ${otherNames.join(', ')}`]
  const count = dnsNames.length + ipAddresses.length
  if (request.signerName === CLIENT_SIGNER)
    return count === 0 ? undefined : ['SubjectAltName', 'a client has no alternative names']
  return count > 0 ? undefined : ['SubjectAltName', 'a server without a DNS name and without an IP address serves nobody']
}

/** All of them, not one of them: a certificate with one foreign name lets the node stand in for whoever has that name. */
const ownNames = (_: CertificatePolicy, { request, pkcs10, node }: Read): Objection => {
  if (request.signerName !== SERVING_SIGNER || node === null) return undefined
  const dnsName = pkcs10.dnsNames.find((name) => name !== node.name && !node.dnsNames.includes(name))
  if (dnsName !== undefined) return ['DnsName', `${quoted(dnsName)} is no name of node ${node.name}`]
  const address = pkcs10.ipAddresses.find((each) => !node.ipAddresses.includes(each))
  return address === undefined ? undefined : ['IpAddress', `${quoted(address)} is no address of node ${node.name}`]
}

const rules = [
  subject,
  organization,
  commonName,
  requester,
  key,
  signature,
  usages,
  expiration,
  extension,
  alternativeNames,
  ownNames,
]

/**
 * What may be otherwise in a minute. A node that serves has told its addresses; a node that is ready has a certificate
 * and asks as itself for the next: whoever asks for its name with a bootstrap token meanwhile is somebody else.
 */
const awaited = ({ request, node, nodeName }: Read): Verdict => {
  if (request.signerName === SERVING_SIGNER && node === null)
    return { is: 'wait', rule: 'NodeUnknown', reason: `there is no node ${nodeName} whose names and addresses could be compared` }
  if (request.signerName === CLIENT_SIGNER && node?.ready && request.username !== NODE_PREFIX + nodeName)
    return { is: 'wait', rule: 'NodeReady', reason: `node ${nodeName} is ready: it has a certificate, and would ask as itself` }
  return { is: 'approve' }
}

/** What a hostile sender wrote, short enough for a sentence. */
const quoted = (text: string | undefined): string => (text === undefined ? 'nothing' : JSON.stringify(text.slice(0, 80)))
