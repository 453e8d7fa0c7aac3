import type { KubernetesObject } from '../../events/kubernetes.ts'
import type { ObjectRecord, Served } from '../../ports.ts'
import { apiVersionOf } from './pages.ts'
import { type Projected, projected } from './projection.ts'

/** Whether an object has a place in the picture of its kind. */
export const isKept = ({ kind: { keeps } }: Served, raw: unknown): boolean => keeps?.(raw) ?? true

/** What of an object of the API becomes a record. Items of a list carry no version, and a full record needs it to be read. */
export const recordOf = (served: Served, raw: unknown): Projected => {
  if (typeof raw !== 'object' || raw === null) return projected(served.kind, raw)
  return projected(served.kind, served.kind.record === 'slim' ? raw : { ...raw, apiVersion: apiVersionOf(served) })
}

/** An object that was read, as it is written down. */
export const written = (object: KubernetesObject): ObjectRecord => ({
  metadata: object.metadata,
  text: Buffer.from(JSON.stringify(object)),
})
