import { X509Certificate } from 'node:crypto'
import { expect, test } from 'vitest'
import { approveCsrEffects, csrApproverEffects, csrPowers } from '../../../../src/actors/controller/csr/effects.ts'
import { isOurs, nodeOf } from '../../../../src/actors/controller/csr/judge.ts'
import { fixedAccess } from '../../../../src/adapters/kubernetes/access.ts'
import { certificateRequests } from '../../../../src/adapters/kubernetes/certificates.ts'
import { kubernetesClient } from '../../../../src/adapters/kubernetes/client.ts'
import { canonicalAddress, readPkcs10 } from '../../../../src/adapters/pkcs10.ts'
import { certificateActionId } from '../../../../src/commands/up/certificate-action-id.ts'
import { CertificatePolicy, SERVING_SIGNER } from '../../../../src/events/certificates.ts'
import { systemChance } from '../../../../src/runtime/chance.ts'
import { systemClock } from '../../../../src/runtime/clock.ts'
import { startHost } from '../../../../src/runtime/host.ts'
import { unrestricted } from '../../../../src/runtime/licence.ts'
import { memoryInbox } from '../../../../src/runtime/testing/memory-inbox.ts'
import { memoryJournal } from '../../../../src/runtime/testing/memory-journal.ts'
import { freeLeases } from '../../../../src/runtime/testing/memory-leases.ts'
import { createTimers } from '../../../../src/runtime/timers.ts'
import { controlPlaneForTest } from '../../../control-plane/for-test.ts'
import { created } from '../../../control-plane/objects.ts'
import type { ControlPlane } from '../../../control-plane/start.ts'
import { until } from '../../../kubernetes-client.ts'
import { shipped } from '../../../shipped.ts'
import { bootstrap, type Envelope, forged, NODE, OWN_NAMES, serving } from './forged.ts'
import { makePem } from './pem.ts'

const RBAC = '/apis/rbac.authorization.k8s.io/v1'
const CSRS = '/apis/certificates.k8s.io/v1/certificatesigningrequests'
const policy = CertificatePolicy.parse({})
const nothing = (): void => {}

/** The approver, with a service account's rights: exactly the powers that it declares. */
const approver = async (plane: ControlPlane) => {
  const rules = csrPowers.map(({ verb, group, resource, subresource, name }) => ({
    apiGroups: [group],
    resources: [subresource === undefined ? resource : `${resource}/${subresource}`],
    verbs: [verb],
    ...(name !== undefined && { resourceNames: [name] }),
  }))
  await created(plane.api, `${RBAC}/clusterroles`, { metadata: { name: 'approver' }, rules })
  await bound(plane, 'approver', { kind: 'User', name: 'nobody' })
  const client = kubernetesClient(fixedAccess({ server: plane.url, ca: plane.ca, token: plane.tokenOf('nobody') }))
  const requests = certificateRequests(client, { pkcs10: readPkcs10, address: canonicalAddress })
  const means = { requests, policy, idOf: certificateActionId, log: { warn: nothing } }
  const journal = memoryJournal()
  const log = { debug: nothing, info: nothing, warn: nothing, error: console.error }
  const host = startHost({
    ground: {
      process: 'test',
      journal,
      inbox: memoryInbox(),
      clock: systemClock,
      chance: systemChance,
      timers: createTimers(systemClock),
      licence: unrestricted,
      log,
    },
    leases: freeLeases,
    definitions: [
      { ...shipped('csr-approver'), effects: csrApproverEffects(means) },
      { ...shipped('approve-csr'), effects: approveCsrEffects(means) },
    ],
    root: { address: { type: 'csr-approver', id: 'test' } },
  })
  await host.ready
  const facts = async (): Promise<readonly any[]> => {
    const found: any[] = []
    await journal.readAll(0, ({ record }) => {
      if ('em' in record) found.push(...record.em.map(({ ev }) => ev))
      return true
    })
    return found
  }
  return { facts, [Symbol.asyncDispose]: () => host.stop().then(() => client.close()) }
}

const bound = async ({ api }: ControlPlane, role: string, subject: { readonly kind: string; readonly name: string }) => {
  await created(api, `${RBAC}/clusterrolebindings`, {
    metadata: { name: `${role.replaceAll(':', '-')}-${subject.name.replaceAll(':', '-')}` },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', ...subject }],
  })
}

/** Asks as the kubelet does, in its name. */
const ask = ({ api }: ControlPlane, name: string, envelope: Envelope, pem: string) => {
  const { signerName, usages, expirationSeconds, username, groups } = envelope
  const spec = {
    request: Buffer.from(pem).toString('base64'),
    signerName,
    usages,
    ...(expirationSeconds && { expirationSeconds }),
  }
  const body = { apiVersion: 'certificates.k8s.io/v1', kind: 'CertificateSigningRequest', metadata: { name }, spec }
  // fetch joins values of one header with a comma, which is part of no group's name here; one group is enough.
  const [group = 'system:authenticated'] = groups
  return api.call('POST', CSRS, body, { headers: { 'impersonate-user': username, 'impersonate-group': group } })
}

test('csr: kubelets get their certificates from the real signer, and no forged request is approved', {
  timeout: 300_000,
}, async () => {
  await using plane = await controlPlaneForTest()
  const asks = 'system:node-bootstrapper'
  await bound(plane, asks, { kind: 'Group', name: 'system:nodes' })
  await bound(plane, asks, { kind: 'Group', name: 'system:authenticated' })
  await using started = await approver(plane)
  const statusOf = async (name: string) => (await plane.api.get(`${CSRS}/${name}`)).body.status
  const issued = async (name: string): Promise<X509Certificate> => {
    const base64 = await until(`${name} is issued`, async () => (await statusOf(name)).certificate as string | undefined)
    return new X509Certificate(Buffer.from(base64, 'base64').toString())
  }

  const first = makePem({})
  expect((await ask(plane, 'node-csr-first', bootstrap, first.request)).status).toBe(201)
  const client = await issued('node-csr-first')
  expect(client.subject).toBe(`O=system:nodes\nCN=system:node:${NODE}`)
  const itself = plane.withCertificate(client.toString(), first.key)
  expect((await itself.get('/api/v1/nodes')).body.message).toContain(`User "system:node:${NODE}" cannot list`)

  const server = makePem({ names: OWN_NAMES })
  expect((await ask(plane, 'csr-serving', serving, server.request)).status).toBe(201)
  const addresses = [
    { type: 'Hostname', address: NODE },
    { type: 'InternalDNS', address: `${NODE}.c.project.internal` },
    { type: 'InternalIP', address: '10.0.0.7' },
    { type: 'InternalIP', address: 'fd00::7' },
  ]
  // It asks before its Node has told its addresses: this is waited for.
  await created(plane.api, '/api/v1/nodes', { metadata: { name: NODE }, status: { addresses } })
  const serves = await issued('csr-serving')
  expect(serves.checkIP('10.0.0.7')).toBe('10.0.0.7')
  expect(serves.checkHost(`${NODE}.c.project.internal`)).toBeDefined()

  const asked: { readonly name: string; readonly rule: string; readonly isOurs: boolean }[] = []
  for (const [index, { envelope, wanted = {}, tamper = (pem: string) => pem, rule }] of forged.entries()) {
    // What only the API can make of a request; and an administrator's own the cluster approves by itself.
    if (envelope.conditions.length > 0 || envelope.issued || rule === 'Age' || envelope.groups.includes('system:masters'))
      continue
    const pem = tamper(makePem(wanted).request)
    const name = `${envelope.name.toLowerCase()}-${index}`
    // The API server itself does not take what is no request at all.
    if ((await ask(plane, name, envelope, pem)).status !== 201) continue
    const node = nodeOf({ pkcs10: await readPkcs10(Buffer.from(pem).toString('base64')) })
    asked.push({ name, rule, isOurs: rule !== 'Signer' && isOurs(policy, node) })
  }
  expect(asked.length).toBeGreaterThan(30)
  const expected = asked.filter(({ isOurs: is }) => is)
  const judged = async () =>
    new Map((await started.facts()).filter(({ type }) => type === 'controller.CsrRefused').map(({ csr, rule }) => [csr, rule]))
  const isComplete = async (): Promise<boolean> => judged().then((found) => expected.every(({ name }) => found.has(name)))
  await until('all are judged', isComplete, { longestMs: 120_000 })
  const found = await judged()
  expect(expected.map(({ name }) => [name, found.get(name)])).toEqual(expected.map(({ name, rule }) => [name, rule]))
  const { items } = (await plane.api.get(CSRS)).body
  const approved = items.filter(({ status }: any) => (status.conditions ?? []).some(({ type }: any) => type === 'Approved'))
  expect(approved.map(({ metadata }: any) => metadata.name).toSorted()).toEqual(['csr-serving', 'node-csr-first'])
  expect(
    (await started.facts()).filter(({ type }) => type === 'controller.CertificateIssued').map(({ signer }) => signer),
  ).toEqual([bootstrap.signerName, SERVING_SIGNER])
})
