import type { DurableActor } from './actor.ts'

/** The actors of one type that are in memory, and what they have before them. */
export type Census = {
  readonly residents: number
  /** Commands, timers and effects' ends that wait for their turn in a mailbox, those being decided included. */
  readonly waiting: number
  /** Effects that were asked for and have not ended. */
  readonly open: number
  /** Effects that failed for good and wait for a person. */
  readonly parked: number
}

/** Pure: counts the actors by their type. */
export const censusOf = (actors: Iterable<DurableActor>): ReadonlyMap<string, Census> => {
  const counts = new Map<string, Census>()
  for (const { self, book, waiting } of actors) {
    const before = counts.get(self.type) ?? { residents: 0, waiting: 0, open: 0, parked: 0 }
    const owed = [...(book()?.open.values() ?? [])]
    const parked = owed.filter((intent) => intent.parked !== undefined).length
    counts.set(self.type, {
      residents: before.residents + 1,
      waiting: before.waiting + waiting(),
      open: before.open + owed.length - parked,
      parked: before.parked + parked,
    })
  }
  return counts
}
