import { expect, test } from 'vitest'
import { z } from 'zod'
import { restApi } from '../../../src/adapters/cloud-groups/rest.ts'
import { Gone, Refused, Unavailable } from '../../../src/ports.ts'
import { json, scriptedApi } from '../kubernetes/scripted-api.ts'
import { type Aws, openAws } from './aws.ts'
import { type Azure, openAzure } from './azure.ts'
import { type Gcp, openGcp } from './gcp.ts'
import { node, world } from './world.ts'

const signal = new AbortController().signal
const soon = async (asked: readonly string[], more = 3): Promise<void> => {
  const before = asked.length
  await expect.poll(() => asked.length).toBeGreaterThan(before + more)
}

test.each<[string, Aws, RegExp]>([
  [
    'is protected from scale-in',
    { protectedFromScaleIn: true },
    /i-0123456789abcdef0 .*eks-workers-1 is protected from scale-in/,
  ],
  ['is in standby', { lifecycle: 'Standby' }, /is Standby, not InService/],
  [
    'is of a group whose Terminate is suspended',
    { suspended: ['AZRebalance', 'Terminate'] },
    /Terminate of Auto Scaling group eks-workers-1 is suspended/,
  ],
  ['weighs more than the group may lose', { weight: 3 }, /has the desired capacity 3 and may not have less than 1/],
])('aws-auto-scaling: refused is an instance that %s', async (_, aws, reason) => {
  const its = world()
  await using api = await openAws(its, aws)
  for (const ask of [() => api.remover.claim(node), () => api.remover.shrink({ owner: api.owner, node, action: 'a' })]) {
    const refused = ask()
    await expect(refused).rejects.toBeInstanceOf(Refused)
    await expect(refused).rejects.toThrow(reason)
  }
  expect(its.changes).toBe(0)
})

test.each(['lifecycle', 'activity'] as const)(
  'aws-auto-scaling: an end whose %s is told late is not asked for again',
  async (late) => {
    const its = world({ machine: 'going' })
    await using api = await openAws(its, { late })
    await api.remover.shrink({ owner: api.owner, node, action: 'a' })
    expect(its.changes).toBe(0)
  },
)

test('aws-auto-scaling: an instance that somebody has detached is not proven to be gone', async () => {
  await using api = await openAws(world({ machine: 'gone' }), { isDetached: true })
  const proof = api.remover.awaitRemoved({ owner: api.owner, node, action: 'a' }, signal)
  await soon(api.asked)
  expect(await Promise.race([proof, Promise.resolve('not proven')])).toBe('not proven')
  proof.catch(() => {}) // it ends with the server
})

test.each(['aws:///us-east-1a/i-0123456789abcdef0', 'gce://p/z/n', 'aws:///eu-central-1a/fargate-10.0.0.1', ''])(
  'aws-auto-scaling: a machine %o is none of its region, and nobody is asked',
  async (providerID) => {
    await using api = await openAws(world(), {}, providerID)
    expect(await api.remover.claim(node)).toBeUndefined()
    expect(api.asked).toEqual([])
  },
)

test('aws-auto-scaling: an instance in no group is left to others', async () => {
  await using api = await openAws(world({ machine: 'gone' }))
  expect(await api.remover.claim(node)).toBeUndefined()
})

test.each<[string, Gcp, RegExp]>([
  ['that is being abandoned', { currentAction: 'ABANDONING' }, /abandons instance/],
  [
    'whose node pool is at the minimum of its zone',
    { nodePool: { minNodeCount: 3 } },
    /nodePools\/workers may not have less than 3 in a zone/,
  ],
  [
    'whose node pool is at its minimum in all zones',
    { nodePool: { totalMinNodeCount: 4 } },
    /workers has 4 nodes and may not have fewer than 4/,
  ],
])('gcp-instance-group: refused is an instance %s', async (_, gcp, reason) => {
  const its = world()
  await using api = await openGcp(its, gcp)
  for (const ask of [() => api.remover.claim(node), () => api.remover.shrink({ owner: api.owner, node, action: 'a' })]) {
    const refused = ask()
    await expect(refused).rejects.toBeInstanceOf(Refused)
    await expect(refused).rejects.toThrow(reason)
  }
  expect(its.changes).toBe(0)
})

test('gcp-instance-group: a regional group, an autoscaler that is off, a node pool with room', async () => {
  const its = world()
  const regional = { group: 'regions/europe-west3/instanceGroupManagers/grp', autoscaler: { mode: 'OFF', minNumReplicas: 3 } }
  await using api = await openGcp(its, { ...regional, nodePool: { minNodeCount: 1, totalMinNodeCount: 3 } })
  expect(await api.remover.claim(node)).toEqual(api.owner)
  await api.remover.shrink({ owner: api.owner, node, action: 'a' })
  expect(its).toMatchObject({ size: 2, changes: 1 })
})

test('gcp-instance-group: a deletion that the group tells late may be asked for again, and makes nothing smaller', async () => {
  const its = world({ machine: 'going' })
  await using api = await openGcp(its, { isLate: true })
  await api.remover.shrink({ owner: api.owner, node, action: 'a' })
  expect(its).toMatchObject({ size: 3, changes: 1 })
})

test('gcp-instance-group: an instance that was made anew under the name is another one', async () => {
  const its = world()
  await using api = await openGcp(its, { id: '99' })
  await expect(api.remover.shrink({ owner: api.owner, node, action: 'a' })).rejects.toBeInstanceOf(Gone)
  expect(await api.remover.awaitRemoved({ owner: api.owner, node, action: 'a' }, signal)).toMatch(
    /absence of instance 4567890123456789/,
  )
  expect(its.changes).toBe(0)
})

test('gcp-instance-group: what the metadata say and the group does not is not believed; a node of another project is not looked at', async () => {
  await using stranger = await openGcp(world(), { isMember: false })
  expect(await stranger.remover.claim(node)).toBeUndefined()
  await using other = await openGcp(world(), {}, 'gce://other/europe-west3-a/n')
  expect(await other.remover.claim(node)).toBeUndefined()
  expect(other.asked).toEqual([])
})

test('gcp-instance-group: the metadata of an instance, which hold credentials, are in no reason', async () => {
  await using api = await openGcp(world(), { id: 'no number' })
  const refused = api.remover.claim(node)
  await expect(refused).rejects.toBeInstanceOf(Unavailable)
  await expect(refused).rejects.not.toThrow(/secret/)
})

test.each<[string, Azure, RegExp]>([
  ['whose pool deallocates', { scaleDownMode: 'Deallocate' }, /workers deallocates its machines/],
  [
    'of another cluster',
    { vm: '/subscriptions/0/resourceGroups/x/virtualMachines/1' },
    /machine n1 of .* is not the one of node n1/,
  ],
])('aks-agent-pool: refused is a machine %s', async (_, azure, reason) => {
  await using api = await openAzure(world(), azure)
  const refused = api.remover.claim(node)
  await expect(refused).rejects.toBeInstanceOf(Refused)
  await expect(refused).rejects.toThrow(reason)
})

test('aks-agent-pool: the last machine of a system pool stays, that of a user pool without autoscaler goes', async () => {
  await using system = await openAzure(world({ size: 1 }), { mode: 'System', enableAutoScaling: false })
  await expect(system.remover.claim(node)).rejects.toThrow(/has 1 machines and may not have fewer than 1/)
  const its = world({ size: 1 })
  await using user = await openAzure(its, { enableAutoScaling: false })
  await user.remover.shrink({ owner: user.owner, node, action: 'a' })
  expect(its.size).toBe(0)
})

test('aks-agent-pool: while AKS works on the pool nothing is asked of it, and of many that wait one looks', async () => {
  const its = world()
  await using api = await openAzure(its, { provisioningState: 'Upgrading' }, undefined, 60_000)
  for (let waiting = 0; waiting < 10; waiting++)
    await expect(api.remover.shrink({ owner: api.owner, node, action: `a${waiting}` })).rejects.toThrow(/workers is Upgrading/)
  expect(its.changes).toBe(0)
  expect(api.asked).toHaveLength(2)
})

test.each([404, 502])('rest: a %i of whoever is on the way to the cloud proves nothing', async (code) => {
  await using api = await scriptedApi((_, response) => json(response, code, '<html>not here</html>'))
  const rest = restApi({ cloud: 'Azure', base: api.server, token: async () => 'token' })
  await expect(rest('GET', '/', z.unknown())).rejects.toBeInstanceOf(Unavailable)
})

test('rest: a cloud that wants to be asked later says when, and what it says stays on one line', async () => {
  const message = `slower\u0000\n${'x'.repeat(1_000)}`
  await using api = await scriptedApi((_, response) =>
    json(response, 429, { error: { code: 'TooManyRequests', message } }, { 'retry-after': '7' }),
  )
  const rest = restApi({ cloud: 'Azure', base: api.server, token: async () => 'token' })
  const error = await rest('GET', '/', z.unknown()).catch((reason: unknown) => reason)
  expect(error).toMatchObject({ name: 'Unavailable', retryAfterMs: 7_000 })
  expect((error as Error).message).toMatch(/^Azure answers GET \/ with 429: slower {2}x{200,300}$/)
})

test('aks-agent-pool: a node without the label, or with one that is no pool, is left to others', async () => {
  await using api = await openAzure(world(), {}, 'aws:///z/i-0123456789abcdef0')
  expect(await api.remover.claim(node)).toBeUndefined()
  expect(api.asked).toEqual([])
})

const DELETE = 'Microsoft.ContainerService/managedClusters/agentPools/deleteMachines/action'
const role = (actions: readonly string[], notActions: readonly string[] = []) => ({ actions, notActions })
test.each<[string, boolean, Azure['permissions']]>([
  ['it does not say', true, undefined],
  ['the very action', true, { value: [role(['Microsoft.Authorization/*/read']), role([DELETE.toUpperCase()])] }],
  ['a pattern', true, { value: [role(['Microsoft.ContainerService/managedClusters/*'])] }],
  ['perhaps on another page', true, { value: [], nextLink: 'https://more' }],
  ['none', false, { value: [] }],
  ['others', false, { value: [role(['*/read', `${DELETE}/more`])] }],
  ['all but this one', false, { value: [role(['*'], ['Microsoft.ContainerService/managedClusters/agentPools/*/action'])] }],
])(
  'aks-agent-pool: whether we may delete machines is asked before anything is drained: %s',
  async (_, isAllowed, permissions) => {
    const its = world()
    await using api = await openAzure(its, { ...(permissions && { permissions }) })
    if (isAllowed) expect(await api.remover.claim(node)).toEqual(api.owner)
    else
      await expect(api.remover.claim(node)).rejects.toThrow(
        /^we have no permission .*deleteMachines\/action on .*\/shop: grant it/,
      )
    expect(its.changes).toBe(0)
  },
)

test('gcp-instance-group: whether we may make the group smaller is asked before anything is drained', async () => {
  await using none = await openGcp(world(), { permissions: [] })
  const refused = none.remover.claim(node)
  await expect(refused).rejects.toBeInstanceOf(Refused)
  await expect(refused).rejects.toThrow(/^we have no permission compute.instanceGroupManagers.update on project shop-1: grant it/)
  await using some = await openGcp(world(), { permissions: ['compute.instanceGroupManagers.update'] })
  expect(await some.remover.claim(node)).toEqual(some.owner)
  // It does not say.
  await using silent = await openGcp(world())
  expect(await silent.remover.claim(node)).toEqual(silent.owner)
})
