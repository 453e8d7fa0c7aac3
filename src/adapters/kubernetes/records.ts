import type { Served } from '../../ports.ts'
import { type Projected, projected } from './projection.ts'

/** Whether an object has a place in the picture of its kind. */
export const isKept = ({ kind: { keeps } }: Served, raw: unknown): boolean => keeps?.(raw) ?? true

/** What of an object of the API becomes a record. Items of a list carry no version, and a full record needs it to be read. */
export const recordOf = ({ kind, version }: Served, raw: unknown): Projected => {
  if (kind.record === 'slim' || typeof raw !== 'object' || raw === null) return projected(kind, raw)
  return projected(kind, { ...raw, apiVersion: kind.group === '' ? version : `${kind.group}/${version}` })
}
