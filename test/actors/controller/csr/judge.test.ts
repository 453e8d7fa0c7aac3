import fc from 'fast-check'
import { expect, test } from 'vitest'
import { judge, type Verdict } from '../../../../src/actors/controller/csr/judge.ts'
import { isDer } from '../../../../src/adapters/pkcs10/der.ts'
import { canonicalAddress, readPkcs10 } from '../../../../src/adapters/pkcs10.ts'
import { CertificatePolicy, type NodeIdentity } from '../../../../src/events/certificates.ts'
import { base64Of, bootstrap, type Envelope, type Forged, forged, NODE, NOW, OWN_NAMES, renewal, serving } from './forged.ts'
import { derOf, makePem, pemOf, type Wanted } from './pem.ts'

const policy = CertificatePolicy.parse({})
const node: NodeIdentity = {
  name: NODE,
  ready: false,
  dnsNames: [NODE, `${NODE}.c.project.internal`],
  ipAddresses: ['10.0.0.7', 'fd00::7'],
}

const judged = async (envelope: Envelope, pem: string, known: NodeIdentity | null = node): Promise<Verdict> =>
  judge(policy, { request: { ...envelope, pem, pkcs10: await readPkcs10(pem) }, node: known, at: NOW })
const asked = (envelope: Envelope, wanted: Wanted = {}, known?: NodeIdentity | null) =>
  judged(envelope, base64Of({ wanted }), known)

test.each(forged.map((each): [string, string, Forged] => [each.rule, each.what, each]))(
  'csr: refused by the rule %s: %s',
  async (rule, _, each) => {
    const verdict = await judged(each.envelope, base64Of(each))
    expect(verdict).toMatchObject({ is: 'refuse', rule, reason: expect.stringMatching(/^.{10,300}$/) })
  },
)

const RSA = { key: ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'] }
test.each<[string, Envelope, Wanted]>([
  ['a first certificate', bootstrap, {}],
  ['the next certificate', renewal, {}],
  ['an RSA key that may encipher', { ...bootstrap, usages: [...bootstrap.usages, 'key encipherment'] }, RSA],
  ['a server with all of its names', serving, { names: OWN_NAMES }],
  ['a server with an address alone', serving, { names: 'IP:10.0.0.7' }],
  ['a server with its own name, which the Node does not tell', serving, { names: `DNS:${NODE}` }],
  ['a subject in the older string type', bootstrap, { stringMask: 'pkix' }],
])('csr: approved: %s', async (_, envelope, wanted) => {
  expect(await asked(envelope, wanted)).toEqual({ is: 'approve' })
})

test('csr: what may pass is waited for: an unknown node that serves, a ready node whose name somebody else asks for', async () => {
  expect(await asked(serving, { names: OWN_NAMES }, null)).toMatchObject({ is: 'wait', rule: 'NodeUnknown' })
  expect(await asked(bootstrap, {}, { ...node, ready: true })).toMatchObject({ is: 'wait', rule: 'NodeReady' })
  expect(await asked(renewal, {}, { ...node, ready: true })).toEqual({ is: 'approve' })
  expect(await asked(bootstrap, {}, null)).toEqual({ is: 'approve' })
})

test('csr: other names than GKE’s are a matter of the policy', async () => {
  const other = CertificatePolicy.parse({ nodeNames: ['ip-*.ec2.internal'], bootstrapUsers: ['system:bootstrap:abcdef'] })
  const pem = base64Of({ wanted: { subject: ['O=system:nodes', 'CN=system:node:ip-10-0-0-7.ec2.internal'] } })
  const request = { ...bootstrap, username: 'system:bootstrap:abcdef', pem, pkcs10: await readPkcs10(pem) }
  expect(judge(other, { request, node: null, at: NOW })).toEqual({ is: 'approve' })
  expect(judge(policy, { request, node: null, at: NOW })).toMatchObject({ rule: 'CommonName' })
})

test('pkcs10: any byte of a request changed, it is unreadable, or has other contents, or is not signed', async () => {
  const der = derOf(makePem({ names: OWN_NAMES }).request)
  const original = await readPkcs10(Buffer.from(pemOf(der)).toString('base64'))
  await fc.assert(
    fc.asyncProperty(fc.nat(der.length - 1), fc.integer({ min: 1, max: 255 }), async (at, bits) => {
      const changed = Buffer.from(der.with(at, (der[at] ?? 0) ^ bits))
      const found = await readPkcs10(Buffer.from(pemOf(changed)).toString('base64'))
      expect(found).not.toEqual(original)
      expect('unreadable' in found || !found.signed).toBe(true)
    }),
    { numRuns: 500 },
  )
})

test('pkcs10: whatever is sent, it answers, and quotes nothing of it', async () => {
  const wrapped = fc.uint8Array({ maxLength: 300 }).map((bytes) => pemOf(Buffer.from(bytes)))
  await fc.assert(
    fc.asyncProperty(fc.oneof(fc.string(), wrapped), async (text) => {
      const found = await readPkcs10(Buffer.from(text).toString('base64'))
      expect(found).toMatchObject({ unreadable: expect.stringMatching(/^[\w #,-]+$/) })
    }),
  )
})

test('der: values nested far too deep are refused, not followed', () => {
  let value = Buffer.from([5, 0])
  for (let depth = 0; depth < 60; depth++) value = Buffer.concat([Buffer.from([0x30, value.length]), value])
  expect(isDer(value)).toBe(false)
  expect(isDer(Buffer.from([0x30, 2, 5, 0]))).toBe(true)
})

test('addresses: one text for each', () => {
  expect(canonicalAddress('FD00:0:0::0007')).toBe('fd00::7')
  expect(canonicalAddress('10.0.0.7')).toBe('10.0.0.7')
  expect(canonicalAddress('node')).toBeUndefined()
})
