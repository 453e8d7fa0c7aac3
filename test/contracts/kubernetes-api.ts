import { afterAll, beforeAll, describe, expect, test } from 'vitest'

export type Connection = {
  readonly url: string
  readonly token: string
  stop?(): Promise<void>
}
type Reply = { readonly status: number; readonly headers: Headers; readonly body: any }
type Call = { readonly type?: string; readonly headers?: Record<string, string> }

/** Speaks to an API server with a bearer token. */
export const client = ({ url, token }: Connection) => {
  const call = async (
    method: string,
    path: string,
    body?: unknown,
    { type = 'application/json', headers = {} }: Call = {},
  ): Promise<Reply> => {
    const response = await fetch(url + path, {
      method,
      headers: { authorization: `Bearer ${token}`, ...(body === undefined ? {} : { 'content-type': type }), ...headers },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const text = await response.text()
    return { status: response.status, headers: response.headers, body: text.startsWith('{') ? JSON.parse(text) : text }
  }
  /** Reads a watch until the reader has seen enough. */
  const watch = async (path: string, enough: (events: readonly any[]) => boolean): Promise<readonly any[]> => {
    const stop = new AbortController()
    const response = await fetch(url + path, { headers: { authorization: `Bearer ${token}` }, signal: stop.signal })
    const events: any[] = []
    let rest = ''
    for await (const chunk of response.body ?? []) {
      const lines = (rest + Buffer.from(chunk).toString()).split('\n')
      rest = lines.pop() ?? ''
      events.push(...lines.map((line) => JSON.parse(line)))
      if (enough(events)) break
    }
    stop.abort()
    return events
  }
  return {
    get: (path: string, call_?: Call) => call('GET', path, undefined, call_),
    post: (path: string, body: unknown) => call('POST', path, body),
    put: (path: string, body: unknown) => call('PUT', path, body),
    patch: (path: string, body: unknown, kind = 'merge-patch') => call('PATCH', path, body, { type: `application/${kind}+json` }),
    call,
    delete: (path: string, body?: unknown) => call('DELETE', path, body),
    watch,
  }
}
export type Client = ReturnType<typeof client>

/** Asks again until the answer is there; how long that takes is no part of a contract. */
export const until = async <Answer>(what: string, ask: () => Promise<Answer | undefined | false>): Promise<Answer> => {
  for (let attempt = 0; attempt < 600; attempt += 1) {
    const answer = await ask()
    if (answer !== undefined && answer !== false) return answer
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  throw new Error(`gave up waiting until ${what}`)
}

export const podSpec = {
  terminationGracePeriodSeconds: 1,
  containers: [{ name: 'main', image: 'main', resources: { requests: { cpu: '100m', memory: '64Mi' } } }],
}
const deployment = (name: string, replicas: number) => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name },
  spec: { replicas, selector: { matchLabels: { app: name } }, template: { metadata: { labels: { app: name } }, spec: podSpec } },
})
export const budget = (name: string, app: string, spec: object) => ({
  apiVersion: 'policy/v1',
  kind: 'PodDisruptionBudget',
  metadata: { name },
  spec: { selector: { matchLabels: { app } }, ...spec },
})
export const node = (name: string) => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name, labels: { 'kubernetes.io/hostname': name, contract: 'node' }, annotations: { 'kwok.x-k8s.io/node': 'fake' } },
  status: {
    allocatable: { cpu: '32', memory: '64Gi', pods: '110' },
    capacity: { cpu: '32', memory: '64Gi', pods: '110' },
    conditions: [{ type: 'Ready', status: 'True', reason: 'KubeletReady' }],
  },
})
export const eviction = (name: string, deleteOptions?: object) => ({
  apiVersion: 'policy/v1',
  kind: 'Eviction',
  metadata: { name },
  ...(deleteOptions ? { deleteOptions } : {}),
})

/** What we rely on in a Kubernetes API server, simulated or real. It needs nodes on which pods come to run. */
export const kubernetesApiContract = (name: string, connect: () => Promise<Connection>): void => {
  describe(name, () => {
    let connection: Connection
    let api: Client
    const space = `contract-${Date.now().toString(36)}`
    const at = `/api/v1/namespaces/${space}`
    const apps = `/apis/apps/v1/namespaces/${space}`
    const budgets = `/apis/policy/v1/namespaces/${space}/poddisruptionbudgets`
    const leases = `/apis/coordination.k8s.io/v1/namespaces/${space}/leases`
    const nodeName = `${space}-node`

    const readyPods = (app: string, count: number): Promise<any[]> =>
      until(`${count} pods of ${app} are ready`, async () => {
        const { body } = await api.get(`${at}/pods?labelSelector=app%3D${app}`)
        const ready = body.items.filter(
          (pod: any) =>
            pod.metadata.deletionTimestamp === undefined &&
            pod.status.conditions?.some((each: any) => each.type === 'Ready' && each.status === 'True'),
        )
        return ready.length === count && ready
      })
    const settledBudget = (of: string, allowed: number): Promise<unknown> =>
      until(`the budget ${of} allows ${allowed}`, async () => {
        const { status, metadata } = (await api.get(`${budgets}/${of}`)).body
        return status?.observedGeneration === metadata.generation && status.disruptionsAllowed === allowed
      })

    beforeAll(async () => {
      connection = await connect()
      api = client(connection)
      await api.post('/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: space } })
      expect((await api.post('/api/v1/nodes', node(nodeName))).status).toBe(201)
    })
    afterAll(async () => {
      await api.delete(`/api/v1/nodes/${nodeName}`)
      await api.delete(`/api/v1/namespaces/${space}`)
      await connection.stop?.()
    })

    test('api: refuses a request without its token', async () => {
      const response = await fetch(`${connection.url}/api/v1/nodes`, { headers: { authorization: 'Bearer wrong' } })
      expect(response.status).toBe(401)
      expect(await response.json()).toMatchObject({ kind: 'Status', status: 'Failure', reason: 'Unauthorized', code: 401 })
    })

    test('api: says 404 for a path and for an object that are not there', async () => {
      const unknown = await api.get('/apis/apps/v1/gizmos')
      expect(unknown.status).toBe(404)
      const { status, body } = await api.get(`${at}/pods/none`)
      expect(status).toBe(404)
      expect(body).toMatchObject({
        reason: 'NotFound',
        message: 'pods "none" not found',
        details: { name: 'none', kind: 'pods' },
      })
    })

    test('api: describes itself for clients that discover it', async () => {
      const core = (await api.get('/api/v1')).body
      expect(core.resources.map((each: any) => each.name)).toEqual(
        expect.arrayContaining(['nodes', 'pods', 'pods/eviction', 'pods/binding']),
      )
      const groups = (await api.get('/apis')).body.groups.map((each: any) => each.name)
      expect(groups).toEqual(expect.arrayContaining(['apps', 'policy', 'coordination.k8s.io', 'authorization.k8s.io']))
    })

    test('api: tells whether a power is there', async () => {
      const review = {
        apiVersion: 'authorization.k8s.io/v1',
        kind: 'SelfSubjectAccessReview',
        spec: { resourceAttributes: { verb: 'list', resource: 'pods' } },
      }
      const { status, body } = await api.post('/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', review)
      expect(status).toBe(201)
      expect(body.status.allowed).toBe(true)
    })

    test('writes: a second object of the same name is refused, and so is a stale one', async () => {
      const lease = {
        apiVersion: 'coordination.k8s.io/v1',
        kind: 'Lease',
        metadata: { name: 'twice' },
        spec: { holderIdentity: 'a', leaseDurationSeconds: 15 },
      }
      const first = await api.post(leases, lease)
      expect(first.status).toBe(201)
      expect((await api.post(leases, lease)).body).toMatchObject({ code: 409, reason: 'AlreadyExists' })
      const next = await api.put(`${leases}/twice`, { ...first.body, spec: { ...first.body.spec, holderIdentity: 'b' } })
      expect(next.status).toBe(200)
      expect(Number(next.body.metadata.resourceVersion)).toBeGreaterThan(Number(first.body.metadata.resourceVersion))
      const stale = await api.put(`${leases}/twice`, first.body)
      expect(stale.body).toMatchObject({ code: 409, reason: 'Conflict' })
      expect(stale.body.message).toContain('the object has been modified')
    })

    test('writes: a lease wants six digits of a second', async () => {
      const lease = (renewTime: string) => ({
        apiVersion: 'coordination.k8s.io/v1',
        kind: 'Lease',
        metadata: { name: 'micro' },
        spec: { renewTime },
      })
      expect((await api.post(leases, lease('2026-01-01T00:00:00.123Z'))).status).toBe(400)
      expect((await api.post(leases, lease('2026-01-01T00:00:00.123456Z'))).status).toBe(201)
    })

    test('writes: a patch merges, a JSON patch tests first, and other types are refused', async () => {
      const path = `/api/v1/nodes/${nodeName}`
      const merged = await api.patch(path, { metadata: { labels: { added: 'yes' } } })
      expect(merged.body.metadata.labels).toMatchObject({ added: 'yes', contract: 'node' })
      const removed = await api.patch(path, { metadata: { labels: { added: null } } })
      expect(removed.body.metadata.labels.added).toBeUndefined()
      const wrong = [
        { op: 'test', path: '/metadata/uid', value: 'other' },
        { op: 'add', path: '/spec/unschedulable', value: true },
      ]
      expect((await api.patch(path, wrong, 'json-patch')).status).toBe(422)
      const right = [
        { op: 'test', path: '/metadata/uid', value: merged.body.metadata.uid },
        { op: 'add', path: '/metadata/labels/x', value: 'y' },
      ]
      expect((await api.patch(path, right, 'json-patch')).body.metadata.labels.x).toBe('y')
      expect((await api.patch(path, {}, 'unheard-of')).status).toBe(415)
    })

    test('writes: a merge patch that names a version or a UID is held to it', async () => {
      const path = `/api/v1/nodes/${nodeName}`
      const patch = { metadata: { resourceVersion: '1', labels: { never: 'set' } } }
      expect((await api.patch(path, patch)).status).toBe(409)
      expect((await api.patch(path, { metadata: { uid: 'other', labels: { never: 'set' } } })).status).toBe(409)
    })

    test('writes: an object that is no good is refused with its causes', async () => {
      const { status, body } = await api.post(`${at}/pods`, {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: 'empty' },
        spec: { containers: [] },
      })
      expect(status).toBe(422)
      expect(body).toMatchObject({ reason: 'Invalid', details: { kind: 'Pod', name: 'empty' } })
      expect(body.details.causes[0]).toMatchObject({ reason: 'FieldValueRequired', field: 'spec.containers' })
    })

    test('writes: the cordon taint comes after the patch, from the controller', async () => {
      const path = `/api/v1/nodes/${nodeName}`
      const taints = (body: any): string[] => (body.spec.taints ?? []).map((each: any) => each.key)
      const cordoned = await api.patch(path, { spec: { unschedulable: true } })
      expect(taints(cordoned.body)).not.toContain('node.kubernetes.io/unschedulable')
      await until('the taint is there', async () =>
        taints((await api.get(path)).body).includes('node.kubernetes.io/unschedulable'),
      )
      await api.patch(path, { spec: { unschedulable: null } })
      await until(
        'the taint is gone',
        async () => !taints((await api.get(path)).body).includes('node.kubernetes.io/unschedulable'),
      )
    })

    test('deletion: its preconditions are held', async () => {
      const lease = (
        await api.post(leases, { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name: 'going' }, spec: {} })
      ).body
      expect((await api.delete(`${leases}/going`, { preconditions: { uid: 'other' } })).body).toMatchObject({
        code: 409,
        reason: 'Conflict',
      })
      expect((await api.delete(`${leases}/going`, { preconditions: { uid: lease.metadata.uid } })).status).toBe(200)
      expect((await api.get(`${leases}/going`)).status).toBe(404)
    })

    test('list: comes in pages that tell of one moment, and items carry no kind', async () => {
      for (const index of [1, 2, 3, 4, 5])
        await api.post(`${at}/pods`, {
          apiVersion: 'v1',
          kind: 'Pod',
          metadata: { name: `page-${index}`, labels: { page: 'y' } },
          spec: { ...podSpec, schedulingGates: [{ name: 'example.com/wait' }] },
        })
      const first = (await api.get(`${at}/pods?limit=2`)).body
      expect(first.items).toHaveLength(2)
      expect(first.items[0].kind).toBeUndefined()
      expect(first.metadata.remainingItemCount).toBeGreaterThanOrEqual(3)
      await api.delete(`${at}/pods/page-5`)
      const names = first.items.map((each: any) => each.metadata.name)
      for (let next = first.metadata.continue; next; ) {
        const page = (await api.get(`${at}/pods?limit=2&continue=${encodeURIComponent(next)}`)).body
        expect(page.metadata.resourceVersion).toBe(first.metadata.resourceVersion)
        names.push(...page.items.map((each: any) => each.metadata.name))
        next = page.metadata.continue
      }
      expect(names).toEqual(expect.arrayContaining(['page-1', 'page-2', 'page-3', 'page-4', 'page-5']))
      const whole = (await api.get(`${at}/pods?limit=1&resourceVersion=0&labelSelector=page`)).body
      expect(whole.items.length).toBe(4)
    })

    test('list: is narrowed by labels and fields, and refuses fields it does not know', async () => {
      const names = async (query: string) =>
        (await api.get(`${at}/pods?${query}`)).body.items.map((each: any) => each.metadata.name)
      expect(await names('fieldSelector=metadata.name%3Dpage-2')).toEqual(['page-2'])
      expect(
        await names('labelSelector=page%20in%20(y,n),!absent&fieldSelector=spec.nodeName%3D,status.phase%3DPending'),
      ).toContain('page-1')
      expect((await api.get(`${at}/pods?fieldSelector=spec.colour%3Dred`)).status).toBe(400)
    })

    test('watch: goes on from a list, and an object that leaves the selection is deleted', async () => {
      const { resourceVersion } = (await api.get(`${at}/pods`)).body.metadata
      const seen = api.watch(
        `${at}/pods?watch=1&resourceVersion=${resourceVersion}&labelSelector=seen%3Dyes`,
        (events) => events.length === 3,
      )
      await api.patch(`${at}/pods/page-1`, { metadata: { labels: { seen: 'yes' } } })
      await api.patch(`${at}/pods/page-1`, { metadata: { annotations: { more: 'yes' } } })
      await api.patch(`${at}/pods/page-1`, { metadata: { labels: { seen: 'no' } } })
      const events = await seen
      expect(events.map((each) => each.type)).toEqual(['ADDED', 'MODIFIED', 'DELETED'])
      expect(events.every((each) => each.object.kind === 'Pod')).toBe(true)
    })

    test('watch: as a list says when the initial events are over', async () => {
      const path = `${at}/pods?watch=1&sendInitialEvents=true&allowWatchBookmarks=true`
      expect((await api.get(path)).status).toBe(422)
      const events = await api.watch(`${path}&resourceVersionMatch=NotOlderThan`, (all) =>
        all.some((each) => each.type === 'BOOKMARK'),
      )
      const bookmark = events.find((each) => each.type === 'BOOKMARK')
      expect(bookmark.object.metadata.annotations['k8s.io/initial-events-end']).toBe('true')
      expect(events.filter((each) => each.type === 'ADDED').length).toBeGreaterThanOrEqual(4)
    })

    test('eviction: ends the pod that was meant, and its ReplicaSet makes another', async () => {
      await api.post(`${apps}/deployments`, deployment('plain', 2))
      const [pod] = await readyPods('plain', 2)
      const path = `${at}/pods/${pod.metadata.name}/eviction`
      const wrong = await api.post(path, eviction(pod.metadata.name, { preconditions: { uid: 'other' } }))
      expect(wrong.body).toMatchObject({ code: 409, reason: 'Conflict', details: { kind: 'Pod' } })
      expect((await api.post(path, eviction('another'))).status).toBe(400)
      expect((await api.post(`${at}/pods/none/eviction`, eviction('none'))).status).toBe(404)
      expect((await api.post(path, eviction(pod.metadata.name, { dryRun: ['All'] }))).status).toBe(201)
      expect((await api.get(`${at}/pods/${pod.metadata.name}`)).body.metadata.deletionTimestamp).toBeUndefined()
      expect((await api.post(path, eviction(pod.metadata.name, { preconditions: { uid: pod.metadata.uid } }))).status).toBe(201)
      const going = await api.get(`${at}/pods/${pod.metadata.name}`)
      if (going.status === 200) {
        expect(going.body.metadata.deletionTimestamp).toBeDefined()
        expect(going.body.status.conditions).toContainEqual(
          expect.objectContaining({ type: 'DisruptionTarget', reason: 'EvictionByEvictionAPI' }),
        )
        expect([201, 404]).toContain((await api.post(path, eviction(pod.metadata.name))).status)
      }
      await until('the pod is gone', async () => (await api.get(`${at}/pods/${pod.metadata.name}`)).status === 404)
      const after = await readyPods('plain', 2)
      expect(after.map((each) => each.metadata.uid)).not.toContain(pod.metadata.uid)
    })

    test('eviction: a budget that is used up answers 429 and says so', async () => {
      await api.post(`${apps}/deployments`, deployment('web', 3))
      const pods = await readyPods('web', 3)
      await api.post(budgets, budget('web', 'web', { minAvailable: 3 }))
      await settledBudget('web', 0)
      const name = pods[0].metadata.name
      const { status, body, headers } = await api.post(`${at}/pods/${name}/eviction`, eviction(name))
      expect(status).toBe(429)
      expect(headers.get('retry-after')).toBeNull()
      expect(body).toMatchObject({
        reason: 'TooManyRequests',
        message: "Cannot evict pod as it would violate the pod's disruption budget.",
      })
      expect(body.details.causes).toEqual([
        { reason: 'DisruptionBudget', message: 'The disruption budget web needs 3 healthy pods and has 3 currently' },
      ])
    })

    test('eviction: spends the budget at once, and gets it back when the replacement runs', async () => {
      await api.post(`${apps}/deployments`, deployment('spent', 3))
      const pods = await readyPods('spent', 3)
      await api.post(budgets, budget('spent', 'spent', { maxUnavailable: 1 }))
      await settledBudget('spent', 1)
      const evict = (index: number, options?: object) =>
        api.post(`${at}/pods/${pods[index].metadata.name}/eviction`, eviction(pods[index].metadata.name, options))
      expect((await evict(0, { dryRun: ['All'] })).status).toBe(201)
      expect((await evict(0)).status).toBe(201)
      expect((await api.get(`${budgets}/spent`)).body.status.disruptionsAllowed).toBe(0)
      expect((await evict(1, { dryRun: ['All'] })).status).toBe(429)
      expect((await evict(1)).status).toBe(429)
      await settledBudget('spent', 1)
      expect((await evict(1)).status).toBe(201)
    })

    test('eviction: two budgets on one pod are an error of the server', async () => {
      await api.post(`${apps}/deployments`, deployment('both', 1))
      const [pod] = await readyPods('both', 1)
      await api.post(budgets, budget('both-1', 'both', { maxUnavailable: 1 }))
      await api.post(budgets, budget('both-2', 'both', { maxUnavailable: 1 }))
      await settledBudget('both-2', 1)
      const { status, body } = await api.post(`${at}/pods/${pod.metadata.name}/eviction`, eviction(pod.metadata.name))
      expect(status).toBe(500)
      expect(body.message).toContain('This pod has more than one PodDisruptionBudget')
    })

    test('budgets: percentages round up', async () => {
      await api.post(`${apps}/deployments`, deployment('percent', 4))
      await readyPods('percent', 4)
      await api.post(budgets, budget('percent', 'percent', { minAvailable: '60%' }))
      await settledBudget('percent', 1)
      expect((await api.get(`${budgets}/percent`)).body.status).toMatchObject({
        expectedPods: 4,
        currentHealthy: 4,
        desiredHealthy: 3,
      })
    })
  })
}
