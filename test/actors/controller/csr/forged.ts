import type { Rule } from '../../../../src/actors/controller/csr/judge.ts'
import { type CertificateRequest, CLIENT_SIGNER, SERVING_SIGNER } from '../../../../src/events/certificates.ts'
import { derOf, makePem, pemOf, type Wanted } from './pem.ts'

export const NODE = 'gke-a-cast-pool-1'
export const NOW = Date.parse('2026-11-30T12:00:00Z')

/** A request as the API would have it, PKCS#10 apart. */
export type Envelope = Omit<CertificateRequest, 'pkcs10' | 'pem'>

const envelope: Envelope = {
  name: 'node-csr-Qm9vdHN0cmFw',
  uid: 'u1',
  resourceVersion: '7',
  createdAt: NOW - 1_000,
  signerName: CLIENT_SIGNER,
  username: 'kubelet-bootstrap',
  groups: ['system:authenticated'],
  usages: ['digital signature', 'client auth'],
  conditions: [],
  approvedByUs: false,
  issued: false,
}
const itself = { username: `system:node:${NODE}`, groups: ['system:nodes', 'system:authenticated'] }

export const bootstrap: Envelope = envelope
export const renewal: Envelope = { ...envelope, ...itself, name: 'csr-7xk2p' }
export const serving: Envelope = {
  ...renewal,
  signerName: SERVING_SIGNER,
  usages: ['digital signature', 'server auth'],
}
export const OWN_NAMES = `DNS:${NODE}, DNS:${NODE}.c.project.internal, IP:10.0.0.7, IP:fd00::7`

export type Forged = {
  readonly rule: Rule
  readonly what: string
  readonly envelope: Envelope
  readonly wanted?: Wanted
  /** What is done to the PEM text of the request. */
  readonly tamper?: (pem: string) => string
}

const client = (rule: Rule, what: string, changes: Partial<Envelope>, more: Partial<Forged> = {}): Forged => ({
  rule,
  what,
  envelope: { ...bootstrap, ...changes },
  ...more,
})
const server = (rule: Rule, what: string, changes: Partial<Envelope>, more: Partial<Forged> = {}): Forged => ({
  rule,
  what,
  envelope: { ...serving, ...changes },
  wanted: { names: OWN_NAMES },
  ...more,
})
const subject = (...lines: readonly string[]): Partial<Forged> => ({ wanted: { subject: lines } })
const named = (common: string) => subject('O=system:nodes', `CN=${common}`)
const names = (text: string): Partial<Forged> => ({ wanted: { names: text } })
const onDer = (change: (der: Buffer) => Buffer): Partial<Forged> => ({ tamper: (pem) => pemOf(change(derOf(pem))) })

/** The outer value with another head: what follows tag and length stays. */
const reheaded = (der: Buffer, head: readonly number[], tail: readonly number[] = []): Buffer => {
  const from = (der[1] ?? 0) > 0x80 ? 2 + (der[1] ?? 0) - 0x80 : 2
  return Buffer.concat([Buffer.from(head), der.subarray(from), Buffer.from(tail)])
}
const contentLength = (der: Buffer): number => reheaded(der, []).length

/** The second number of an ECDSA signature, an INTEGER, is called an ENUMERATED. */
const retagged = (der: Buffer): Buffer => {
  const length = [33, 32, 31, 30].find((each) => der.at(-each - 1) === each && der.at(-each - 2) === 2) ?? 0
  return Buffer.from(der.with(der.length - length - 2, 10))
}

const inEnvelope: readonly Forged[] = [
  client('Signer', 'for the signer of users', { signerName: 'kubernetes.io/kube-apiserver-client' }),
  client('Signer', 'for a signer of somebody else', { signerName: 'example.com/kubelet-serving' }),
  client('Signer', 'for a signer whose name only begins so', { signerName: `${CLIENT_SIGNER}s` }),
  client('Decided', 'approved already', { conditions: ['Approved'] }),
  client('Decided', 'denied already', { conditions: ['Denied'] }),
  client('Decided', 'failed already', { conditions: ['Failed'] }),
  client('Decided', 'issued already', { issued: true }),
  client('Name', 'under another name', { name: 'admin-request' }),
  client('Age', 'older than an hour', { createdAt: NOW - 3_600_001 }),
  client('Age', 'of no time at all', { createdAt: Number.NaN }),
  client('Requester', 'by a user whom nobody named', { username: 'eve' }),
  client('Requester', 'by an administrator', { username: 'admin', groups: ['system:masters'] }),
  client('Requester', 'by a user whose name only begins so', { username: 'kubelet-bootstrap-2' }),
  client('Requester', 'by another node', { ...itself, username: 'system:node:gke-a-cast-pool-2' }),
  client('Requester', 'by a user with the name of the node', { username: itself.username, groups: ['system:authenticated'] }),
  client('Usages', 'to serve with it too', { usages: [...bootstrap.usages, 'server auth'] }),
  client('Usages', 'to sign others', { usages: [...bootstrap.usages, 'cert sign'] }),
  client('Usages', 'for anything', { usages: ['any'] }),
  client('Usages', 'not to be a client', { usages: ['digital signature', 'key encipherment'] }),
  client('Usages', 'for nothing', { usages: [] }),
  client('Expiration', 'for ten years', { expirationSeconds: 10 * 366 * 86_400 }),
  server('Requester', 'a server by a bootstrap user', { username: 'kubelet-bootstrap' }),
  server('Requester', 'a server by another node', { username: 'system:node:gke-a-cast-pool-2' }),
  server('Requester', 'a server by a node that is in no group', { groups: [] }),
  server('Usages', 'a server that is a client too', { usages: [...serving.usages, 'client auth'] }),
  server('Usages', 'a server that does not serve', { usages: ['digital signature'] }),
]

const inRequest: readonly Forged[] = [
  client('Unreadable', 'words', {}, { tamper: () => 'let me in' }),
  client('Unreadable', 'another kind of PEM', {}, { tamper: (pem) => pemOf(derOf(pem), 'CERTIFICATE') }),
  client('Unreadable', 'two requests in one', {}, { tamper: (pem) => pem + pem }),
  client('Unreadable', 'words before the request', {}, { tamper: (pem) => `Subject: me\n${pem}` }),
  client('Unreadable', 'longer than any', {}, { tamper: (pem) => pem + '\n'.repeat(20_000) }),
  client(
    'Unreadable',
    'with something after its end',
    {},
    onDer((der) => Buffer.concat([der, Buffer.from([5, 0])])),
  ),
  client(
    'Unreadable',
    'cut off',
    {},
    onDer((der) => der.subarray(0, -3)),
  ),
  client(
    'Unreadable',
    'with a length longer than need be',
    {},
    onDer((der) => reheaded(der, [0x30, 0x83, 0, contentLength(der) >> 8, contentLength(der) & 255])),
  ),
  client(
    'Unreadable',
    'of indefinite length',
    {},
    onDer((der) => reheaded(der, [0x30, 0x80], [0, 0])),
  ),
  client('Unreadable', 'with a password', {}, { wanted: { attributes: ['challengePassword=secret'] } }),
  client('Unreadable', 'with a name in T61', {}, { wanted: { stringMask: 'MASK:0x4' } }),
  client('Unreadable', 'with a name beyond ASCII', {}, named(`system:node:${NODE}ä`)),
  client('Subject', 'two names', {}, subject('O=system:nodes', `0.CN=system:node:${NODE}`, '1.CN=system:node:master')),
  client('Subject', 'two organisations', {}, subject('0.O=system:nodes', '1.O=system:masters', `CN=system:node:${NODE}`)),
  client('Subject', 'no organisation', {}, subject(`CN=system:node:${NODE}`)),
  client('Subject', 'no name', {}, subject('O=system:nodes')),
  client('Subject', 'a unit too', {}, subject('O=system:nodes', 'OU=admins', `CN=system:node:${NODE}`)),
  client('Organization', 'of the masters', {}, subject('O=system:masters', `CN=system:node:${NODE}`)),
  client('Organization', 'in capitals', {}, subject('O=System:Nodes', `CN=system:node:${NODE}`)),
  client('CommonName', 'a user', {}, named('kubernetes-admin')),
  client('CommonName', 'a node without a name', {}, named('system:node:')),
  client('CommonName', 'a node of another pool', {}, named('system:node:gke-a-default-pool-1')),
  client('CommonName', 'a name that is a path', {}, named('system:node:../cast-pool/../x')),
  client('CommonName', 'a name in capitals', {}, named('system:node:GKE-cast-pool-1')),
  client(
    'Key',
    'with an RSA key that can be broken',
    {},
    { wanted: { key: ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:1024'] } },
  ),
  client('Key', 'on another curve', {}, { wanted: { key: ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:secp256k1'] } }),
  client('Key', 'of another kind', {}, { wanted: { key: ['-algorithm', 'ED25519'] } }),
  client(
    'Signature',
    'with another signature',
    {},
    onDer((der) => Buffer.from(der.with(der.length - 1, (der.at(-1) ?? 0) ^ 1))),
  ),
  client('Signature', 'with a signature of another type', {}, onDer(retagged)),
  client(
    'Signature',
    'signed for another name',
    {},
    onDer((der) => Buffer.from(der.toString('latin1').replace('cast-pool-1', 'cast-pool-9'), 'latin1')),
  ),
  client('Extension', 'an authority', {}, { wanted: { extensions: ['basicConstraints=critical,CA:TRUE'] } }),
  client('Extension', 'the use of the key', {}, { wanted: { extensions: ['keyUsage=keyCertSign'] } }),
  client('SubjectAltName', 'a client with a DNS name', {}, names(`DNS:${NODE}`)),
  client('SubjectAltName', 'a client with an address', {}, names('IP:10.0.0.7')),
  server('SubjectAltName', 'a server without names', {}, { wanted: {} }),
  server('SubjectAltName', 'a server with an e-mail address', {}, names(`${OWN_NAMES}, email:root@example.com`)),
  server('SubjectAltName', 'a server with a URI', {}, names(`${OWN_NAMES}, URI:spiffe://cluster/ns/default`)),
  server('SubjectAltName', 'a server with a name of another kind', {}, names(`${OWN_NAMES}, otherName:1.2.3.4;UTF8:kubernetes`)),
  server('DnsName', 'one own name and a foreign one', {}, names(`DNS:${NODE}, DNS:kubernetes.default.svc`)),
  server('DnsName', 'a foreign name and then its own', {}, names(`DNS:gke-a-cast-pool-2, DNS:${NODE}`)),
  server('DnsName', 'any name', {}, names('DNS:*')),
  server('DnsName', 'its name as the beginning of another', {}, names(`DNS:${NODE}.example.com`)),
  server('DnsName', 'an address as a name', {}, names('DNS:10.0.0.1')),
  server('IpAddress', 'one own address and a foreign one', {}, names('IP:10.0.0.7, IP:10.96.0.1')),
  server('IpAddress', 'the loopback', {}, names('IP:127.0.0.1')),
  server('IpAddress', 'its address, written as IPv6', {}, names('IP:::ffff:10.0.0.7')),
]

export const forged: readonly Forged[] = [...inEnvelope, ...inRequest]

/** PEM of a forged request, in base64 as the API has it. */
export const base64Of = ({ wanted = {}, tamper = (pem) => pem }: Pick<Forged, 'wanted' | 'tamper'>): string =>
  Buffer.from(tamper(makePem(wanted).request)).toString('base64')
