import type { Stored } from './journal.ts'
import type { Address } from './types.ts'

/** The commits of one actor, in order and without a gap. */
export type Chapter = { readonly actor: Address; readonly commits: readonly Stored[] }

/** Where commits go that the journal need not hold any more: compressed, checksummed, many actors together. */
export type Archive = {
  /** Resolves when it is stored, was read back and is the same. What is archived twice is read once. */
  write(chapters: readonly Chapter[]): Promise<void>
  /** Hands over the archived commits of one actor, in order. @throws Corrupt when a checksum does not fit */
  read(actor: Address, onStored: (stored: Stored) => void): Promise<void>
  /** Hands over every archived commit written between the two times (epoch ms), each actor's in order. */
  between(from: number, to: number, onStored: (stored: Stored) => void): Promise<void>
}
