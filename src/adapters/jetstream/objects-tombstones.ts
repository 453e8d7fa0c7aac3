import type { JetStreamManager } from 'nats'
import { Unanswered } from '../../runtime/journal.ts'
import { asked } from './errors.ts'
import { OBJECTS } from './objects-stream.ts'
import type { Slot } from './objects-writer.ts'

const PURGES_PER_ROUND = 500

/** Removes tombstones written before `before` (epoch ms), a few hundred a round; what fails for now is left for the next. */
export const purgeTombstones = async (
  jsm: JetStreamManager,
  slots: Map<string, Slot>,
  tombstones: Map<string, Slot>,
  before: number,
  signal: AbortSignal,
): Promise<void> => {
  const due = [...tombstones].filter(([, { writtenAt }]) => writtenAt <= before).slice(0, PURGES_PER_ROUND)
  for (const [subject, { seq }] of due) {
    if (signal.aborted) return
    try {
      // By sequence: a record written in the meantime stays.
      await asked(`${OBJECTS} ${subject}`, () => jsm.streams.purge(OBJECTS, { filter: subject, seq: seq + 1 }))
    } catch (error) {
      if (error instanceof Unanswered) return // the next round tries again
      throw error
    }
    if (slots.get(subject)?.seq === seq) slots.delete(subject)
    if (tombstones.get(subject)?.seq === seq) tombstones.delete(subject)
  }
}
