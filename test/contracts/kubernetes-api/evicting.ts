import { expect, test } from 'vitest'
import { until } from '../../kubernetes-client.ts'
import type { Bed } from './bed.ts'
import { addNode, budget, created, deployment, eviction, gatedPod } from './bed.ts'

const HOLD = 'example.com/hold'

/** The eviction subresource, and the budgets that it spends. */
export const evicting = (bed: () => Bed): void => {
  test('eviction: is held to its preconditions, its name and its pod', async () => {
    const { api, paths, readyPods, evict } = bed()
    await created(api, paths.deployments, deployment('meant', 1))
    const [pod] = await readyPods('meant', 1)
    const { name } = pod.metadata
    for (const preconditions of [{ uid: 'other' }, { resourceVersion: '1' }]) {
      const { body } = await evict(name, { preconditions })
      expect(body).toMatchObject({ code: 409, reason: 'Conflict', details: { kind: 'Pod' } })
      expect(body.details.causes).toBeUndefined()
    }
    expect((await api.post(`${paths.pods}/${name}/eviction`, eviction('another'))).status).toBe(400)
    expect((await evict('none')).status).toBe(404)
    expect((await evict(name, { dryRun: ['All'] })).status).toBe(201)
    expect((await api.get(`${paths.pods}/${name}`)).body.metadata.deletionTimestamp).toBeUndefined()
  })

  test('eviction: marks the pod, may be asked for again, and its ReplicaSet makes another', async () => {
    const { api, paths, readyPods, evict } = bed()
    await created(api, paths.deployments, deployment('held', 2, { finalizers: [HOLD] }))
    const pods = await readyPods('held', 2)
    const { name, uid } = pods[0].metadata
    const path = `${paths.pods}/${name}`
    expect((await evict(name, { preconditions: { uid } })).status).toBe(201)
    const { metadata, status } = (await api.get(path)).body
    expect(metadata.deletionTimestamp).toBeDefined()
    expect(status.conditions).toContainEqual(
      expect.objectContaining({ type: 'DisruptionTarget', status: 'True', reason: 'EvictionByEvictionAPI' }),
    )
    expect((await evict(name)).status).toBe(201)
    const others = await readyPods('held', 2)
    expect(others.map((each) => each.metadata.uid)).not.toContain(uid)
    await api.delete(`${paths.deployments}/held`)
    for (const each of [name, ...others.map(({ metadata: { name } }) => name)])
      await api.patch(`${paths.pods}/${each}`, { metadata: { finalizers: null } })
    await until('the pod is gone', async () => (await api.get(path)).status === 404)
  })

  test('eviction: a pod that does not run yet needs no budget', async () => {
    const { api, paths, evict, settledBudget } = bed()
    await created(api, paths.pods, gatedPod('pending', { app: 'pending' }))
    await created(api, paths.budgets, budget('pending', 'pending', { minAvailable: 1 }))
    await settledBudget('pending', 0)
    expect((await evict('pending')).status).toBe(201)
    expect((await api.get(`${paths.pods}/pending`)).status).toBe(404)
  })

  test('eviction: a budget that is used up answers 429 and says so', async () => {
    const { api, paths, readyPods, evict, settledBudget } = bed()
    await created(api, paths.deployments, deployment('web', 3))
    const pods = await readyPods('web', 3)
    await created(api, paths.budgets, budget('web', 'web', { minAvailable: 3 }))
    await settledBudget('web', 0)
    const { status, body, headers } = await evict(pods[0].metadata.name)
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

  test('eviction: a budget that no controller has looked at yet asks for patience', async () => {
    const { api, paths, cluster, readyPods, evict, settledBudget } = bed()
    await created(api, paths.deployments, deployment('early', 1))
    const [pod] = await readyPods('early', 1)
    const release = await cluster.holdControllers()
    await created(api, paths.budgets, budget('early', 'early', { maxUnavailable: 1 }))
    const { status, headers, body } = await evict(pod.metadata.name)
    await release()
    expect([status, headers.get('retry-after')]).toEqual([429, '10'])
    expect(body.details).toMatchObject({
      causes: [{ reason: 'DisruptionBudget', message: 'The disruption budget early is still being processed by the server.' }],
      retryAfterSeconds: 10,
    })
    await settledBudget('early', 1)
  })

  test('eviction: spends the budget at once, and gets it back when the replacement runs', async () => {
    const { api, paths, readyPods, evict, settledBudget } = bed()
    await created(api, paths.deployments, deployment('spent', 3))
    const [one, other] = (await readyPods('spent', 3)).map(({ metadata }) => metadata.name)
    await created(api, paths.budgets, budget('spent', 'spent', { maxUnavailable: 1 }))
    await settledBudget('spent', 1)
    const release = await bed().cluster.holdControllers() // so that it is not given back before it was looked at
    expect((await evict(one, { dryRun: ['All'] })).status).toBe(201)
    expect((await evict(one)).status).toBe(201)
    expect((await api.get(`${paths.budgets}/spent`)).body.status).toMatchObject({
      disruptionsAllowed: 0,
      disruptedPods: { [one]: expect.any(String) },
    })
    expect((await evict(other, { dryRun: ['All'] })).status).toBe(429)
    expect((await evict(other)).status).toBe(429)
    await release()
    await settledBudget('spent', 1)
    expect((await evict(other)).status).toBe(201)
  })

  test('eviction: two budgets on one pod are an error of the server', async () => {
    const { api, paths, readyPods, evict, settledBudget } = bed()
    await created(api, paths.deployments, deployment('both', 1))
    const [pod] = await readyPods('both', 1)
    for (const name of ['both-1', 'both-2']) {
      await created(api, paths.budgets, budget(name, 'both', { maxUnavailable: 1 }))
      await settledBudget(name, 1)
    }
    const { status, body } = await evict(pod.metadata.name)
    expect(status).toBe(500)
    expect(body.message).toContain('This pod has more than one PodDisruptionBudget')
  })

  test('eviction: from a cordoned node a pod comes to run elsewhere', async () => {
    const { api, paths, node: first, space, readyPods, evict } = bed()
    await created(api, paths.deployments, deployment('moved', 1))
    const [pod] = await readyPods('moved', 1)
    expect(pod.spec.nodeName).toBe(first)
    await addNode(api, `${space}-other`)
    await api.patch(`/api/v1/nodes/${first}`, { spec: { unschedulable: true } })
    expect((await evict(pod.metadata.name)).status).toBe(201)
    const [moved] = await until('its replacement is ready', async () => {
      const pods = await readyPods('moved', 1)
      return pods[0].metadata.uid !== pod.metadata.uid && pods
    })
    expect(moved.spec.nodeName).toBe(`${space}-other`)
    await api.patch(`/api/v1/nodes/${first}`, { spec: { unschedulable: null } })
    await api.delete(`${paths.deployments}/moved`)
    await api.delete(`/api/v1/nodes/${space}-other`)
  })

  test('budgets: percentages round up', async () => {
    const { api, paths, readyPods, settledBudget } = bed()
    await created(api, paths.deployments, deployment('percent', 4))
    await readyPods('percent', 4)
    await created(api, paths.budgets, budget('percent', 'percent', { minAvailable: '60%' }))
    await settledBudget('percent', 1)
    expect((await api.get(`${paths.budgets}/percent`)).body.status).toMatchObject({
      expectedPods: 4,
      currentHealthy: 4,
      desiredHealthy: 3,
    })
  })
}
