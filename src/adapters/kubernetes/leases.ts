import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { Gone, Unavailable } from '../../ports.ts'
import type { Leases } from '../../runtime/inbox.ts'
import { createLeases, type LeaseOptions, type LeaseRecord, type LeaseStore, type LeaseTiming } from '../../runtime/lease.ts'
import type { KubernetesClient } from './client.ts'
import { lines } from './lines.ts'

/** LeaseDuration, RenewDeadline and RetryPeriod of client-go's leader election. */
const TIMING: LeaseTiming = { leaseMs: 15_000, loseMs: 10_000, renewMs: 2_000 }
const WATCH_SECONDS = 300

const Lease = z.looseObject({
  metadata: z.looseObject({ resourceVersion: z.string().min(1) }),
  spec: z
    .looseObject({
      holderIdentity: z.string().nullish(),
      leaseDurationSeconds: z.number().nullish(),
      leaseTransitions: z.number().nullish(),
    })
    .default({}),
})
type Lease = z.infer<typeof Lease>
type Stored = LeaseRecord & { readonly lease: Lease }

export type LeasePlace = { readonly namespace: string; readonly cluster: string }

/**
 * One Lease (coordination.k8s.io/v1) per actor type, named `quartermaster-<cluster>-<type>`, written and judged as
 * client-go's leader election does: the times in it are for people, nobody compares them with a clock of his own.
 * It needs the verbs get, create and update on leases; without watch a released lease is found by asking, a little later.
 */
export const kubernetesLeases = (client: KubernetesClient, place: LeasePlace, options: LeaseOptions = {}): Leases => {
  const settled = { timing: TIMING, ...options }
  return createLeases(leaseStore(client, place, settled.timing), settled)
}

const leaseStore = (client: KubernetesClient, { namespace, cluster }: LeasePlace, timing: LeaseTiming): LeaseStore<Stored> => {
  const collection = `/apis/coordination.k8s.io/v1/namespaces/${encodeURIComponent(namespace)}/leases`
  const nameOf = (type: string): string => `quartermaster-${cluster}-${type}`
  const pathOf = (type: string): string => `${collection}/${encodeURIComponent(nameOf(type))}`
  const put = async (type: string, lease: Lease, spec: object, signal: AbortSignal): Promise<Stored> => {
    // The resourceVersion that was read goes along: the API refuses to overwrite a newer one.
    const body = { ...lease, spec: { ...lease.spec, ...spec } }
    return storedOf(await client.request('PUT', pathOf(type), { body, signal }), timing)
  }
  return {
    read: async (type, signal) => {
      try {
        return storedOf(await client.request('GET', pathOf(type), { signal }), timing)
      } catch (error) {
        if (error instanceof Gone) return undefined
        throw error
      }
    },
    write: async (type, { holder, leaseMs }, over, signal) => {
      const at = microTime()
      const held = { holderIdentity: holder, leaseDurationSeconds: Math.ceil(leaseMs / 1_000), renewTime: at }
      if (over?.holder === holder) return put(type, over.lease, held, signal)
      const leaseTransitions = over ? (over.lease.spec.leaseTransitions ?? 0) + 1 : 0
      const spec = { ...held, acquireTime: at, leaseTransitions }
      if (over) return put(type, over.lease, spec, signal)
      const body = {
        apiVersion: 'coordination.k8s.io/v1',
        kind: 'Lease',
        metadata: { name: nameOf(type), namespace },
        spec,
      }
      return storedOf(await client.request('POST', collection, { body, signal }), timing)
    },
    // As ReleaseOnCancel does: nobody holds it, and a second is enough for those who look at the duration alone.
    release: async (type, { lease }, signal) => {
      const at = microTime()
      await put(type, lease, { holderIdentity: '', leaseDurationSeconds: 1, acquireTime: at, renewTime: at }, signal)
    },
    watch: async (type, onChange, signal) => {
      const query = { watch: true, fieldSelector: `metadata.name=${nameOf(type)}`, timeoutSeconds: WATCH_SECONDS }
      while (!signal.aborted) {
        await untilItEnds(client, collection, query, onChange, signal).catch(() => {}) // then asking in turns has to do
        await sleep(timing.renewMs, undefined, { signal, ref: false }).catch(() => {})
        onChange()
      }
    },
  }
}

const storedOf = (answer: unknown, timing: LeaseTiming): Stored => {
  const { success, data: lease, error } = Lease.safeParse(answer)
  if (!success) throw new Unavailable(`the API's answer is no Lease: ${z.prettifyError(error)}`)
  const { holderIdentity, leaseDurationSeconds } = lease.spec
  const leaseMs = leaseDurationSeconds ? leaseDurationSeconds * 1_000 : timing.leaseMs
  return { version: lease.metadata.resourceVersion, holder: holderIdentity || undefined, leaseMs, lease }
}

/** Kubernetes' MicroTime: exactly six digits of the second. */
const microTime = (): string => new Date().toISOString().replace('Z', '000Z')

const untilItEnds = async (
  client: KubernetesClient,
  path: string,
  query: Record<string, string | number | boolean>,
  onChange: () => void,
  signal: AbortSignal,
): Promise<void> => {
  const body = await client.open(path, { query, signal })
  try {
    for await (const _ of lines(body)) onChange()
  } finally {
    body.on('error', () => {}) // we end it: what it says to that is of no use
    body.destroy()
  }
}
