import { connect } from 'nats'
import { expect, test, vi } from 'vitest'
import { kvLeases } from '../../src/adapters/jetstream/leases.ts'
import { fixedAccess } from '../../src/adapters/kubernetes/access.ts'
import { kubernetesClient } from '../../src/adapters/kubernetes/client.ts'
import { kubernetesLeases } from '../../src/adapters/kubernetes/leases.ts'
import { createSimulator } from '../../src/simulator/simulator.ts'
import { type LeaseBed, leasesContract } from '../contracts/leases.ts'
import { natsForTest } from '../nats.ts'
import { proxyTo } from '../proxy.ts'

/** Tests of one file run at the same time: each has its own server, or its own world. */
const kvBed = async (): Promise<LeaseBed> => {
  const nats = await natsForTest()
  const stack = new AsyncDisposableStack()
  stack.use(nats)
  return {
    open: async (timing) => {
      const proxy = stack.use(await proxyTo(nats.port))
      const nc = await connect({ servers: `127.0.0.1:${proxy.port}`, maxReconnectAttempts: -1, reconnectTimeWait: 50 })
      stack.defer(() => nc.close())
      return { leases: await kvLeases(nc.jetstream({ timeout: 1_000 }), { timing }), proxy }
    },
    wipe: async (type) => (await nats.nc.jetstream().views.kv('leases')).purge(type),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

const place = { namespace: 'default', cluster: 'demo' }

const kubernetesBed = async (): Promise<LeaseBed> => {
  const simulator = await createSimulator({ isStill: true })
  const stack = new AsyncDisposableStack()
  stack.defer(() => simulator.stop())
  return {
    open: async (timing) => {
      const proxy = stack.use(await proxyTo(Number(new URL(simulator.url).port)))
      const client = kubernetesClient(fixedAccess({ server: `http://127.0.0.1:${proxy.port}`, token: simulator.token }))
      stack.defer(() => client.close())
      return { leases: kubernetesLeases(client, place, { timing }), proxy }
    },
    wipe: async (type) => void simulator.store.remove('leases', 'default', `quartermaster-demo-${type}`),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

leasesContract('in a KV bucket', kvBed)
leasesContract('as Kubernetes Leases', kubernetesBed)

type Lease = { readonly spec: Readonly<Record<string, unknown>> }
const MICRO_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/

test('Kubernetes Lease: it reads as one of client-go: holder, duration, times, and how often it changed hands', async () => {
  const simulator = await createSimulator({ isStill: true })
  const client = kubernetesClient(fixedAccess({ server: simulator.url, token: simulator.token }))
  const leases = kubernetesLeases(client, place)
  const stored = () => simulator.store.get('leases', 'default', 'quartermaster-demo-worker') as Lease | undefined
  try {
    const first = await leases.acquire('worker', 'a', new AbortController().signal)
    expect(stored()?.spec).toEqual({
      holderIdentity: 'a',
      leaseDurationSeconds: 15,
      acquireTime: expect.stringMatching(MICRO_TIME),
      renewTime: expect.stringMatching(MICRO_TIME),
      leaseTransitions: 0,
    })
    await first.release()
    expect(stored()?.spec).toMatchObject({ holderIdentity: '', leaseDurationSeconds: 1, leaseTransitions: 0 })
    const second = await leases.acquire('worker', 'b', new AbortController().signal)
    expect(stored()?.spec).toMatchObject({ holderIdentity: 'b', leaseDurationSeconds: 15, leaseTransitions: 1 })
    await second.release()
  } finally {
    await client.close()
    await simulator.stop()
  }
})

test('Kubernetes Lease: without the power to watch and without the Lease it is asked for in turns; what lasts is said', async () => {
  const verbs = ['get', 'create', 'update']
  const simulator = await createSimulator({
    isStill: true,
    rules: [{ verbs, groups: ['coordination.k8s.io'], resources: ['leases'] }],
  })
  const client = kubernetesClient(fixedAccess({ server: simulator.url, token: simulator.token }))
  const timing = { leaseMs: 60_000, loseMs: 50_000, renewMs: 300 }
  const said: string[] = []
  const log = { warn: (fields: object, message: string) => void said.push(`${message}: ${JSON.stringify(fields)}`) }
  try {
    const first = await kubernetesLeases(client, place, { timing }).acquire('worker', 'a', new AbortController().signal)
    const waiting = kubernetesLeases(client, place, { timing, log }).acquire('worker', 'b', new AbortController().signal)
    await first.release()
    await (await waiting).release()
    expect(said).toEqual([])

    const life = new AbortController()
    const nowhere = { ...place, namespace: 'nowhere' }
    const never = kubernetesLeases(client, nowhere, { timing, log }).acquire('worker', 'a', life.signal)
    await vi.waitUntil(() => said.length > 0, { timeout: 5_000 })
    expect(said).toEqual([expect.stringContaining('the lease can not be read or written')])
    expect(said[0]).toContain('namespaces \\"nowhere\\" not found')
    life.abort(new Error('the host stops'))
    await expect(never).rejects.toThrow('the host stops')
  } finally {
    await client.close()
    await simulator.stop()
  }
})
