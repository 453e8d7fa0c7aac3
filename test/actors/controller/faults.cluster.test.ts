import { afterAll, beforeAll, expect, test } from 'vitest'
import { approveCsrEffects } from '../../../src/actors/controller/csr/effects.ts'
import { deleteNodeEffects } from '../../../src/actors/controller/effects.ts'
import { NODE_ID_LABELS } from '../../../src/actors/controller/node-identity.ts'
import {
  createObjectEffects,
  deleteObjectEffects,
  patchObjectEffects,
} from '../../../src/actors/controller/object-action-effects.ts'
import { fixedAccess } from '../../../src/adapters/kubernetes/access.ts'
import { certificateRequests } from '../../../src/adapters/kubernetes/certificates.ts'
import { type KubernetesClient, kubernetesClient } from '../../../src/adapters/kubernetes/client.ts'
import { kubernetesObjects } from '../../../src/adapters/kubernetes/objects.ts'
import { kubernetesWrites } from '../../../src/adapters/kubernetes/writes.ts'
import { canonicalAddress, readPkcs10 } from '../../../src/adapters/pkcs10.ts'
import { certificateActionId } from '../../../src/commands/up/certificate-action-id.ts'
import { openRemoval } from '../../../src/commands/up/removal.ts'
import { CertificatePolicy } from '../../../src/events/certificates.ts'
import { RemovalSettings } from '../../../src/events/removal.ts'
import { memoryJournal } from '../../../src/runtime/testing/memory-journal.ts'
import type { Definition } from '../../../src/runtime/types.ts'
import { type Fate, gateTo } from '../../control-plane/acting.ts'
import { carrying } from '../../control-plane/carrying.ts'
import { controlPlaneForTest } from '../../control-plane/for-test.ts'
import { addNodes, addPods, created } from '../../control-plane/objects.ts'
import type { ControlPlane } from '../../control-plane/start.ts'
import { podsOn } from '../../control-plane/workloads.ts'
import { until } from '../../kubernetes-client.ts'
import { shipped } from '../../shipped.ts'
import { bootstrap } from './csr/forged.ts'
import { makePem } from './csr/pem.ts'

const LONG = { timeout: 300_000 }
const ATTACHMENTS = '/apis/storage.k8s.io/v1/volumeattachments'
const MAPS = '/api/v1/namespaces/default/configmaps'
const CSRS = '/apis/certificates.k8s.io/v1/certificatesigningrequests'
const RBAC = '/apis/rbac.authorization.k8s.io/v1'
let plane: ControlPlane

beforeAll(async () => {
  plane = await controlPlaneForTest()
  await bound('asks', 'system:node-bootstrapper', { kind: 'Group', name: 'system:authenticated' })
}, 300_000)
afterAll(() => plane?.stop())

const bound = (name: string, role: string, subject: { readonly kind: string; readonly name: string }): Promise<unknown> =>
  created(plane.api, `${RBAC}/clusterrolebindings`, {
    metadata: { name },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', ...subject }],
  })

/** One action that has not begun, and what it is to do in the cluster. */
type Trial = {
  readonly definition: (client: KubernetesClient) => Definition
  readonly id: string
  readonly input: object
  /** Whether this is the request by which the world is changed. */
  readonly acts: (method: string, path: string) => boolean
  readonly isDone: () => Promise<boolean>
}

let count = 0
const isGone = async (path: string): Promise<boolean> => (await plane.api.get(path)).status === 404
const withEffects = (type: string, effects: Definition['effects']): Definition => ({ ...shipped(type), effects })
const mapNamed = (name: string) => ({ group: '', version: 'v1', resource: 'configmaps', namespace: 'default', name })
const makeMap = (name: string) =>
  created(plane.api, MAPS, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { a: '1' } })

const deletion = async (prefix: string): Promise<Trial & { readonly node: string }> => {
  const [node = ''] = await addNodes(plane.api, 1, prefix)
  await addPods(plane.api, 1, [node], { prefix })
  await created(plane.api, ATTACHMENTS, {
    metadata: { name: prefix },
    spec: { attacher: 'csi.example.com', nodeName: node, source: { persistentVolumeName: prefix } },
  })
  return {
    definition: (client) => {
      const kubernetes = kubernetesWrites(client)
      const removal = openRemoval(client, kubernetes, RemovalSettings.parse({ deleteNodeObjects: true }))
      return withEffects('delete-node', deleteNodeEffects(kubernetes, removal, NODE_ID_LABELS))
    },
    id: prefix,
    input: { order: { id: prefix, nodeName: node } },
    node,
    acts: (method, path) => method === 'DELETE' && path === `/api/v1/nodes/${node}`,
    isDone: async () =>
      (await isGone(`/api/v1/nodes/${node}`)) &&
      (await isGone(`${ATTACHMENTS}/${prefix}`)) &&
      (await podsOn(plane.api, node)).length === 0,
  }
}

const trials: Readonly<Record<string, (name: string) => Promise<Trial>>> = {
  DeleteNode: deletion,
  Create: async (name) => ({
    definition: (client) => withEffects('create-object', createObjectEffects(kubernetesObjects(client))),
    id: name,
    input: {
      order: {
        id: name,
        group: '',
        version: 'v1',
        resource: 'configmaps',
        object: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'default' }, data: { a: '1' } },
      },
    },
    acts: (method, path) => method === 'POST' && path === MAPS,
    isDone: async () => !(await isGone(`${MAPS}/${name}`)),
  }),
  // Done twice it fails: nothing is left to be moved.
  Patch: async (name) => {
    await makeMap(name)
    const patch = [{ op: 'move', from: '/data/a', path: '/data/b' }]
    return {
      definition: (client) => withEffects('patch-object', patchObjectEffects(kubernetesObjects(client))),
      id: name,
      input: { order: { id: name, object: mapNamed(name), patchType: 'json', patch } },
      acts: (method, path) => method === 'PATCH' && path === `${MAPS}/${name}`,
      isDone: async () => (await plane.api.get(`${MAPS}/${name}`)).body.data.b === '1',
    }
  },
  Delete: async (name) => {
    await makeMap(name)
    return {
      definition: (client) => withEffects('delete-object', deleteObjectEffects(kubernetesObjects(client))),
      id: name,
      input: { order: { id: name, object: mapNamed(name) } },
      acts: (method, path) => method === 'DELETE' && path === `${MAPS}/${name}`,
      isDone: () => isGone(`${MAPS}/${name}`),
    }
  },
  ApproveCsr: async (name) => {
    const { username, groups, signerName, usages } = bootstrap
    const request = Buffer.from(makePem({}).request).toString('base64')
    const body = {
      apiVersion: 'certificates.k8s.io/v1',
      kind: 'CertificateSigningRequest',
      metadata: { name: `node-csr-${name}` },
      spec: { request, signerName, usages },
    }
    const headers = { 'impersonate-user': username, 'impersonate-group': groups[0] ?? '' }
    const { uid } = (await plane.api.call('POST', CSRS, body, { headers })).body.metadata
    const policy = CertificatePolicy.parse({})
    return {
      definition: (client) => {
        const requests = certificateRequests(client, { pkcs10: readPkcs10, address: canonicalAddress })
        const means = { requests, policy, idOf: certificateActionId, log: { warn: () => {} } }
        return withEffects('approve-csr', approveCsrEffects(means))
      },
      id: name,
      input: { name: `node-csr-${name}`, uid },
      acts: (method, path) => method === 'PATCH' && path === `${CSRS}/node-csr-${name}/approval`,
      isDone: async () => (await plane.api.get(`${CSRS}/node-csr-${name}`)).body.status.certificate !== undefined,
    }
  },
}
const verbs = Object.keys(trials)
const trialOf = (verb: string): Promise<Trial> => (trials[verb] ?? deletion)(`${verb.toLowerCase()}-${++count}`)

const GOOD = /^controller\.(ActionDone|CertificateIssued)$/
const BAD = /^controller\.(ActionFailed|CsrFailed)$/
const begun = ({ definition, id, input }: Trial, url: string) => {
  const client = kubernetesClient(fixedAccess({ server: url, token: 'of the gate' }))
  const carried = carrying({ definition: definition(client), id, input })
  const end = async (): Promise<void> => {
    await carried[Symbol.asyncDispose]()
    await client.close()
  }
  return { ...carried, [Symbol.asyncDispose]: end }
}
const befalls = ({ acts }: Trial, fate: Fate, most = Number.POSITIVE_INFINITY) => {
  let times = 0
  return (method: string, path: string): Fate | undefined => (acts(method, path) && times++ < most ? fate : undefined)
}

test.each(verbs)(
  '%s: an API that has too much to do is asked again until it answers, and nothing is said before',
  LONG,
  async (verb) => {
    const trial = await trialOf(verb)
    await using gate = await gateTo(plane)
    gate.befall(befalls(trial, 'busy'))
    await using action = begun(trial, gate.url)
    await until('it was told to wait', async () => gate.befallen() >= 4)
    expect(action.facts().filter(({ type }) => GOOD.test(type) || BAD.test(type))).toEqual([])
    expect(await trial.isDone()).toBe(false)
    gate.befall(undefined)
    expect((await action.ended()).type).toMatch(GOOD)
    expect(await trial.isDone()).toBe(true)
  },
)

test.each(verbs)('%s: done, and the answer lost twice: it finds out that it is done, and does it once', LONG, async (verb) => {
  const trial = await trialOf(verb)
  await using gate = await gateTo(plane)
  gate.befall(befalls(trial, 'lost', 2))
  await using action = begun(trial, gate.url)
  expect((await action.ended()).type).toMatch(GOOD)
  expect(gate.befallen()).toBeGreaterThan(0)
  expect(await trial.isDone()).toBe(true)
})

test('all of them: the API server restarted, and then silent, in the middle: they go on', LONG, async () => {
  const all = await Promise.all(verbs.map(trialOf))
  await using gate = await gateTo(plane)
  await using stack = new AsyncDisposableStack()
  const middle = new Set<Trial>()
  gate.befall((method, path) => {
    const trial = all.find(({ acts }) => acts(method, path))
    if (trial) middle.add(trial)
    return trial && 'busy'
  })
  const actions = all.map((trial) => stack.use(begun(trial, gate.url)))
  await until('all are in the middle', async () => middle.size === all.length)
  await plane.restart('kube-apiserver')
  plane.freeze('kube-apiserver')
  gate.befall(undefined)
  await new Promise((resolve) => setTimeout(resolve, 12_000))
  expect(actions.flatMap(({ facts }) => facts()).filter(({ type }) => GOOD.test(type) || BAD.test(type))).toEqual([])
  plane.thaw('kube-apiserver')
  for (const [index, action] of actions.entries()) {
    expect([verbs[index], (await action.ended()).type]).toEqual([verbs[index], expect.stringMatching(GOOD)])
    expect(await all[index]?.isDone()).toBe(true)
  }
})

const POWERS = [
  { apiGroups: ['*'], resources: ['*'], verbs: ['get', 'list', 'watch'] },
  { apiGroups: [''], resources: ['pods'], verbs: ['delete'] },
  { apiGroups: ['storage.k8s.io'], resources: ['volumeattachments'], verbs: ['delete'] },
  { apiGroups: ['certificates.k8s.io'], resources: ['signers'], verbs: ['approve'] },
]
const ACTING = {
  DeleteNode: { apiGroups: [''], resources: ['nodes'], verbs: ['delete'] },
  Create: { apiGroups: [''], resources: ['configmaps'], verbs: ['create'] },
  Patch: { apiGroups: [''], resources: ['configmaps'], verbs: ['patch'] },
  Delete: { apiGroups: [''], resources: ['configmaps'], verbs: ['delete'] },
  ApproveCsr: { apiGroups: ['certificates.k8s.io'], resources: ['certificatesigningrequests/approval'], verbs: ['patch'] },
}

test.each(Object.entries(ACTING))(
  '%s: what is forbidden in the middle is not done, and the end says which verb',
  LONG,
  async (verb, power) => {
    const role = `acts-${++count}`
    await created(plane.api, `${RBAC}/clusterroles`, { metadata: { name: role }, rules: [...POWERS, power] })
    await bound(role, role, { kind: 'User', name: 'nobody' })
    const trial = await trialOf(verb)
    await using gate = await gateTo(plane, plane.tokenOf('nobody'))
    gate.befall(befalls(trial, 'busy'))
    await using action = begun(trial, gate.url)
    await until('it is in the middle', async () => gate.befallen() > 0)
    await plane.api.patch(`${RBAC}/clusterroles/${role}`, { rules: POWERS })
    await until('it is forbidden', async () => !(await mayNobody(power)))
    gate.befall(undefined)
    const { type, reason } = await action.ended()
    expect(type).toMatch(BAD)
    expect(reason).toMatch(new RegExp(`403 .*give our service account the verb ${power.verbs[0]}`))
    expect(await trial.isDone()).toBe(false)
  },
)

/** Asked of the API as the user itself: what the administrator changed is known a moment later. */
const mayNobody = async ({ apiGroups, resources, verbs: [verb] }: (typeof POWERS)[number]): Promise<boolean> => {
  const [resource = '', subresource] = resources[0]?.split('/') ?? []
  const resourceAttributes = { group: apiGroups[0], resource, subresource, verb, namespace: 'default' }
  const body = {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SubjectAccessReview',
    spec: { user: 'nobody', resourceAttributes },
  }
  return (await plane.api.post('/apis/authorization.k8s.io/v1/subjectaccessreviews', body)).body.status.allowed
}

test(
  'DeleteNode: killed at every step, before and after each commit and each request, it comes to the same end',
  LONG,
  async () => {
    const client = kubernetesClient(fixedAccess({ server: plane.url, token: plane.token, ca: plane.ca }))
    /** Carries a deletion to its end; the process that began it stops for ever when it has reached so many points. */
    const killedAt = async (reached: number) => {
      const trial = await deletion(`kill-${++count}`)
      const [definition, journal] = [trial.definition(client), memoryJournal()]
      const points: string[] = []
      let stopped = (): void => {}
      const isStopped = new Promise<void>((resolve) => {
        stopped = resolve
      })
      const first = carrying({
        ...trial,
        definition,
        journal,
        reach: async (point, detail) => {
          points.push(`${point} ${detail}`)
          if (points.length !== reached) return
          stopped()
          await new Promise(() => {})
        },
      })
      await Promise.race([isStopped, first.ended()])
      await using second = carrying({ ...trial, definition, journal })
      const end = await second.ended()
      const removed = second.facts().filter(({ type }) => type === 'controller.NodeRemoved')
      const ends = second.facts().filter(({ type }) => BAD.test(type) || GOOD.test(type))
      expect([points.at(-1), end.type, removed.length, ends.length]).toEqual([points.at(-1), 'controller.ActionDone', 1, 1])
      expect([points.at(-1), await trial.isDone()]).toEqual([points.at(-1), true])
      return points
    }
    const undisturbed = await killedAt(Number.POSITIVE_INFINITY)
    expect(new Set(undisturbed)).toContain('after-effect deleteAttachment')
    await Promise.all(undisturbed.map((_, index) => killedAt(index + 1)))
    await client.close()
  },
)
