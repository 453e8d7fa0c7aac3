import type { Guard } from '../../events/guard.ts'
import { controllerOf, type Pod } from '../../events/kubernetes.ts'
import type { KubernetesWrites } from '../../ports.ts'
import type { EffectsOf } from '../../runtime/types.ts'
import type { controller } from '../controller.ts'
import { asking } from './requests.ts'

const ZONE = 'topology.kubernetes.io/zone'

/** @param guard what the file says; this process has it for as long as it lives */
export const controllerEffects = (kubernetes: KubernetesWrites, guard: Guard): EffectsOf<typeof controller> => ({
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
