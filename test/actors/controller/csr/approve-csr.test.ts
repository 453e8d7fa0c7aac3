import { expect, test } from 'vitest'
import { CertificatePolicy, type CertificateRequest, type NodeIdentity } from '../../../../src/events/certificates.ts'
import { decide } from '../../../../src/runtime/decide.ts'
import { hydrate } from '../../../../src/runtime/persist.ts'
import { born, done, failed, given } from '../../../../src/runtime/testing/given.ts'
import { killAt } from '../../../../src/runtime/testing/kill-at.ts'
import { migrated } from '../../../../src/runtime/versions.ts'
import { shipped } from '../../../shipped.ts'
import { bootstrap, NODE, NOW } from './forged.ts'

const policy = CertificatePolicy.parse({})
const pkcs10 = {
  subject: [
    { type: 'O', value: 'system:nodes' },
    { type: 'CN', value: `system:node:${NODE}` },
  ],
  dnsNames: [],
  ipAddresses: [],
  otherNames: [],
  extensions: [],
  key: { type: 'ec', bits: 256 },
  signed: true,
}
const request: CertificateRequest = { ...bootstrap, pem: 'cGVt', pkcs10 }
const node: NodeIdentity = { name: NODE, ready: false, dnsNames: [], ipAddresses: [] }
const csr = { name: request.name, uid: request.uid }
const about = { csr: csr.name, uid: 'u1', node: NODE, signer: bootstrap.signerName }

type Event = ReturnType<typeof done>
const birth = born(csr, NOW)
const actor = (...events: readonly Event[]) => given(shipped('approve-csr'), birth, ...events)
const ref = (state: string): string => `0.approve-csr.${state}`
const read = (changes: Partial<CertificateRequest> = {}, at = NOW) =>
  done(ref('reading'), { request: { ...request, ...changes }, policy }, at)
const nothing = (at = NOW) => done(ref('reading'), { request: null, policy }, at)
const nodeRead = (found: NodeIdentity | null = node, at = NOW) => done(ref('readingNode'), found, at)
const approved = done(ref('approving'), { approved: true }, NOW)
const paused = (at = NOW): Event => ({ type: 'xstate.after.pause.approve-csr.pausing', at })

test('approve-csr: reads the request, then its node, and approves exactly what it read', () => {
  actor()
    .when(birth)
    .then({ effects: [['readRequest', csr]] })
  actor()
    .when(read())
    .then({ to: 'readingNode', effects: [['readNode', { name: NODE }]] })
  actor(read())
    .when(nodeRead())
    .then({ to: 'approving', effects: [['approve', { ...csr, resourceVersion: '7' }]] })
  actor(read(), nodeRead())
    .when(approved)
    .then({ to: 'pausing', emitted: [{ type: 'controller.CsrApproved', ...about }], timers: [NOW + 1_000] })
})

test('approve-csr: approved, it waits for the certificate, and says so', () => {
  const waiting = actor(read(), nodeRead(), approved, paused())
  waiting.when(read({ conditions: ['Approved'] })).then({ to: 'pausing', timers: [NOW + 2_000] })
  waiting
    .when(read({ conditions: ['Approved'], issued: true }))
    .then({ to: 'issued', emitted: [{ type: 'controller.CertificateIssued', ...about }] })
  waiting
    .when(read({ conditions: ['Approved', 'Failed'], failure: 'SignerValidationFailure: no' }))
    .then({ to: 'failed', emitted: [{ reason: 'the signer refuses it: SignerValidationFailure: no' }] })
  waiting
    .when(read({ conditions: ['Approved'] }, NOW + 240_000))
    .then({ to: 'failed', emitted: [{ type: 'controller.CsrFailed', reason: 'it is not settled after 240 s' }] })
})

test('approve-csr: what a rule forbids is refused before anything else is asked, and stays as it is', () => {
  actor()
    .when(read({ username: 'eve' }))
    .then({ to: 'refused', effects: [], emitted: [{ type: 'controller.CsrRefused', ...about, rule: 'Requester' }] })
  actor()
    .when(read({ pkcs10: { unreadable: 'it is not DER' } }))
    .then({ to: 'refused', emitted: [{ rule: 'Unreadable' }] })
})

test('approve-csr: what may pass is asked again, later and later, for four minutes', () => {
  const ready = { ...node, ready: true }
  const pauses: number[] = []
  let events: readonly Event[] = []
  for (let tries = 0; tries < 9; tries++) {
    const { decided } = actor(...events, read()).when(nodeRead(ready))
    pauses.push(...(decided as { timers: readonly number[] }).timers.map((due) => due - NOW))
    events = [...events, read(), nodeRead(ready), paused()]
  }
  expect(pauses).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000])
  actor(read())
    .when(nodeRead(ready, NOW + 240_000))
    .then({ to: 'refused', emitted: [{ type: 'controller.CsrRefused', rule: 'NodeReady' }] })
})

test('approve-csr: a denial is a decision, another request of that name is not the one meant', () => {
  actor()
    .when(read({ conditions: ['Denied'] }))
    .then({ to: 'ended', emitted: [] })
  actor()
    .when(read({ uid: 'u2' }))
    .then({ to: 'ended', emitted: [] })
  actor().when(nothing()).then({ to: 'ended', emitted: [] })
})

test('approve-csr: changed or unanswered it is read anew; forbidden it fails; under the brake it waits as long as it takes', () => {
  const approving = actor(read(), nodeRead())
  approving.when(failed(ref('approving'), 'Unavailable', 'changed', NOW)).then({ to: 'pausing' })
  approving.when(failed(ref('approving'), 'Gone', 'gone', NOW)).then({ to: 'pausing' })
  approving
    .when(failed(ref('approving'), 'Refused', 'give our service account the verb approve', NOW))
    .then({ to: 'failed', emitted: [{ type: 'controller.CsrFailed', reason: 'give our service account the verb approve' }] })
  approving.when(failed(ref('approving'), 'Held', 'the brake is on', NOW + 1_000_000)).then({ to: 'held' })
  const held = actor(read(), nodeRead(), failed(ref('approving'), 'Held', 'the brake is on', NOW), {
    type: 'xstate.after.held.approve-csr.held',
    at: NOW + 1_000_000,
  })
  expect(held.state.context.since).toBe(NOW + 1_000_000)
})

test('approve-csr: approved and then lost, a first request is made again and judged as that of whoever had asked', () => {
  const lost = actor(read(), nodeRead(), approved, paused())
  lost.when(nothing()).then({ to: 'requestingAgain', effects: [['requestAgain', { request }]] })
  const again = { name: csr.name, uid: 'u2' }
  const asked = actor(read(), nodeRead(), approved, paused(), nothing(), done(ref('requestingAgain'), again, NOW))
  const ours = { uid: 'u2', username: 'system:serviceaccount:quartermaster:controller', groups: [] }
  asked.when(read(ours)).then({ to: 'readingNode' })
  const renewal = { ...bootstrap, name: 'csr-7xk2p', username: `system:node:${NODE}`, groups: ['system:nodes'] }
  const next = given(
    shipped('approve-csr'),
    born({ name: renewal.name, uid: 'u1' }, NOW),
    read(renewal),
    nodeRead(),
    approved,
    paused(),
  )
  next.when(nothing()).then({ to: 'ended' })
})

test('approve-csr: killed anywhere, it goes on', { timeout: 60_000 }, async () => {
  const endings = {
    readRequest: {
      outputs: [{}, { username: 'eve' }, { conditions: ['Approved'] }, { issued: true }, { conditions: ['Failed'] }].map(
        (changes) => ({
          request: { ...request, createdAt: 0, ...changes },
          policy,
        }),
      ),
      errors: ['Refused', 'Unavailable'],
    },
    readNode: { outputs: [node, null], errors: ['Unavailable'] },
    approve: { outputs: [{ approved: true }], errors: ['Held', 'Unavailable', 'Refused'] },
  }
  const sees = ({ approved: is, tries }: { approved: boolean; tries: number }) => [is, Math.min(tries, 2)]
  for (const step of ['after-append', 'after-effect'] as const) {
    const { kills } = await killAt(step).everyPath(shipped('approve-csr'), { input: csr, endings, sees })
    expect(kills).toBeGreaterThan(10)
  }
})

const seen = (id: string, name = `node-${id}`): Event =>
  ({ type: 'csr-approver.Seen', id, name: `csr-${id}`, uid: id, node: name, at: 0 }) as never
const approver = (...events: readonly Event[]) => given(shipped('csr-approver'), ...events)
const spawn = (id: string) => [`spawn approve-csr/${id}`, { name: `csr-${id}`, uid: id }]

test('csr-approver: one actor for each request, one at a time for each node', () => {
  approver()
    .when(seen('a'))
    .then({ effects: [spawn('a')] })
  const busy = approver(seen('a', 'n1'))
  busy.when(seen('a', 'n1')).then('refused')
  busy.when(seen('b', 'n2')).then({ effects: [spawn('b')] })
  busy.when(seen('b', 'n1')).then({ effects: [] })
  approver(seen('a', 'n1'), seen('b', 'n1'))
    .when(done('a', { outcome: 'issued' }))
    .then({ effects: [['stop approve-csr/a', undefined], spawn('b')] })
  approver(seen('a', 'n1'), seen('b', 'n1'))
    .when(failed('a', 'Refused', 'running already'))
    .then({ effects: [spawn('b')] })
})

test('csr-approver: however many there are, a hundred at once and a thousand in line', () => {
  const many = Array.from({ length: 1_100 }, (_, index) => seen(String(index)))
  const { state } = approver(...many)
  expect(Object.keys(state.context.running)).toHaveLength(100)
  expect(state.context.waiting).toHaveLength(1_000)
  approver(...many)
    .when(seen('one more'))
    .then('refused')
})

const refusedBy = (id: string, rule: string, at = 0) => done(id, { outcome: 'refused', rule, reason: 'no' }, at)
const again = (tries: number): Event =>
  ({ type: 'csr-approver.Again', id: `a.${tries}`, first: 'a', name: 'csr-a', uid: 'a', node: 'n1', tries, at: 0 }) as never

test('csr-approver: what was refused for want of its node is judged again, ever later, and by another actor each time', () => {
  const judged = (tries: number): readonly Event[] =>
    tries === 0
      ? [seen('a', 'n1')]
      : [...judged(tries - 1), refusedBy(tries === 1 ? 'a' : `a.${tries - 1}`, 'NodeUnknown'), again(tries)]
  approver(...judged(0))
    .when(refusedBy('a', 'NodeUnknown', 5_000))
    .then({ effects: [['stop approve-csr/a', undefined]], timers: [65_000] })
  approver(...judged(0), refusedBy('a', 'NodeUnknown'))
    .when(again(1))
    .then({ effects: [['spawn approve-csr/a.1', { name: 'csr-a', uid: 'a' }]] })
  approver(...judged(3))
    .when(refusedBy('a.3', 'IpAddress'))
    .then({ timers: [480_000] })
  approver(...judged(9))
    .when(refusedBy('a.9', 'NodeReady'))
    .then({ timers: [1_920_000] })
  for (const rule of ['Requester', 'Age', 'Decided', 'CommonName'])
    approver(...judged(1))
      .when(refusedBy('a.1', rule))
      .then({ timers: [] })
  approver(...judged(1))
    .when(done('a.1', { outcome: 'issued' }))
    .then({ timers: [] })
})

test('csr-approver: a request that is being judged is not begun beside, and of those to be judged again there are a thousand', () => {
  approver(seen('a', 'n1'), refusedBy('a', 'NodeUnknown'), again(1)).when(seen('a', 'n1')).then('refused')
  approver(seen('a', 'n1'), refusedBy('a', 'NodeUnknown'), seen('a', 'n1')).when(again(1)).then({ effects: [] })
  const many = Array.from({ length: 1_000 }, (_, index) => [seen(`${index}`), refusedBy(`${index}`, 'NodeUnknown')]).flat()
  const crowded = approver(...many, seen('a', 'n1'))
  crowded.when(refusedBy('a', 'NodeUnknown')).then({ timers: [] })
})

test('csr-approver: what version 1 had under way goes on, and what waited begins after it', () => {
  const definition = shipped('csr-approver')
  const context = { running: { a: 'n1' }, waiting: [{ id: 'b', name: 'csr-b', uid: 'b', node: 'n1' }] }
  const children = { '0.csr-approver.following': 'followRequests', a: 'approveCsr' }
  const old = { status: 'active', value: 'following', context, children } as const
  const snapshot = hydrate(
    definition.machine,
    migrated(definition, { type: 'csr-approver', id: 'x' }, { mv: 1, state: old } as never),
  )
  const decided = decide(definition, { type: 'csr-approver', id: 'x' }, snapshot, { ...refusedBy('a', 'NodeUnknown'), at: 1 })
  expect(decided?.fx.map(({ kind, ref }) => [kind, ref])).toEqual([
    ['stop', 'a'],
    ['spawn', 'b'],
  ])
})
