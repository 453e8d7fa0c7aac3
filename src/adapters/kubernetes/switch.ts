import { z } from 'zod'
import { BrakePolicy } from '../../events/cluster.ts'
import { Gone, type SwitchReads, Unavailable } from '../../ports.ts'
import type { KubernetesClient } from './client.ts'

const NAME = 'quartermaster-brake'
const Typed = z.object({ kind: z.literal('ConfigMap') })
const ConfigMap = z.object({ data: z.record(z.string(), z.string()).default({}) })
const MOST_REASON = 500

/**
 * The ConfigMap `quartermaster-brake` as the brake: `hold` is `rollback` or `finish`, anything else that is neither empty
 * nor `false` means `rollback`: whoever wrote it wanted things to stop. `reason` is told to everybody.
 */
export const configMapSwitch = (client: KubernetesClient, namespace: string): SwitchReads => ({
  readSwitch: async (signal) => {
    const found = await client
      .request('GET', `/api/v1/namespaces/${encodeURIComponent(namespace)}/configmaps/${NAME}`, { signal })
      .catch(absent)
    if (found === undefined) return undefined
    // A Status, or the answer to another question, does not release the brake.
    if (!Typed.safeParse(found).success) throw new Unavailable(`the answer for the ConfigMap ${NAME} is none`)
    const { hold = '', reason } = ConfigMap.catch({ data: { hold: 'rollback' } }).parse(found).data
    if (['', 'false', 'no', 'released'].includes(hold.trim().toLowerCase())) return undefined
    const policy = BrakePolicy.catch('rollback').parse(hold.trim())
    return { policy, ...(reason !== undefined && { reason: reason.slice(0, MOST_REASON) }) }
  },
})

const absent = (error: unknown): undefined => {
  if (error instanceof Gone) return undefined
  throw error
}
