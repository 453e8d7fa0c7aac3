import type { Archive } from './archive.ts'
import type { Journal, Stored } from './journal.ts'
import type { Address } from './types.ts'

/** Types that begin with `$` are the runtime's own notes on the journal: no actor, and no state to fold. */
export const isActor = (type: string): boolean => !type.startsWith('$')

export type Records = { readonly journal: Pick<Journal, 'read' | 'readAll'>; readonly archive?: Archive | undefined }

/**
 * Hands over every commit that an actor has ever written, in order and each once: first what is archived, then what is
 * still in the journal. Between archiving and purging a commit is in both.
 */
export const history = async (
  { journal, archive }: Records,
  actor: Address,
  onStored: (stored: Stored) => void,
): Promise<void> => {
  let newest = 0
  const next = (stored: Stored): void => {
    if (stored.seq <= newest) return
    newest = stored.seq
    onStored(stored)
  }
  // The journal is read first: what is purged from it meanwhile would otherwise be in neither.
  const recent: Stored[] = []
  await journal.read(actor, 0, (stored) => void recent.push(stored))
  await archive?.read(actor, next)
  for (const stored of recent) next(stored)
}
