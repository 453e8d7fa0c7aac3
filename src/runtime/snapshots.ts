import type { Kept } from './fold.ts'
import type { Persisted } from './persist.ts'
import type { Address, Ledger } from './types.ts'

/** An actor after one commit, which `seq` and `nonce` name: it is worth nothing unless the journal still says the same. */
export type CachedSnapshot = {
  readonly f: 1
  readonly n: number
  readonly seq: number
  readonly nonce: string
  readonly ts: number
  readonly mv: number
  readonly own: string
  readonly state: Persisted
  readonly kept: Kept
  readonly ledger: Ledger
}

/** A cache: whatever is lost here costs time and nothing else. */
export type Snapshots = {
  /** Rejects when it could not be kept; nobody depends on it. */
  put(actor: Address, snapshot: CachedSnapshot): Promise<void>
  /** Undefined when there is none, or none that can be read. */
  get(actor: Address): Promise<CachedSnapshot | undefined>
}
