import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Clock } from '../../src/simulator/clock.ts'
import { systemClock } from '../../src/simulator/clock.ts'
import type { Simulator } from '../../src/simulator/simulator.ts'
import { createSimulator } from '../../src/simulator/simulator.ts'
import type { Bed } from '../contracts/kubernetes-api/bed.ts'
import { budget, configMap, created, eviction, node, podSpec } from '../contracts/kubernetes-api/bed.ts'
import { kubernetesApiContract } from '../contracts/kubernetes-api.ts'
import type { Client } from '../kubernetes-client.ts'
import { client } from '../kubernetes-client.ts'

const quick = { startPodMs: 20, graceSecondMs: 50, bookmarkMs: 30 }

/** The computer's clock, but nothing that is due while it is held runs before it is let go. */
const clockToHold = (): Clock & { hold(): () => void; stop(): void } => {
  const clock = systemClock()
  let waiting: (() => void)[] | undefined
  return {
    now: clock.now,
    stop: clock.stop,
    after: (delayMs, run) => {
      let isCancelled = false
      const due = (): void => void (isCancelled || (waiting ? waiting.push(due) : run()))
      const cancel = clock.after(delayMs, due)
      return () => {
        isCancelled = true
        cancel()
      }
    },
    hold: () => {
      waiting = []
      return () => {
        const due = waiting ?? []
        waiting = undefined
        for (const run of due) run()
      }
    },
  }
}

/** What the simulated cluster does not offer, it refuses as a server refuses what it has never heard of. */
const refusals = (bed: () => Bed): void => {
  test('refused: server-side apply, as a patch of an unknown type', async () => {
    const { api, paths } = bed()
    const path = `${paths.configMaps}/applied?fieldManager=test`
    const { body } = await api.patch(path, configMap('applied'), 'apply-patch+yaml')
    expect(body).toMatchObject({ code: 415, reason: 'UnsupportedMediaType' })
    expect(body.message).toContain('accepted media types include: application/json-patch+json')
  })

  test.each([
    '/apis/certificates.k8s.io/v1/certificatesigningrequests',
    '/apis/rbac.authorization.k8s.io/v1/clusterroles',
    '/apis/storage.k8s.io/v1/volumeattachments',
    '/openapi/v3',
  ])('refused: %s, as a path that nobody serves', async (path) => {
    const { api } = bed()
    expect([(await api.get(path)).status, (await api.post(path, {})).status]).toEqual([404, 404])
  })

  test.each(['secrets', 'persistentvolumeclaims', 'pods/page-1/log', 'pods/page-1/exec'])(
    'refused: %s, as a kind that is not there',
    async (resource) => {
      const { api, paths } = bed()
      expect((await api.get(`${paths.core}/${resource}`)).body).toMatchObject({ code: 404, reason: 'NotFound' })
    },
  )
}

kubernetesApiContract(
  'the simulated cluster',
  async () => {
    const clock = clockToHold()
    const others = { nobody: { user: 'nobody', rules: [] } }
    const { url, token, faults, stop } = await createSimulator({ timings: quick, clock, others })
    return {
      url,
      token,
      nobodysToken: 'nobody',
      watchLists: true,
      expire: async () => {
        faults.compact()
        faults.dropWatches()
      },
      holdControllers: async () => {
        const release = clock.hold()
        return async () => release()
      },
      stop: async () => {
        clock.stop()
        await stop()
      },
    }
  },
  refusals,
)

let simulator: Simulator
let api: Client
beforeAll(async () => {
  simulator = await createSimulator({ timings: quick, isStill: true })
  api = client(simulator)
  await created(api, '/api/v1/nodes', node('n'))
})
afterAll(() => simulator.stop())

const pods = '/api/v1/namespaces/default/pods'
const pod = (name: string, spec: object = podSpec) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, labels: { app: name } },
  spec,
})
const running = async (name: string): Promise<any> => {
  await api.post(pods, pod(name, { ...podSpec, nodeName: 'n' }))
  const status = { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] }
  return (await api.patch(`${pods}/${name}/status`, { status })).body
}

const unhealthy = [
  { policy: 'AlwaysAllow', healthy: 1, desired: 3, answer: 201 },
  { policy: 'IfHealthyBudget', healthy: 1, desired: 3, answer: 429 },
  { policy: 'IfHealthyBudget', healthy: 3, desired: 3, answer: 201 },
  { policy: 'IfHealthyBudget', healthy: 0, desired: 0, answer: 429 },
]
test.each(unhealthy)(
  'eviction: a pod that is not ready under $policy with $healthy of $desired healthy: $answer',
  async ({ policy, healthy, desired, answer }) => {
    const name = `sick-${policy.toLowerCase()}-${healthy}-${desired}`
    await running(name)
    await api.patch(`${pods}/${name}/status`, { status: { conditions: [{ type: 'Ready', status: 'False' }] } })
    const path = '/apis/policy/v1/namespaces/default/poddisruptionbudgets'
    await api.post(path, budget(name, name, { minAvailable: desired, unhealthyPodEvictionPolicy: policy }))
    const status = {
      observedGeneration: 1,
      disruptionsAllowed: 0,
      currentHealthy: healthy,
      desiredHealthy: desired,
      expectedPods: 3,
    }
    await api.patch(`${path}/${name}/status`, { status })
    expect((await api.post(`${pods}/${name}/eviction`, eviction(name))).status).toBe(answer)
  },
)

test('eviction: is written down once for every pod, whatever is asked again', async () => {
  const { metadata } = await running('audited')
  for (let time = 0; time < 3; time += 1)
    expect((await api.post(`${pods}/audited/eviction`, eviction('audited'))).status).toBe(201)
  const { items } = (await api.get('/simulator/audit')).body
  expect(items.filter((each: any) => each.uid === metadata.uid)).toHaveLength(1)
})

test('deletion: a bound pod is marked first; without grace, and unbound, it goes at once', async () => {
  await running('graceful')
  const { body } = await api.delete(`${pods}/graceful`)
  expect(body.metadata).toMatchObject({ deletionGracePeriodSeconds: 1 })
  expect((await api.delete(`${pods}/graceful`, { gracePeriodSeconds: 0 })).status).toBe(200)
  expect((await api.get(`${pods}/graceful`)).status).toBe(404)
  await api.post(pods, pod('unbound'))
  await api.delete(`${pods}/unbound`)
  expect((await api.get(`${pods}/unbound`)).status).toBe(404)
})

test('writes: a pod can be bound once, and what it asks for never changes', async () => {
  await api.post(pods, pod('fixed'))
  const binding = { apiVersion: 'v1', kind: 'Binding', metadata: { name: 'fixed' }, target: { kind: 'Node', name: 'n' } }
  expect((await api.post(`${pods}/fixed/binding`, binding)).status).toBe(201)
  expect((await api.post(`${pods}/fixed/binding`, binding)).status).toBe(409)
  expect((await api.patch(`${pods}/fixed`, { spec: { nodeName: 'other' } })).status).toBe(422)
})

test('api: takes the token in the path too, for clients that send none over plain HTTP', async () => {
  const asked = await Promise.all(
    ['simulated', 'wrong'].map((token) => fetch(`${simulator.url}/with-token/${token}/api/v1/nodes/n`)),
  )
  expect(asked.map(({ status }) => status)).toEqual([200, 401])
})

test('watch: tells of its version when nothing happens', async () => {
  const events = await api.watch(
    `${pods}?watch=1&allowWatchBookmarks=true&resourceVersion=${simulator.store.resourceVersion()}`,
    (all) => all.length === 2,
  )
  expect(events.map(({ type }) => type)).toEqual(['BOOKMARK', 'BOOKMARK'])
  expect(events[0].object).toMatchObject({
    kind: 'Pod',
    metadata: { resourceVersion: String(simulator.store.resourceVersion()) },
    spec: { containers: null },
  })
})

test('watch and list: what was compacted is answered with 410', async () => {
  const first = (await api.get('/api/v1/namespaces?limit=1')).body
  await api.post(pods, pod('newer'))
  await api.post('/simulator/faults', { compact: true })
  const [event] = await api.watch(`${pods}?watch=1&resourceVersion=1`, () => true)
  expect(event).toMatchObject({ type: 'ERROR', object: { kind: 'Status', code: 410, reason: 'Expired' } })
  expect(event.object.message).toMatch(/^too old resource version: 1 \(\d+\)$/)
  const { status, body } = await api.get(`/api/v1/namespaces?limit=1&continue=${first.metadata.continue}`)
  expect(status).toBe(410)
  const rest = (await api.get(`/api/v1/namespaces?continue=${body.metadata.continue}`)).body
  expect(rest.items).toHaveLength(1)
})

test('faults: the next requests fail, and open watches break', async () => {
  await api.post('/simulator/faults', { failNext: { count: 2, status: 503, retryAfterSeconds: 3 } })
  const answers = [await api.get(pods), await api.get(pods), await api.get(pods)]
  expect(answers.map(({ status }) => status)).toEqual([503, 503, 200])
  expect(answers[0]?.headers.get('retry-after')).toBe('3')
  const broken = api.watch(`${pods}?watch=1`, (events) => {
    if (events.length > 0) simulator.faults.dropWatches()
    return false
  })
  await expect(broken).rejects.toThrow()
})

test('api: a method that makes no sense is refused, and so is a body that is none', async () => {
  expect((await api.delete(pods)).status).toBe(405)
  expect((await api.post(`${pods}/fixed`, {})).status).toBe(405)
  expect((await api.call('POST', pods, '{"kind":')).status).toBe(400)
  expect((await api.call('POST', pods, 'k8s', { type: 'application/vnd.kubernetes.protobuf' })).status).toBe(415)
  expect((await api.patch(`${pods}/fixed`, '{"metadata":{"__proto__":{"a":1}}}')).status).toBe(400)
})

test('access: what the rules do not allow is refused and reviewed as such', async () => {
  const limited = await createSimulator({
    isStill: true,
    rules: [{ verbs: ['get', 'list'], groups: [''], resources: ['nodes'] }],
  })
  const own = client(limited)
  expect((await own.get('/api/v1/nodes')).status).toBe(200)
  expect((await own.get('/api/v1/pods')).body).toMatchObject({ code: 403, reason: 'Forbidden' })
  const review = (resourceAttributes: object) =>
    own.post('/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', { spec: { resourceAttributes } })
  expect((await review({ verb: 'list', resource: 'nodes' })).body.status.allowed).toBe(true)
  expect((await review({ verb: 'create', resource: 'pods', subresource: 'eviction' })).body.status.allowed).toBe(false)
  await limited.stop()
})
