import fc from 'fast-check'
import { nkeys } from 'nats'
import { expect, test } from 'vitest'
import { guardAccount, OBJECTS_ACCOUNT } from '../../../src/actors/controller/guard-account.ts'
import { signedText } from '../../../src/actors/controller/signature.ts'
import { type Budget, Guard } from '../../../src/events/guard.ts'
import { type Verb, verbs } from '../../../src/events/verbs.ts'
import { born, done, failed, given } from '../../../src/runtime/testing/given.ts'
import { shipped } from '../../shipped.ts'

type Event = { readonly type: string; readonly [field: string]: unknown }
const AT = 1_700_000_000_000

/** A controller under a guard. */
const under = (guard: object, ...events: readonly Event[]) =>
  given(
    shipped('controller'),
    born({ cluster: 'demo', paused: false }, AT),
    { type: 'controller.GuardSet', guard: Guard.parse(guard), at: AT },
    ...events,
  )
const order = (verb: Verb, fields: object, at = AT): Event => ({
  type: `controller.${verb}`,
  ...(verbs[verb].order.parse({ id: 'a1', ...fields }) as object),
  at,
})
const drain = (node: string, at = AT): Event => order('DrainNode', { id: `drain-${node}`, nodeName: node }, at)
const deletion = (node: string, at = AT): Event => order('DeleteNode', { id: `delete-${node}`, nodeName: node }, at)
const map = { group: '', version: 'v1', resource: 'configmaps', namespace: 'web', name: 'settings' }
const patch = (object: object) => order('Patch', { object, patchType: 'merge', patch: { data: { a: '1' } } })

const refused = (reason: RegExp) => ({ emitted: [{ type: 'controller.ActionRefused', reason: expect.stringMatching(reason) }] })
/** Without what is written beside nodes and pods. */
const decidedBy = (story: ReturnType<typeof under>, event: Event) => {
  const { decided } = story.when(event)
  return decided === 'refused' ? decided : { ...decided, effects: decided.effects.filter(([name]) => name !== 'record') }
}
const accepted = { type: 'controller.ActionAccepted' }

test.each<[string, object, Event, RegExp]>([
  ['a verb that is not listed', { verbs: ['EvictPod'] }, drain('n1'), /^guard rule "verbs": DrainNode is not among EvictPod$/],
  ['force by default', {}, order('DrainNode', { nodeName: 'n1', force: true }), /^guard rule "force": no drain may/],
  ['a generic verb by default', {}, patch(map), /^guard rule "verbs": Patch is not among /],
  ['the end of everything by default', {}, order('DisconnectCluster', {}), /^guard rule "verbs": DisconnectCluster/],
  [
    'a namespace that is not listed',
    { namespaces: ['web'] },
    order('EvictPod', { namespace: 'kube-system', podName: 'dns' }),
    /^guard rule "namespaces": kube-system is not among web$/,
  ],
  [
    'an object of no rule',
    { verbs: ['Patch'] },
    patch(map),
    /^guard rule "objects": none allows Patch of configmaps\/web\/settings$/,
  ],
  ['an order that nobody signed', { signatures: { keys: {} } }, drain('n1'), /^guard rule "signatures": it is not signed$/],
  [
    'a budget of nothing',
    { budgets: [{ name: 'none', counts: 'nodes', most: 0 }] },
    drain('n1'),
    /^guard budget "none": 0 nodes at once, and 0 are counted$/,
  ],
])('guard: refuses %s, and says which rule', (_, guard, event, reason) => {
  expect(decidedBy(under(guard), event)).toMatchObject({ effects: [], ...refused(reason) })
})

test('guard: before it is read nothing is admitted but what gives something back', () => {
  const unread = given(shipped('controller'), born({ cluster: 'demo', paused: false }, AT))
  expect(decidedBy(unread, drain('n1'))).toMatchObject({ effects: [], emitted: [] })
  expect(decidedBy(unread, order('UncordonNode', { nodeName: 'n1', action: 'a0' }))).toMatchObject({ emitted: [accepted] })
})

test('guard: what was ordered before it was read is judged when it is, each on what the one before left', () => {
  const pod = order('EvictPod', { id: 'evict-a', namespace: 'web', podName: 'a' })
  const early = [drain('n1', AT + 2), drain('n2', AT + 1), drain('n3'), pod, { type: 'controller.CancelAction', id: 'drain-n3' }]
  const story = given(shipped('controller'), born({ cluster: 'demo', paused: false }, AT), ...early)
  expect(decidedBy(story, deletion('n1'))).toMatchObject(refused(/^action drain-n1 \(DrainNode\) is at work on this node$/))
  const budgets = [{ name: 'few', counts: 'nodes', most: 1, verbs: ['DrainNode'] }]
  const { emitted } = decidedBy(story, { type: 'controller.GuardSet', guard: Guard.parse({ budgets }), at: AT + 3 }) as {
    readonly emitted: readonly object[]
  }
  expect(emitted).toMatchObject([
    { type: 'controller.GuardSet' },
    { ...accepted, action: 'evict-a' },
    { ...accepted, action: 'drain-n2' },
    { type: 'controller.ActionRefused', action: 'drain-n1', reason: expect.stringMatching(/^guard budget "few"/) },
  ])
})

test('guard: before it is read so many orders wait, and more are refused', () => {
  const many = Array.from({ length: 200 }, (_, index) => drain(`m${index}`))
  const unread = given(shipped('controller'), born({ cluster: 'demo', paused: false }, AT), ...many)
  expect(decidedBy(unread, drain('n1'))).toMatchObject(refused(/^the guard is not read yet/))
})

test('guard: what gives something back is held up by no rule, budget, signature or approval', () => {
  const strict = {
    verbs: [],
    budgets: [{ name: 'none', counts: 'actions', most: 0, verbs: ['UncordonNode'] }],
    signatures: { keys: {} },
    approval: { verbs: ['UncordonNode'] },
  }
  expect(decidedBy(under(strict), order('UncordonNode', { nodeName: 'n1', action: 'a0' }))).toMatchObject({ emitted: [accepted] })
})

test.each<[object, boolean]>([
  [{ verbs: ['Patch'], group: '', resource: 'configmaps', namespaces: ['web'] }, true],
  [{ verbs: ['Patch'], group: '', resource: 'configmaps', namespaces: ['*'] }, true],
  [{ verbs: ['Patch'], group: '', resource: 'configmaps', namespaces: ['web'], names: ['settings'] }, true],
  [{ verbs: ['Patch'], group: '', resource: 'configmaps', namespaces: ['web'], names: ['other'] }, false],
  [{ verbs: ['Delete'], group: '', resource: 'configmaps', namespaces: ['web'] }, false],
  [{ verbs: ['Patch'], group: 'apps', resource: 'configmaps', namespaces: ['web'] }, false],
  [{ verbs: ['Patch'], group: '', resource: 'pods', namespaces: ['web'] }, false],
  [{ verbs: ['Patch'], group: '', resource: 'configmaps', namespaces: ['shop'] }, false],
  // Without namespaces a rule means objects that have none.
  [{ verbs: ['Patch'], group: '', resource: 'configmaps' }, false],
])('guard: an object rule means what it says: %j', (rule, isAllowed) => {
  const decided = decidedBy(under({ verbs: ['Patch'], objects: [rule] }), patch(map))
  expect(decided).toMatchObject({ emitted: [{ type: isAllowed ? 'controller.ActionAccepted' : 'controller.ActionRefused' }] })
})

test('guard: Secrets can be listed nowhere', () => {
  expect(Guard.safeParse({ objects: [{ verbs: ['Patch'], group: '', resource: 'secrets', namespaces: ['web'] }] }).success).toBe(
    false,
  )
})

test('guard: a node that is drained and then deleted counts once, another one is too many, and after the time there is room', () => {
  const guard = { budgets: [{ name: 'nodes per hour', counts: 'nodes', most: 1, withinSeconds: 3_600 }] }
  const drained = under(guard, drain('n1'), { ...done('drain-n1', { outcome: 'done' }), at: AT + 1_000 })
  expect(decidedBy(drained, deletion('n1', AT + 2_000))).toMatchObject({ emitted: [accepted] })
  const late = (at: number) => decidedBy(drained, drain('n2', at))
  expect(late(AT + 3_599_000)).toMatchObject(refused(/^guard budget "nodes per hour": 1 nodes within 3600 s, and 1 are counted$/))
  expect(late(AT + 3_600_000)).toMatchObject({ emitted: [accepted] })
})

test('guard: a budget per zone looks at the node first, and what it can not see it refuses', () => {
  const guard = { budgets: [{ name: 'a zone', counts: 'nodes', most: 1, per: 'zone' }] }
  const looking = under(guard, drain('n1'))
  expect(decidedBy(under(guard), drain('n1'))).toMatchObject({ effects: [['look', { node: 'n1' }]], emitted: [] })
  const seen = done('?drain-n1', { pods: 3, zone: 'a' })
  expect(decidedBy(looking, seen)).toMatchObject({ effects: [['spawn drain-node/drain-n1', {}]], emitted: [accepted] })
  const other = under(guard, drain('n1'), seen, drain('n2'))
  expect(decidedBy(other, done('?drain-n2', { pods: 1, zone: 'a' }))).toMatchObject(refused(/in zone a, and 1 are counted$/))
  expect(decidedBy(other, done('?drain-n2', { pods: 1, zone: 'b' }))).toMatchObject({ emitted: [accepted] })
  expect(decidedBy(looking, failed('?drain-n1', 'Unavailable', 'no answer'))).toMatchObject(
    refused(/could not be looked at: no answer$/),
  )
})

test('guard: an id that looks like a look is refused', () => {
  expect(decidedBy(under({}), { ...drain('n1'), id: '?drain-n2' })).toMatchObject(refused(/^an id begins with/))
})

test('guard: pods are counted by node and one by one', () => {
  const guard = { budgets: [{ name: 'pods', counts: 'pods', most: 4, withinSeconds: 60 }] }
  const drained = under(guard, drain('n1'), done('?drain-n1', { pods: 3 }, AT))
  const evict = (name: string) => order('EvictPod', { id: name, namespace: 'web', podName: name })
  expect(decidedBy(drained, evict('p1'))).toMatchObject({ emitted: [accepted] })
  const full = under(guard, drain('n1'), done('?drain-n1', { pods: 3 }, AT), evict('p1'))
  expect(decidedBy(full, evict('p2'))).toMatchObject(refused(/4 pods within 60 s, and 4 are counted$/))
})

test('guard: whatever is ordered, a budget is never exceeded', () => {
  const budgets = fc.record(
    {
      name: fc.constant('b'),
      counts: fc.constantFrom('nodes', 'actions'),
      most: fc.nat({ max: 3 }),
      per: fc.constantFrom('cluster', 'zone'),
      withinSeconds: fc.constantFrom(10, 60),
    },
    { requiredKeys: ['name', 'counts', 'most', 'per'] },
  ) as fc.Arbitrary<Budget>
  const orders = fc.array(fc.record({ node: fc.nat({ max: 6 }), after: fc.nat({ max: 30_000 }), ends: fc.boolean() }), {
    maxLength: 25,
  })
  const zoneOf = (node: number): string => `zone-${node % 2}`
  fc.assert(
    fc.property(budgets, orders, (budget, list) => {
      const events: Event[] = []
      const begun: { readonly node: number; readonly at: number; ended: boolean }[] = []
      let at = AT
      list.forEach(({ node, after, ends }, index) => {
        at += after
        const id = `o${index}`
        const asked = { ...drain(`n${node}`, at), id }
        const seen = { ...done(`?${id}`, { pods: 1, zone: zoneOf(node) }), at }
        let decided = decidedBy(under({ budgets: [budget] }, ...events), asked)
        events.push(asked)
        if (decided !== 'refused' && decided.effects.some(([name]) => name === 'look')) {
          decided = decidedBy(under({ budgets: [budget] }, ...events), seen)
          events.push(seen)
        }
        if (decided === 'refused' || !decided.emitted.some((fact) => (fact as Event).type === accepted.type)) return
        begun.push({ node, at, ended: ends })
        if (ends) events.push({ ...done(id, { outcome: 'done' }), at })
        const { withinSeconds, per, counts, most } = budget
        const counted = begun.filter((each) =>
          withinSeconds === undefined ? !each.ended || each === begun.at(-1) : at - each.at < withinSeconds * 1_000,
        )
        const alike = counted.filter((each) => per === 'cluster' || zoneOf(each.node) === zoneOf(node))
        const sum = counts === 'nodes' ? new Set(alike.map((each) => each.node)).size : alike.length
        expect(sum).toBeLessThanOrEqual(most)
      })
    }),
    { numRuns: 60 },
  )
})

const approval = { approval: { verbs: ['DeleteNode'], expirySeconds: 60 } }
const waiting = (...events: readonly Event[]) => under(approval, deletion('n1'), ...events)
const approve: Event = { type: 'controller.Approve', id: 'delete-n1', at: AT + 1_000 }
const expiry: Event = { type: 'controller.ApprovalExpired', id: 'delete-n1', at: AT + 60_000 }

test('approval: an order waits for it until it expires; approved, it begins', () => {
  expect(decidedBy(under(approval), deletion('n1'))).toMatchObject({
    emitted: [{ type: 'controller.ActionWaiting', action: 'delete-n1', node: 'n1', until: AT + 60_000 }],
    effects: [],
    timers: [AT + 60_000],
  })
  expect(decidedBy(waiting(), approve)).toMatchObject({
    emitted: [{ type: 'controller.ActionApproved' }, accepted],
    effects: [['spawn delete-node/delete-n1', { order: { nodeName: 'n1' } }]],
  })
  expect(decidedBy(waiting(), expiry)).toMatchObject(refused(/^nobody approved it in time$/))
  expect(decidedBy(waiting(approve), expiry)).toBe('refused')
  expect(decidedBy(waiting(approve), { ...approve, id: 'nobody' })).toBe('refused')
})

test('approval: the node is kept for it, the brake and a cancellation end the waiting', () => {
  expect(decidedBy(waiting(), drain('n1'))).toMatchObject(refused(/^action delete-n1 \(DeleteNode\) is at work on this node$/))
  const pause = { type: 'controller.Pause', policy: 'finish' }
  expect(decidedBy(waiting(), pause)).toMatchObject(refused(/^the brake is on$/))
  expect(decidedBy(waiting(), { type: 'controller.CancelAction', id: 'delete-n1' })).toMatchObject(
    refused(/^cancelled before it began$/),
  )
  expect(decidedBy(waiting(), { type: 'controller.Retire', policy: 'rollback' })).toMatchObject({
    to: { retiring: 'lingering' },
    ...refused(/^the cluster leaves/),
  })
})

const pair = nkeys.createUser()
const signatures = { keys: { ada: pair.getPublicKey() } }
const signed = (verb: Verb | 'Approve', event: Event, cluster = 'demo'): Event => {
  const { type: _, at: __, ...payload } = event
  const value = Buffer.from(pair.sign(new TextEncoder().encode(signedText(cluster, verb, payload)))).toString('base64url')
  return { ...event, signature: { key: 'ada', value } }
}

test('signatures: an order is believed as it was signed, for this cluster and this verb, by a key that is trusted', () => {
  const good = signed('DrainNode', drain('n1'))
  expect(decidedBy(under({ signatures }), good)).toMatchObject({
    emitted: [accepted],
    // The action is not told who stood for it: under the same id the same order is the same.
    effects: [['spawn drain-node/drain-n1', { order: { id: 'drain-n1' } }]],
  })
  const forged: readonly (readonly [Event, RegExp])[] = [
    [{ ...good, nodeName: 'n2' }, /does not fit the order$/],
    [{ ...good, force: true }, /does not fit the order$/],
    [{ ...good, id: 'another' }, /does not fit the order$/],
    [signed('DrainNode', drain('n1'), 'production'), /does not fit the order$/],
    [signed('DeleteNode', drain('n1')), /does not fit the order$/],
    [{ ...good, signature: { key: 'eve', value: 'AAAA' } }, /the key "eve" is not trusted$/],
    [{ ...good, signature: { key: 'constructor', value: 'AAAA' } }, /the key "constructor" is not trusted$/],
    [{ ...good, signature: { key: 'ada', value: '' } }, /does not fit the order$/],
  ]
  for (const [event, reason] of forged) expect(decidedBy(under({ signatures }), event)).toMatchObject(refused(reason))
})

test('signatures: what another actor of ours orders needs none; nobody outside can say that it is one', () => {
  expect(decidedBy(under({ signatures }), { ...drain('n1'), requester: 'evictor/demo' })).toMatchObject({ emitted: [accepted] })
  expect(shipped('controller').events['controller.DrainNode']?.inside).toEqual(['requester'])
})

test('signatures: an approval that nobody stands for leaves the order waiting', () => {
  const guard = { ...approval, signatures: { ...signatures, verbs: ['Approve'] } }
  const story = under(guard, deletion('n1'))
  expect(decidedBy(story, approve)).toMatchObject({ emitted: [{ type: 'controller.ApprovalRefused' }], effects: [] })
  expect(decidedBy(story, signed('Approve', approve))).toMatchObject({
    emitted: [{ type: 'controller.ActionApproved' }, accepted],
  })
})

type Made = {
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace?: string }
  readonly rules?: any
}
const account = (objects: readonly object[]) =>
  guardAccount(Guard.parse({ objects }), { namespace: 'quartermaster', serviceAccount: 'controller' }) as readonly Made[]

test('the account of a guard: none of an empty list; of others exactly the rights that are listed', () => {
  expect(account([])).toEqual([])
  const made = account([
    { verbs: ['Patch', 'Create'], group: 'apps', resource: 'deployments', namespaces: ['web', 'shop'], names: ['front'] },
    { verbs: ['Delete'], group: '', resource: 'persistentvolumes' },
  ])
  expect(made.map(({ kind, metadata: { name, namespace = '' } }) => `${kind} ${namespace}/${name}`)).toEqual([
    `ServiceAccount quartermaster/${OBJECTS_ACCOUNT}`,
    `Role quartermaster/${OBJECTS_ACCOUNT}-tokens`,
    `RoleBinding quartermaster/${OBJECTS_ACCOUNT}-tokens`,
    `ClusterRole /${OBJECTS_ACCOUNT}`,
    `ClusterRoleBinding /${OBJECTS_ACCOUNT}`,
    `Role shop/${OBJECTS_ACCOUNT}`,
    `RoleBinding shop/${OBJECTS_ACCOUNT}`,
    `Role web/${OBJECTS_ACCOUNT}`,
    `RoleBinding web/${OBJECTS_ACCOUNT}`,
  ])
  expect(made.find(({ kind }) => kind === 'ClusterRole')?.rules).toEqual([
    { apiGroups: [''], resources: ['persistentvolumes'], verbs: ['delete', 'get'] },
  ])
  expect(made.find(({ metadata }) => metadata.namespace === 'web')?.rules).toEqual([
    { apiGroups: ['apps'], resources: ['deployments'], verbs: ['get', 'patch'], resourceNames: ['front'] },
    { apiGroups: ['apps'], resources: ['deployments'], verbs: ['create'] },
  ])
})
