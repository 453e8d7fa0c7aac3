import { expect, test } from 'vitest'
import { kubernetesReads } from '../../../src/adapters/kubernetes/reflector.ts'
import { catalogue } from '../../../src/events/kinds.ts'
import type { KubernetesObject } from '../../../src/events/kubernetes.ts'
import type { Served } from '../../../src/ports.ts'
import { type Answer, json, notes, scriptedApi, status } from './scripted-api.ts'

const kind = catalogue().find(({ name }) => name === 'pods.metrics.k8s.io')
if (!kind) throw new Error('the catalogue has no PodMetrics')
const served: Served = { kind, version: 'v1beta1' }

const at = (time: string) => `2026-01-01T${time}:00Z`
const usage = (name: string, time: string) => ({
  metadata: { name, namespace: 'web', creationTimestamp: at(time), labels: { app: name } },
  timestamp: at(time),
  window: '15s',
  containers: [{ name: 'main', usage: { cpu: '12m', memory: '34Mi' } }],
})
const metrics =
  (...items: readonly object[]): Answer =>
  (_, response) =>
    json(response, 200, { kind: 'PodMetricsList', apiVersion: 'metrics.k8s.io/v1beta1', metadata: {}, items })

const polled = async (answers: readonly Answer[], until: string) => {
  let asked = 0
  await using api = await scriptedApi((request, response) => answers[Math.min(asked++, answers.length - 1)]?.(request, response))
  const { listener, said, until: heard } = notes()
  const objects: KubernetesObject[] = []
  const end = new AbortController()
  const page: typeof listener.page = (all) => {
    objects.push(...all.map(({ text }) => JSON.parse(Buffer.from(text).toString()) as KubernetesObject))
    return listener.page(all)
  }
  const pacing = { polled: { everyMs: 1, atMostMs: 5 } }
  const reflection = kubernetesReads(api.client, pacing).reflect(served, undefined, { ...listener, page }, end.signal)
  await Promise.race([heard(until), reflection])
  end.abort()
  await reflection
  return { said, objects, asked: api.asked }
}

test('poller: lists once, and then tells what was measured anew and what is gone', async () => {
  const { said, asked } = await polled(
    [metrics(usage('a', '10:00'), usage('b', '10:00')), metrics(usage('a', '10:01'), usage('c', '10:01'))],
    'ADDED c',
  )
  expect(said).toEqual(['listing', 'page a b', 'listed ', 'DELETED b ', 'MODIFIED a ', 'ADDED c '])
  expect(asked[0]).toBe('GET /apis/metrics.k8s.io/v1beta1/pods')
})

test('poller: a measurement is known by its place and its time, and has no labels', async () => {
  const { objects } = await polled([metrics(usage('a', '10:00'))], 'listed')
  expect(objects).toEqual([
    {
      kind: 'PodMetrics',
      metadata: { name: 'a', namespace: 'web', uid: 'web/a', resourceVersion: at('10:00'), creationTimestamp: at('10:00') },
      timestamp: at('10:00'),
      window: '15s',
      containers: [{ name: 'main', usage: { cpu: '12m', memory: '34Mi' } }],
    },
  ])
})

test('poller: says why the API does not answer, and goes on when it does', async () => {
  const { said } = await polled(
    [
      metrics(usage('a', '10:00')),
      (_, response) => json(response, 503, status(503, 'the server is currently unable to handle the request')),
      metrics(usage('a', '10:02')),
    ],
    'recovered',
  )
  expect(said).toEqual([
    'listing',
    'page a',
    'listed ',
    expect.stringMatching(/^stalled GET .*: 503 the server is currently unable/),
    'MODIFIED a ',
    'recovered',
  ])
})

test('poller: what makes no sense is left out by name', async () => {
  const { said } = await polled([metrics({ metadata: { name: 'x' } }, usage('a', '10:00'))], 'listed')
  expect(said.map((note) => note.split(':')[0])).toEqual(['malformed pods.metrics.k8s.io /x', 'listing', 'page a', 'listed '])
})
