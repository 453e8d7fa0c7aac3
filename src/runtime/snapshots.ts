import type { Book } from './fold.ts'
import type { Address, Ledger } from './types.ts'

/** An actor after one commit, which `seq`, `own` and `nonce` name: worth nothing unless the journal still says the same. */
export type CachedSnapshot = Omit<Book, keyof Ledger> & { readonly f: 1; readonly ledger: Ledger }

/** A cache: whatever is lost here costs time and nothing else. */
export type Snapshots = {
  /** Rejects when it could not be kept; nobody depends on it. */
  put(actor: Address, snapshot: CachedSnapshot): Promise<void>
  /** Undefined when there is none, or none that can be read. */
  get(actor: Address): Promise<CachedSnapshot | undefined>
}
