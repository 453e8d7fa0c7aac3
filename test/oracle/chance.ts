import { seededRandom } from '../../src/simulator/random.ts'

/** What is drawn by lot; the same for the same seed. */
export type Chance = {
  readonly happens: (probability: number) => boolean
  /** From `least` to `most`, both among them. */
  readonly between: (least: number, most: number) => number
  /** @throws RangeError when there is nothing to pick from */
  readonly pick: <Item>(items: readonly Item[]) => Item
  /** Each by itself with the probability, in their order. */
  readonly some: <Item>(items: readonly Item[], probability: number) => readonly Item[]
}

export const chance = (seed: number): Chance => {
  const random = seededRandom(seed)
  const between = (least: number, most: number): number => least + Math.floor(random() * (most - least + 1))
  return {
    happens: (probability) => random() < probability,
    between,
    pick: (items) => {
      const index = between(0, items.length - 1)
      if (!(index in items)) throw new RangeError('there is nothing to pick from')
      return items[index] as (typeof items)[number]
    },
    some: (items, probability) => items.filter(() => random() < probability),
  }
}
