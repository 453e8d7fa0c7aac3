import { expect, test } from 'vitest'
import { kubernetesEvictions } from '../../../src/adapters/kubernetes/evictions.ts'
import { kubernetesWrites } from '../../../src/adapters/kubernetes/writes.ts'
import { Blocked, Refused } from '../../../src/ports.ts'
import { type Answer, json, pod, scriptedApi, status } from './scripted-api.ts'

const web = { namespace: 'default', name: 'web', uid: 'uid-web' }
const budget = (allowed: number) => ({ kind: 'PodDisruptionBudget', status: { disruptionsAllowed: allowed } })
const blocked = status(429, "Cannot evict pod as it would violate the pod's disruption budget.", {
  details: {
    causes: [{ reason: 'DisruptionBudget', message: 'The disruption budget front.web needs 5 healthy pods and has 5' }],
  },
})

/** Evictions over an API and news that do what the test says. */
const bed = async (answer: Answer) => {
  const api = await scriptedApi(answer)
  const followed = new Map<string, (record: unknown) => void>()
  const evictions = kubernetesEvictions(api.client, kubernetesWrites(api.client), {
    follow: ({ resource }, namespace, name, heard) => {
      followed.set(`${resource}/${namespace}/${name}`, heard)
      return () => void followed.delete(`${resource}/${namespace}/${name}`)
    },
  })
  const life = new AbortController()
  return { api, evictions, followed, life, [Symbol.asyncDispose]: () => api[Symbol.asyncDispose]() }
}

test('evictions: a refusal names the budget and what it says', async () => {
  await using site = await bed((_, response) => json(response, 429, blocked))
  const error = await site.evictions.evict(web).catch((each: unknown) => each)
  expect(error).toBeInstanceOf(Blocked)
  expect(error).toMatchObject({ budget: 'front.web', message: expect.stringContaining('needs 5 healthy pods and has 5') })
})

test('evictions: of one owner one is refused, the others are not asked for, and are told the same', async () => {
  await using site = await bed((_, response) => json(response, 429, blocked))
  const refused = async (uid: string, more: object = {}) =>
    site.evictions.evict({ ...web, uid, owner: 'front-7d', ...more }).catch((each: unknown) => each)
  await refused('one')
  const error = await refused('two')
  expect(error).toBeInstanceOf(Blocked)
  expect(error).toMatchObject({
    budget: 'front.web',
    message: expect.stringMatching(/^not asked.*needs 5 healthy pods and has 5/),
  })
  expect(site.api.asked).toHaveLength(1)
  await refused('three', { unready: true })
  expect(site.api.asked).toHaveLength(2)
})

test('evictions: a pod whose deletion is told is looked for once, and gone', async () => {
  let there = true
  await using site = await bed((_, response) => (there ? json(response, 200, pod('web', '1')) : json(response, 404, status(404))))
  const gone = site.evictions.awaitGone(web, site.life.signal)
  there = false
  site.followed.get('pods/default/web')?.(undefined)
  expect(await gone).toBe('gone')
  expect(site.api.asked).toEqual(['GET /api/v1/namespaces/default/pods/web'])
  expect(site.followed.size).toBe(0)
})

test('evictions: another pod of its name means that it is gone; one long past its grace period is stuck', async () => {
  let found: object = pod('web', '1', { uid: 'another' })
  await using site = await bed((_, response) => json(response, 200, found))
  expect(await site.evictions.awaitGone(web, site.life.signal)).toBe('gone')
  found = pod('web', '2', { deletionTimestamp: new Date(Date.now() - 61_000).toISOString() })
  expect(await site.evictions.awaitGone(web, site.life.signal)).toBe('stuck')
})

test('evictions: what Kubernetes refuses ends the wait, an abort too, and nothing is followed any more', async () => {
  await using site = await bed((_, response) => json(response, 403, status(403, 'no')))
  await expect(site.evictions.awaitGone(web, site.life.signal)).rejects.toBeInstanceOf(Refused)
  const waiting = site.evictions.awaitGone(web, site.life.signal)
  site.life.abort(new Error('enough'))
  await expect(waiting).rejects.toThrow('enough')
  expect(site.followed.size).toBe(0)
})

test('evictions: the turn comes with the news that the budget allows it; a record without sense is no news', async () => {
  await using site = await bed((_, response) => json(response, 200, budget(0)))
  const waiter = { namespace: 'default', uid: 'uid-web', budget: 'front', since: 1 }
  let isUp = false
  const turn = site.evictions.awaitTurn(waiter, site.life.signal).then(() => {
    isUp = true
  })
  await new Promise((resolve) => setTimeout(resolve, 100))
  const news = site.followed.get('poddisruptionbudgets/default/front')
  news?.('nonsense')
  news?.({ status: 'nonsense' })
  news?.(budget(0))
  await new Promise((resolve) => setTimeout(resolve, 20))
  expect(isUp).toBe(false)
  news?.(budget(1))
  await turn
})

test('evictions: where there is no such budget any more, everybody may ask', async () => {
  await using site = await bed((_, response) => json(response, 404, status(404)))
  await site.evictions.awaitTurn({ namespace: 'default', uid: 'uid-web', budget: 'front', since: 1 }, site.life.signal)
})
