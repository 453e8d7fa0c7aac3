import type { CachedSnapshot, Snapshots } from '../snapshots.ts'
import { addressOf } from '../types.ts'

export type MemorySnapshots = Snapshots & {
  /** By address, as JSON text. */
  readonly values: Map<string, string>
}

/** Cached snapshots in memory; each passes through JSON, as on the wire. */
export const memorySnapshots = (): MemorySnapshots => {
  const values = new Map<string, string>()
  return {
    values,
    put: async (actor, snapshot) => void values.set(addressOf(actor), JSON.stringify(snapshot)),
    get: async (actor) => {
      const text = values.get(addressOf(actor))
      return text === undefined ? undefined : (JSON.parse(text) as CachedSnapshot)
    },
  }
}
