import { permits, phaseOf } from '../../src/actors/cluster.ts'
import { CertificatePolicy, CLIENT_SIGNER } from '../../src/events/certificates.ts'
import { Guard } from '../../src/events/guard.ts'
import { verbNames } from '../../src/events/verbs.ts'
import { everyShipped } from '../shipped.ts'
import type { Script, Turn } from './effects.ts'
import type { Order, Play } from './play.ts'
import { EPOCH } from './process.ts'
import type { Random } from './random.ts'

const CLUSTER = 'demo'
const cluster = (verb: string, payload: object = {}): Order => ({ type: 'cluster', verb, payload })
const controller = (verb: string, id: string, payload: object): Order => ({ type: 'controller', verb, id, payload })

/** An id that carries its time, as those of plans and actions do (UUIDv7). */
const timedId = (random: Random): string => {
  const hex = (digits: number): string =>
    random
      .below(16 ** digits)
      .toString(16)
      .padStart(digits, '0')
  const time = EPOCH.toString(16).padStart(12, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}-7${hex(3)}-8${hex(3)}-${hex(6)}${hex(6)}`
}
const nodeName = (random: Random): string => `node-${random.below(6)}`
const uidOf = (node: string): string => `uid-of-${node}`

const planned = (random: Random): Turn => {
  const plan = timedId(random)
  const nodes = [0, 1].filter(() => random.happens(0.6)).map((index) => `node-${random.below(3) + index * 3}`)
  const wave = nodes.map((node) => ({ node, uid: uidOf(node), evictions: 1, hourlyCost: 1 }))
  const leftover = random.happens(0.1) ? [{ node: 'node-6', uid: uidOf('node-6'), action: 'old.0' }] : []
  const costs = { hourlyCost: 3, hourlyCostAfter: 2, bound: 1 }
  const counts = { nodes: 6, nodesAfter: 6 - wave.length, evictions: wave.length, drains: wave.length, kept: {} }
  return { output: { summary: { plan, hash: plan, planner: 'greedy', ...costs, ...counts }, wave, leftover } }
}
const pods = (random: Random, node: string, most: number) =>
  Array.from({ length: random.below(most) }, (_, index) => {
    const uid = `${node}-${index}-${random.below(1_000)}`
    return { namespace: 'web', name: `pod-${uid}`, uid }
  })
const reports = (random: Random) =>
  random.happens(0.8)
    ? [
        { type: 'agent.KindsChanged', kinds: { nodes: { state: 'streaming', version: 'v1', count: 6 } } },
        { type: 'agent.KindsChanged', kinds: { pods: { state: 'streaming', version: 'v1', count: 20 } } },
        { type: 'agent.KindsChanged', kinds: { pods: { state: 'stalled', version: 'v1', reason: 'no answer' } } },
        { type: 'agent.KindsChanged', kinds: { pods: { state: 'streaming', version: 'v1', count: 20 } } },
      ].slice(0, 2 + random.below(3))
    : []

const identities = [
  { provider: 'anywhere', clusterId: 'u-1', id: 'u-1', gaps: [] },
  { provider: 'undecided', reason: 'one says EKS, the other GKE' },
]

const foundBy = (name: string, random: Random) =>
  random.happens(0.9)
    ? { found: { name, uid: uidOf(name), providerId: '', nodeIds: [] }, before: { labels: {}, annotations: {}, taints: [] } }
    : { found: null }
const objects = [{ verbs: ['Patch', 'Create', 'Delete'], group: '', resource: 'configmaps', namespaces: ['web'] }]
/** The second one is stricter: it is read when the process has been there for a while. */
const guards = (random: Random) =>
  [
    { verbs: verbNames, objects, force: true },
    {
      verbs: verbNames,
      objects,
      budgets: [{ name: 'a zone', counts: 'nodes', most: 3, per: 'zone', withinSeconds: 60 }],
      approval: { verbs: ['DeleteNode', 'PatchNode'], expirySeconds: 20 },
    },
  ]
    .slice(0, 1 + random.below(2))
    .map((guard) => Guard.parse(guard))
const owners = [
  { by: 'node-object' },
  { by: 'cluster-autoscaler' },
  { by: 'karpenter', nodeClaim: 'claim', uid: 'c', version: 'v1' },
  {
    by: 'cluster-api',
    version: 'v1beta1',
    namespace: 'ns',
    machine: 'm',
    uid: 'm',
    group: { resource: 'machinesets', name: 's', uid: 's' },
  },
] as const

const nodesAsking = (random: Random) =>
  Array.from({ length: random.below(4) }, () => {
    const uid = timedId(random)
    return { type: 'csr-approver.Seen', id: uid, name: `node-csr-${uid}`, uid, node: nodeName(random) }
  })
const policy = CertificatePolicy.parse({ nodeNames: ['*'] })
const certificateRequest = (csr: { readonly name: string; readonly uid: string }, random: Random) => ({
  ...csr,
  resourceVersion: '1',
  createdAt: Number.MAX_SAFE_INTEGER, // younger than any limit
  signerName: CLIENT_SIGNER,
  username: random.happens(0.9) ? 'kubelet-bootstrap' : 'eve',
  groups: [],
  usages: ['client auth', 'digital signature'],
  approvedByUs: false,
  pem: 'cGVt',
  pkcs10: {
    subject: [
      { type: 'O', value: 'system:nodes' },
      { type: 'CN', value: `system:node:${nodeName(random)}` },
    ],
    ...{ dnsNames: [], ipAddresses: [], otherNames: [], extensions: [], key: { type: 'ec', bits: 256 }, signed: true },
  },
  ...random.pick([
    { conditions: [], issued: false },
    { conditions: [], issued: false },
    { conditions: ['Approved'], issued: true },
    { conditions: ['Approved'], issued: false },
    { conditions: ['Denied'], issued: false },
    { conditions: ['Approved', 'Failed'], issued: false },
  ]),
})

const revisionOf = (revision: number, status: string, updated = Number.MAX_SAFE_INTEGER) => ({
  revision,
  updated,
  status,
  chart: 'web-1.0.0',
  description: '',
})
const deployed = [revisionOf(1, 'superseded'), revisionOf(2, 'deployed')]
const release = (random: Random) => ({ namespace: 'web', releaseName: `r${random.below(4)}`, timeoutSeconds: 5 })

type Answer = (input: any, random: Random) => Turn
const nothing: Answer = () => ({ output: null })
const answers: Readonly<Record<string, Answer>> = {
  checkPowers: (_, random) => ({ output: { missing: random.happens(0.2) ? [{ actor: 'agent', power: 'list pods' }] : [] } }),
  watchSwitch: (_, random) => ({
    reports: [
      ...(random.happens(0.3) ? [{ type: 'cluster.SwitchSet', policy: 'rollback' }] : []),
      { type: 'cluster.SwitchCleared' },
    ],
  }),
  awaitBrake: () => ({ output: { processes: 1, unanswered: 0, inFlight: 0 } }),
  discover: () => ({ output: { served: { nodes: 'v1', pods: 'v1' }, unavailable: {} } }),
  reflect: (_, random) => ({ reports: reports(random) }),
  identify: (_, random) => ({ reports: [{ type: 'agent.IdentityRead', identity: identities[random.below(2)] }] }),
  plan: (_, random) => (random.happens(0.1) ? { error: 'NotReady' } : planned(random)),
  verify: ({ nodes }, random) => {
    const kept = (nodes as readonly string[]).filter(() => random.happens(0.9))
    return {
      output: {
        nodes: kept,
        refused: nodes.filter((each: string) => !kept.includes(each)).map((node: string) => ({ node, reason: 'a pod came' })),
      },
    }
  },
  readNode: ({ name }, random) =>
    random.happens(0.95)
      ? { output: { name, uid: uidOf(name), providerId: '', nodeIds: [], unschedulable: random.happens(0.1) } }
      : { output: null },
  listEvictable: ({ name, after }, random) => {
    const found = random.happens(0.5) ? pods(random, name, 3) : []
    const last = found.at(-1)
    return {
      output: { pods: found, ...(last && !after && random.happens(0.3) && { after: { tier: 0, priority: 0, uid: last.uid } }) },
    }
  },
  listBound: ({ name }, random) => ({ output: random.happens(0.5) ? pods(random, name, 2) : [] }),
  awaitTurn: nothing,
  awaitGone: (_, random) => ({ output: random.happens(0.9) ? 'gone' : 'stuck' }),
  awaitDetached: (_, random) => ({ output: random.happens(0.9) ? { count: 0, volumes: [] } : { count: 1, volumes: ['pv'] } }),
  findOwner: (_, random) =>
    random.happens(0.1) ? { error: random.pick(['Refused', 'Unavailable']) } : { output: owners[random.below(owners.length)] },
  mark: nothing,
  unmark: nothing,
  shrink: (_, random) => (random.happens(0.2) ? { error: random.pick(['Refused', 'Gone', 'Unavailable']) } : { output: null }),
  awaitRemoved: () => ({ output: 'somebody' }),
  tidy: nothing,
  listAttached: (_, random) => ({ output: random.happens(0.8) ? [] : [{ name: 'va', uid: 'va', isBeingDeleted: false }] }),
  deleteAttachment: nothing,
  evictPod: (_, random) =>
    random.happens(0.6)
      ? { output: null }
      : random.happens(0.4)
        ? { error: 'Blocked', with: { budget: 'front' } }
        : { error: random.pick(['Blocked', 'Gone', 'Refused']) },
  deletePod: nothing,
  deleteNode: nothing,
  forgetNode: nothing,
  cordon: nothing,
  uncordon: nothing,
  followGuard: (_, random) => ({ reports: guards(random).map((guard) => ({ type: 'controller.GuardSet', guard })) }),
  record: nothing,
  look: (_, random) => ({ output: { pods: random.below(4), zone: random.pick(['a', 'b']) } }),
  readForPatch: ({ name }, random) => ({ output: foundBy(name, random) }),
  patchNode: () => ({ output: {} }),
  patchCapacity: () => ({ output: {} }),
  awaitStatus: () => ({ reports: [] }),
  readStatus: (_, random) => ({ output: { reached: random.happens(0.5), seen: 'it is not ready' } }),
  readPod: ({ namespace, name }, random) => ({
    output: random.happens(0.8) ? { namespace, name, uid: `uid-of-${name}`, node: nodeName(random) } : null,
  }),
  createEvent: () => ({ output: {} }),
  readObject: (_, random) => ({ output: random.happens(0.8) ? { uid: 'u1', resourceVersion: '1', patchedBy: '' } : {} }),
  patchObject: () => ({ output: { resourceVersion: '2' } }),
  createObject: (_, random) => ({ output: random.happens(0.5) ? { uid: 'u1', how: 'created' } : { how: 'exists' } }),
  mergeObject: () => ({ output: { uid: 'u1', how: 'patched' } }),
  deleteObject: () => ({ output: {} }),
  followRequests: (_, random) => ({ reports: nodesAsking(random) }),
  readRequest: (csr, random) => ({
    output: { request: random.happens(0.85) ? certificateRequest(csr, random) : null, policy },
  }),
  approve: (_, random) => (random.happens(0.9) ? { output: { approved: true } } : { error: 'Unavailable' }),
  requestAgain: ({ request }, random) => ({ output: { name: request.name, uid: timedId(random) } }),
  readHistory: (_, random) => ({
    output: random.pick([
      [],
      ...[deployed, deployed, deployed, deployed],
      [...deployed, revisionOf(3, 'failed')],
      [...deployed, revisionOf(3, 'pending-upgrade')],
      [...deployed, revisionOf(3, 'pending-upgrade', 0)],
    ]),
  }),
  review: (_, random) =>
    random.happens(0.1)
      ? { error: random.pick(['Unavailable', 'Refused']) }
      : { output: { digest: 'd', surprises: random.happens(0.1) ? ['Role/web/r would be created'] : [] } },
  act: (_, random) =>
    random.happens(0.3) ? { output: { revision: 3 } } : { error: random.pick(['Failed', 'Unavailable', 'Held']) },
  restore: (_, random) => (random.happens(0.6) ? { output: null } : { error: random.pick(['TimedOut', 'Refused']) }),
  readNamespace: (_, random) => ({ output: random.happens(0.8) ? { uid: 'u1' } : {} }),
  deleteNamespace: () => ({ output: {} }),
}
const script: Script = (effect, input, random) => {
  const answer = answers[effect]
  if (!answer) throw new Error(`the world knows no effect "${effect}"`)
  return answer(input, random)
}

const drainOrder = (random: Random): Order => {
  const node = nodeName(random)
  return controller('DrainNode', timedId(random), {
    nodeName: node,
    nodeUid: uidOf(node),
    drainTimeoutSeconds: 30,
    force: random.happens(0.5),
  })
}
const map = { group: '', version: 'v1', resource: 'configmaps', namespace: 'web', name: 'settings' }
/** What is ordered from outside beside drains and deletions. */
const orders: readonly [(random: Random) => Order, ...((random: Random) => Order)[]] = [
  (random) =>
    controller('PatchNode', timedId(random), { nodeName: nodeName(random), labels: { a: '1' }, capacity: { 'a/b': '1' } }),
  (random) => controller('CheckNodeDeleted', timedId(random), { nodeName: nodeName(random) }),
  (random) =>
    controller('CheckNodeStatus', timedId(random), { nodeName: nodeName(random), nodeStatus: 'READY', waitTimeoutSeconds: 5 }),
  (random) => controller('EvictPod', timedId(random), { namespace: 'web', podName: `p${random.below(5)}`, timeoutSeconds: 20 }),
  (random) =>
    controller('CreateEvent', timedId(random), {
      reportingComponent: 'test',
      objectReference: { kind: 'Node', name: nodeName(random) },
      reason: 'Tested',
      action: 'Test',
    }),
  (random) => controller('Patch', timedId(random), { object: map, patchType: 'merge', patch: {} }),
  (random) =>
    controller('Create', timedId(random), {
      group: '',
      version: 'v1',
      resource: 'configmaps',
      object: { metadata: { name: 'settings', namespace: 'web' } },
    }),
  (random) => controller('Delete', timedId(random), { object: map }),
  (random) => controller('DisconnectCluster', timedId(random), {}),
]
const chartOrder = (random: Random): Order => {
  const verb = random.pick(['ChartUpsert', 'ChartUninstall', 'ChartRollback'])
  const more = { ChartUpsert: { chartSource: { path: 'web' } }, ChartUninstall: {}, ChartRollback: { revision: 1 } }
  return controller(verb, timedId(random), { ...release(random), ...more[verb as keyof typeof more] })
}

const order = (random: Random, count: number): Order => {
  const first = [cluster('Connect'), cluster('Promote'), cluster('Promote')][count]
  if (first) return first
  const chosen = random.fraction()
  if (chosen < 0.3) return drainOrder(random)
  if (chosen < 0.42) return random.pick(orders)(random)
  if (chosen < 0.57) return controller('DeleteNode', timedId(random), { nodeName: nodeName(random) })
  if (chosen < 0.6) return controller('UncordonNode', timedId(random), { nodeName: nodeName(random), action: 'a' })
  if (chosen < 0.63) return controller('CancelAction', 'nobody', {})
  if (chosen < 0.68) return { type: 'evictor', verb: random.pick(['Plan', 'Pause', 'Resume', 'Resume']), payload: {} }
  if (chosen < 0.7) return { type: 'agent', verb: 'Resync', payload: {} }
  if (chosen < 0.75) return cluster('Hold', { policy: random.pick(['rollback', 'finish']) })
  if (chosen < 0.82) return cluster('Release')
  if (chosen < 0.92) return chartOrder(random)
  return cluster(random.pick(['Promote', 'Promote', 'Connect', 'Demote', 'EnableSecurity', 'DisableSecurity', 'Explode']))
}

type Value = { readonly security: unknown; readonly brake: unknown }

/** Every machine that we ship, over a cluster that answers by chance. */
export const shippedPlay: Play = {
  definitions: everyShipped,
  root: { address: { type: 'cluster', id: CLUSTER } },
  unhosted: ['scanner', 'tuner'],
  governor: { actor: { type: 'cluster', id: CLUSTER }, permits },
  script,
  order,
  rest: [cluster('DisableSecurity'), cluster('Release'), cluster('Disconnect')],
  isAtRest: ({ to }) => {
    const { security, brake } = to as Value
    return phaseOf(to) === 'disconnected' && security === 'off' && brake === 'released'
  },
  expected: ['effect failed for good and is parked'],
}
