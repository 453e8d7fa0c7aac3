import { type Means, reflectAll } from '../../../src/actors/agent/reflection.ts'
import { objectStore } from '../../../src/adapters/jetstream/objects.ts'
import { ensureObjectsStream } from '../../../src/adapters/jetstream/objects-stream.ts'
import { publisher } from '../../../src/adapters/jetstream/publish.ts'
import { fixedAccess } from '../../../src/adapters/kubernetes/access.ts'
import { type KubernetesClient, kubernetesClient } from '../../../src/adapters/kubernetes/client.ts'
import { kubernetesDiscovery } from '../../../src/adapters/kubernetes/discovery.ts'
import { kubernetesReads } from '../../../src/adapters/kubernetes/reflector.ts'
import type { AgentEvent, KindNews } from '../../../src/events/agent.ts'
import type { Kind } from '../../../src/events/kinds.ts'
import type { NatsForTest } from '../../nats.ts'
import type { ControlPlane } from '../start.ts'

export type ImpatientAgent = AsyncDisposable & {
  readonly client: KubernetesClient
  /** The last that it reported of each kind. */
  readonly told: Readonly<Record<string, KindNews>>
  /** @throws Error when its reading has ended by itself */
  demandAlive(): void
}

/** The reading of all kinds over the real adapters, which looks every second for what is served, where `up` takes minutes. */
export const impatientAgent = async (
  plane: ControlPlane,
  token: string,
  nats: NatsForTest,
  kinds: readonly Kind[],
): Promise<ImpatientAgent> => {
  const { nc, cluster } = nats
  const [js, jsm] = [nc.jetstream(), await nc.jetstreamManager()]
  await ensureObjectsStream(jsm, cluster, 1)
  const client = kubernetesClient(fixedAccess({ server: plane.url, token, ca: plane.ca }))
  const means: Means = {
    kinds,
    discovery: kubernetesDiscovery(client),
    reads: kubernetesReads(client),
    openStore: objectStore(publisher(nc, 5_000), js, jsm, cluster, 'impatient', { metaMs: 1_000 }).open,
    pace: { lookMs: 1_000, soonMs: 300, gatherMs: 50 },
  }
  const life = new AbortController()
  const told: Record<string, KindNews> = {}
  let failure: unknown
  const context = {
    key: 'agent/test/1/0',
    actor: { type: 'agent', id: 'test' },
    attempt: 1,
    signal: life.signal,
    report: async (event: unknown) => void Object.assign(told, (event as AgentEvent & { readonly kinds: object }).kinds),
  }
  const done = reflectAll(means, { served: {}, unavailable: {}, relist: false }, context).catch((error: unknown) => {
    failure = error
  })
  return {
    client,
    told,
    demandAlive: () => {
      if (failure !== undefined) throw new Error(`the agent ended: ${String(failure)}`, { cause: failure })
    },
    [Symbol.asyncDispose]: async () => {
      life.abort(new Error('the test ends'))
      await done
      await client.close()
    },
  }
}
