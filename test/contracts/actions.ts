import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { NODE_ID_LABELS } from '../../src/actors/controller/node-identity.ts'
import { fixedAccess } from '../../src/adapters/kubernetes/access.ts'
import { kubernetesClient } from '../../src/adapters/kubernetes/client.ts'
import { kubernetesEvictions } from '../../src/adapters/kubernetes/evictions.ts'
import { nodeWaits } from '../../src/adapters/kubernetes/node-waits.ts'
import { kubernetesObjects } from '../../src/adapters/kubernetes/objects.ts'
import { kubernetesReads } from '../../src/adapters/kubernetes/reflector.ts'
import { kubernetesWrites } from '../../src/adapters/kubernetes/writes.ts'
import { definitions, type Ports } from '../../src/commands/up/definitions.ts'
import { Guard } from '../../src/events/guard.ts'
import { type Verb, verbNames } from '../../src/events/verbs.ts'
import { systemChance } from '../../src/runtime/chance.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { type Host, startHost } from '../../src/runtime/host.ts'
import { unrestricted } from '../../src/runtime/licence.ts'
import { memoryInbox } from '../../src/runtime/testing/memory-inbox.ts'
import { memoryJournal } from '../../src/runtime/testing/memory-journal.ts'
import { freeLeases } from '../../src/runtime/testing/memory-leases.ts'
import { createTimers } from '../../src/runtime/timers.ts'
import { until } from '../kubernetes-client.ts'
import {
  addNode,
  type Bed,
  budget,
  type ClusterUnderTest as Contracted,
  configMap,
  created,
  deployment,
  openBed,
} from './kubernetes-api/bed.ts'

type ClusterUnderTest = Pick<Contracted, 'url' | 'token' | 'ca' | 'stop'>
type Fact = { readonly type: string; readonly action?: string; readonly [field: string]: any }

const ENDS = ['controller.ActionDone', 'controller.ActionFailed', 'controller.ActionRefused', 'controller.ActionRepeated']
const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

/** The controller and its actions over a cluster, with a journal in memory. */
const openController = async ({ url, token, ca }: ClusterUnderTest, objects: Guard['objects']) => {
  const client = kubernetesClient(fixedAccess({ server: url, token, ...(ca !== undefined && { ca }) }))
  const [journal, inbox] = [memoryJournal(), memoryInbox()]
  const ports = {
    kubernetes: kubernetesWrites(client),
    // Nobody tells it of anything: it looks by itself.
    evictions: kubernetesEvictions(client, kubernetesWrites(client), { follow: () => () => {} }),
    own: kubernetesObjects(client),
    granted: kubernetesObjects(client),
    waits: nodeWaits(kubernetesReads(client)),
    nodeIdLabels: NODE_ID_LABELS,
    guard: Guard.parse({ verbs: verbNames, objects }),
  } as unknown as Ports
  const start = async (): Promise<Host> => {
    const host = startHost({
      ground: {
        process: systemChance.unique().slice(0, 8),
        journal,
        inbox,
        clock: systemClock,
        chance: systemChance,
        timers: createTimers(systemClock),
        licence: unrestricted,
        log: silent,
      },
      leases: freeLeases,
      definitions: definitions(ports).filter(({ type, oneShot }) => type === 'controller' || oneShot),
      root: { address: { type: 'controller', id: 'demo' }, input: { cluster: 'demo', paused: false } },
    })
    await host.ready
    return host
  }
  const facts = (action: string): readonly Fact[] =>
    journal.entries
      .flatMap(({ record }) => ('em' in record ? record.em.map(({ ev }) => ev as Fact) : []))
      .filter((fact) => fact.action === action)
  await start()
  await until('the guard is read', async () =>
    journal.of({ type: 'controller', id: 'demo' }).some(({ ev }) => ev.type === 'controller.GuardSet'),
  )
  let sent = 0
  return {
    facts,
    /** Gives an order and waits for the end of its action. */
    order: async (verb: Verb, fields: object, id = `a${++sent}`): Promise<Fact> => {
      const before = facts(id).filter(({ type }) => ENDS.includes(type)).length
      const outcome = await inbox.call('controller', verb, { id, ...fields }, `${id}/${++sent}`)
      // What the controller refuses, or knows already, is told in a fact too.
      if (!outcome.ok && facts(id).length === 0) throw new Error(`${verb}: ${outcome.detail}`)
      return await until(`${verb} ${id} ends`, async () => facts(id).filter(({ type }) => ENDS.includes(type))[before])
    },
    close: () => client.close(),
  }
}

/** What every action does, over a cluster. */
export const actionsContract = (name: string, open: () => Promise<ClusterUnderTest>): void => {
  describe(name, () => {
    let cluster: ClusterUnderTest
    let bed: Bed & { close(): Promise<void> }
    let controller: Awaited<ReturnType<typeof openController>>
    const id = () => systemChance.unique().slice(0, 8)

    beforeAll(async () => {
      cluster = await open()
      bed = await openBed(cluster as Contracted)
      const any = { group: '', namespaces: ['*'] as [string] }
      controller = await openController(cluster, [
        { verbs: ['Patch', 'Create', 'Delete'], resource: 'configmaps', ...any },
        { verbs: ['Patch'], group: 'apps', resource: 'deployments', namespaces: ['*'] },
      ])
    }, 120_000)
    afterAll(async () => {
      await controller?.close()
      await bed?.close()
      await cluster?.stop()
    }, 60_000)

    const map = (called: string) => ({ group: '', version: 'v1', resource: 'configmaps', namespace: bed.space, name: called })
    /** As a kubelet does; a real one's stand-in has done it already. */
    const makeReady = async (node: string) => {
      const condition = { type: 'Ready', status: 'True', reason: 'KubeletReady', message: 'it is ready' }
      await bed.api.patch(`/api/v1/nodes/${node}/status`, { status: { conditions: [condition] } }, 'strategic-merge-patch+json')
    }
    const read = async (path: string) => (await bed.api.get(path)).body

    test('PatchNode: sets and removes, once, and its undo gives back', async () => {
      const path = `/api/v1/nodes/${bed.node}`
      const before = await read(path)
      const { uid } = before.metadata
      const changes = {
        nodeName: bed.node,
        nodeUid: uid,
        labels: { 'example.com/tier': 'gold', '-contract': '' },
        annotations: { 'example.com/note': 'patched' },
        taints: [{ key: 'example.com/busy', value: 'yes', effect: 'PreferNoSchedule' }],
        capacity: { 'example.com/gpu': '2' },
      }
      const done = await controller.order('PatchNode', changes, `p-${id()}`)
      expect(done).toMatchObject({ type: 'controller.ActionDone', node: bed.node, alreadyGone: false })
      const after = await read(path)
      expect(after.metadata.labels).toMatchObject({ 'example.com/tier': 'gold' })
      expect(after.metadata.labels.contract).toBeUndefined()
      expect(after.spec.taints).toContainEqual({ key: 'example.com/busy', value: 'yes', effect: 'PreferNoSchedule' })
      expect(after.status.capacity['example.com/gpu']).toBe('2')
      const notes = await until('its Events are there', async () => {
        const { items } = await read('/apis/events.k8s.io/v1/namespaces/default/events')
        const ours = items.filter(({ note }: any) => note?.startsWith(`PatchNode ${done.action}`))
        return ours.length === 2 && ours
      })
      expect(notes.map(({ type, reason, action }: any) => `${type} ${reason} ${action}`).toSorted()).toEqual([
        'Normal ActionAccepted PatchNode',
        'Normal ActionDone PatchNode',
      ])
      const again = await controller.order('PatchNode', changes, done.action)
      expect(again).toMatchObject({ type: 'controller.ActionRepeated', outcome: 'done' })
      const other = await controller.order('PatchNode', { ...changes, unschedulable: true }, done.action)
      expect(other).toMatchObject({ type: 'controller.ActionRefused', reason: expect.stringMatching(/with another input$/) })
      await controller.order('PatchNode', { nodeName: bed.node, nodeUid: uid, ...done.result.undo })
      const undone = await read(path)
      expect(undone.metadata.labels).toEqual(before.metadata.labels)
      expect(undone.spec.taints ?? []).toEqual(before.spec.taints ?? [])
    })

    test('node identity: another node of that name is already gone, and is not touched', async () => {
      const { metadata } = await read(`/api/v1/nodes/${bed.node}`)
      for (const identity of [{ nodeUid: 'another' }, { nodeId: 'another' }, { providerId: 'aws:///another' }]) {
        const gone = await controller.order('PatchNode', { nodeName: bed.node, ...identity, labels: { touched: 'yes' } })
        expect(gone).toMatchObject({ type: 'controller.ActionDone', alreadyGone: true })
      }
      expect((await read(`/api/v1/nodes/${bed.node}`)).metadata.labels).toEqual(metadata.labels)
    })

    test('CheckNodeDeleted: fails while the node is there, and is done when it is not', async () => {
      expect(await controller.order('CheckNodeDeleted', { nodeName: bed.node })).toMatchObject({
        type: 'controller.ActionFailed',
        error: 'StillThere',
      })
      expect(await controller.order('CheckNodeDeleted', { nodeName: 'no-such-node' })).toMatchObject({ alreadyGone: true })
    })

    test('CheckNodeStatus: waits for a node to be ready and to be deleted, and says what is missing when it has waited enough', async () => {
      const late = `${bed.space}-late`
      const waits = [
        controller.order('CheckNodeStatus', { nodeName: late, nodeStatus: 'READY', waitTimeoutSeconds: 60 }),
        controller.order('CheckNodeStatus', { nodeName: bed.node, nodeStatus: 'READY' }),
      ]
      const short = await controller.order('CheckNodeStatus', { nodeName: late, nodeStatus: 'READY', waitTimeoutSeconds: 1 })
      expect(short).toMatchObject({ error: 'Expired', reason: expect.stringMatching(/there is no node of that name$/) })
      await addNode(bed.api, late)
      for (const node of [late, bed.node]) await makeReady(node)
      for (const done of await Promise.all(waits)) expect(done).toMatchObject({ type: 'controller.ActionDone' })
      const deleted = controller.order('CheckNodeStatus', { nodeName: late, nodeStatus: 'DELETED' })
      await bed.api.delete(`/api/v1/nodes/${late}`)
      expect(await deleted).toMatchObject({ type: 'controller.ActionDone', result: { nodeStatus: 'DELETED' } })
    })

    test('EvictPod: evicts and waits by UID; a budget that is used up ends it in time; what is gone is gone', async () => {
      await created(bed.api, bed.paths.deployments, deployment('evicted', 2))
      const [pod] = await bed.readyPods('evicted', 2)
      const target = { namespace: bed.space, podName: pod.metadata.name }
      const [one, two] = await Promise.all([
        controller.order('EvictPod', { ...target, podUid: pod.metadata.uid }),
        controller.order('EvictPod', { namespace: bed.space, podName: 'no-such-pod' }),
      ])
      expect(one).toMatchObject({ type: 'controller.ActionDone', alreadyGone: false, result: { uid: pod.metadata.uid } })
      expect(two).toMatchObject({ type: 'controller.ActionDone', alreadyGone: true })
      expect((await read(`${bed.paths.pods}/${pod.metadata.name}`)).metadata?.uid).not.toBe(pod.metadata.uid)
      await created(bed.api, bed.paths.budgets, budget('evicted', 'evicted', { minAvailable: 2 }))
      await bed.settledBudget('evicted', 0)
      const [kept] = await bed.readyPods('evicted', 2)
      const blocked = await controller.order('EvictPod', { namespace: bed.space, podName: kept.metadata.name, timeoutSeconds: 1 })
      expect(blocked).toMatchObject({ type: 'controller.ActionFailed', step: 'evicting' })
      expect(blocked['reason']).toMatch(/disruption budget/i)
    })

    test('CreateEvent: each event has its own type, reason and action, and is told once', async () => {
      const objectReference = { apiVersion: 'v1', kind: 'ConfigMap', namespace: bed.space, name: 'noted' }
      const event = { reportingComponent: 'example.com/test', objectReference, reason: 'First', action: 'Tell', message: 'one' }
      const first = await controller.order('CreateEvent', event, `e-${id()}`)
      await controller.order('CreateEvent', { ...event, eventType: 'Warning', reason: 'Second', action: 'Warn' })
      expect(await controller.order('CreateEvent', event, first.action)).toMatchObject({ type: 'controller.ActionRepeated' })
      const { items } = await read(`/apis/events.k8s.io/v1/namespaces/${bed.space}/events`)
      const told = items.filter(({ regarding }: any) => regarding.name === 'noted')
      expect(told.map(({ type, reason, action }: any) => [type, reason, action]).toSorted()).toEqual([
        ['Normal', 'First', 'Tell'],
        ['Warning', 'Second', 'Warn'],
      ])
    })

    test('Create: makes an object, changes what differs in one that exists, and leaves what does not', async () => {
      const manifest = (data: object) => ({
        group: '',
        version: 'v1',
        resource: 'configmaps',
        object: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'made', namespace: bed.space }, data },
      })
      expect(await controller.order('Create', manifest({ a: '1', b: '1' }))).toMatchObject({ result: { how: 'created' } })
      expect(await controller.order('Create', manifest({ a: '2' }))).toMatchObject({ result: { how: 'patched' } })
      expect((await read(`${bed.paths.configMaps}/made`)).data).toEqual({ a: '2', b: '1' })
      expect(await controller.order('Create', manifest({ a: '2' }))).toMatchObject({ result: { how: 'unchanged' } })
    })

    test('Patch: merge, JSON and strategic, each once under its id', async () => {
      await created(bed.api, bed.paths.configMaps, configMap('patched', { a: '1' }))
      const path = `${bed.paths.configMaps}/patched`
      expect(
        await controller.order('Patch', { object: map('patched'), patchType: 'merge', patch: { data: { b: '2' } } }),
      ).toMatchObject({ type: 'controller.ActionDone' })
      const move = { object: map('patched'), patchType: 'json', patch: [{ op: 'move', from: '/data/b', path: '/data/c' }] }
      const moved = await controller.order('Patch', move, `j-${id()}`)
      expect(moved).toMatchObject({ type: 'controller.ActionDone' })
      const after = await read(path)
      expect(after.data).toEqual({ a: '1', c: '2' })
      expect(after.metadata.annotations['quartermaster.dev/patched-by']).toBe(moved.action)
      await controller.order('Patch', move, moved.action)
      expect((await read(path)).metadata.resourceVersion).toBe(after.metadata.resourceVersion)
      // The path is not there any more: what can't be applied is refused with the server's own words.
      expect(await controller.order('Patch', move)).toMatchObject({ type: 'controller.ActionFailed', error: 'Refused' })
      expect(await controller.order('Patch', { object: map('no-such-map'), patchType: 'merge', patch: {} })).toMatchObject({
        type: 'controller.ActionFailed',
        error: 'NotFound',
      })
      await created(bed.api, bed.paths.deployments, deployment('strategic', 0))
      const container = { name: 'side', image: 'side' }
      const strategic = { spec: { template: { spec: { containers: [container] } } } }
      const object = { group: 'apps', version: 'v1', resource: 'deployments', namespace: bed.space, name: 'strategic' }
      await controller.order('Patch', { object, patchType: 'strategic', patch: strategic })
      const { containers } = (await read(`${bed.paths.deployments}/strategic`)).spec.template.spec
      expect(containers.map(({ name: called }: any) => called).toSorted()).toEqual(['main', 'side'])
    })

    test('Delete: by UID, and what is not there is a success', async () => {
      await created(bed.api, bed.paths.configMaps, configMap('deleted'))
      expect(await controller.order('Delete', { object: map('deleted') })).toMatchObject({ alreadyGone: false })
      expect((await bed.api.get(`${bed.paths.configMaps}/deleted`)).status).toBe(404)
      expect(await controller.order('Delete', { object: map('deleted') })).toMatchObject({ alreadyGone: true })
    })

    test('an object that the guard does not list is refused, and nothing is asked of the cluster', async () => {
      const object = { group: '', version: 'v1', resource: 'namespaces', name: bed.space }
      expect(await controller.order('Delete', { object })).toMatchObject({
        type: 'controller.ActionRefused',
        reason: `guard rule "objects": none allows Delete of namespaces/${bed.space}`,
      })
      expect((await bed.api.get(bed.paths.core)).status).toBe(200)
    })

    test('DisconnectCluster: deletes the namespace that it is told', async () => {
      const space = `${bed.space}-ours`
      await created(bed.api, '/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: space } })
      expect(await controller.order('DisconnectCluster', { namespace: space })).toMatchObject({ type: 'controller.ActionDone' })
      await until('the namespace goes', async () => {
        const { status, body } = await bed.api.get(`/api/v1/namespaces/${space}`)
        return status === 404 || body.metadata.deletionTimestamp !== undefined
      })
      expect(await controller.order('DisconnectCluster', { namespace: 'no-such-space' })).toMatchObject({ alreadyGone: true })
    })

    test('the same action twice at once is one action', async () => {
      await created(bed.api, bed.paths.configMaps, configMap('twice', { a: '1' }))
      const order = { object: map('twice'), patchType: 'json', patch: [{ op: 'move', from: '/data/a', path: '/data/b' }] }
      const twice = `t-${id()}`
      const ends = await Promise.all([controller.order('Patch', order, twice), controller.order('Patch', order, twice)])
      expect(ends.map(({ type }) => type)).not.toContain('controller.ActionFailed')
      await until('the action ends', async () => controller.facts(twice).some(({ type }) => type === 'controller.ActionDone'))
      expect((await read(`${bed.paths.configMaps}/twice`)).data).toEqual({ b: '1' })
    })
  })
}
