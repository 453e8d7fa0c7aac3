import type { Guard } from '../../events/guard.ts'
import { controllerOf, type Pod } from '../../events/kubernetes.ts'
import type { KubernetesWrites, Objects } from '../../ports.ts'
import type { EffectsOf } from '../../runtime/types.ts'
import type { controller } from '../controller.ts'
import { eventName } from './object-action-effects.ts'
import { asking } from './requests.ts'

const COMPONENT = 'quartermaster.dev/controller'
const NOTE_MS = 5_000
const ZONE = 'topology.kubernetes.io/zone'

/** @param guard what the file says; this process has it for as long as it lives */
export const controllerEffects = (
  kubernetes: KubernetesWrites,
  objects: Pick<Objects, 'createEvent'>,
  guard: Guard,
): EffectsOf<typeof controller> => ({
  record: {
    reach: 'internal', // it changes nothing that runs
    idempotency: 'keyed', // the name is made of the effect's key
    timeoutMs: 10_000,
    concurrency: 8,
    run: ({ regarding, ...note }, { key, signal }) =>
      objects
        .createEvent(
          { ...note, regarding, name: eventName(regarding, key), reportingComponent: COMPONENT },
          AbortSignal.any([signal, AbortSignal.timeout(NOTE_MS)]),
        )
        // An Event is a courtesy, as Kubernetes' own are: what happened is in the journal, and nothing waits for this.
        .catch(() => {}),
  },
  followGuard: {
    reach: 'internal',
    idempotency: 'natural', // the same guard twice is not accepted twice
    timeoutMs: 'activity',
    run: async (_, { report, signal }) => {
      await report({ type: 'controller.GuardSet', guard })
      await new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
      })
    },
  },
  look: {
    ...asking,
    run: async ({ node: named, pod }, { signal }) => {
      const name = named ?? (await nodeOf(kubernetes, pod ?? '', signal))
      const node = name === undefined ? undefined : await kubernetes.getNode(name, signal)
      const zone = node?.metadata.labels?.[ZONE]
      const pods = named === undefined ? 1 : (await kubernetes.listPodsOn(named, signal)).filter(isTakenAway).length
      return { pods, ...(zone !== undefined && { zone }) }
    },
  },
})
const nodeOf = async (kubernetes: KubernetesWrites, pod: string, signal: AbortSignal): Promise<string | undefined> => {
  const [namespace = '', name = ''] = pod.split('/')
  return name === '' ? undefined : (await kubernetes.getPod(namespace, name, signal))?.spec.nodeName
}

/** What a budget of pods counts: a DaemonSet's come and go with their node, and finished ones run no more. */
const isTakenAway = ({ metadata, status: { phase } }: Pod): boolean =>
  phase !== 'Succeeded' && phase !== 'Failed' && controllerOf(metadata)?.kind !== 'DaemonSet'
