/** Chance that can be repeated: the same seed, the same numbers. */
export type Random = {
  /** From 0 to below 1. */
  fraction(): number
  /** A whole number from 0 to below `end`. */
  below(end: number): number
  /** From `least` to below `most`. */
  between(least: number, most: number): number
  /** True so often. */
  happens(probability: number): boolean
  pick<Item>(items: readonly [Item, ...Item[]]): Item
  /** One of some, or undefined of none. */
  any<Item>(items: readonly Item[]): Item | undefined
}

const rotated = (value: number, by: number): number => (value << by) | (value >>> (32 - by))

/** Four well-mixed words from a seed (splitmix32): xoshiro must not begin with zeros, nor neighbours alike. */
const words = (seed: number): [number, number, number, number] => {
  let state = seed | 0
  const next = (): number => {
    state = (state + 0x9e3779b9) | 0
    let mixed = state ^ (state >>> 16)
    mixed = Math.imul(mixed, 0x21f0aaad)
    mixed ^= mixed >>> 15
    mixed = Math.imul(mixed, 0x735a2d97)
    return mixed ^ (mixed >>> 15)
  }
  return [next(), next(), next(), next()]
}

/** xoshiro128** 1.1 of Blackman and Vigna. */
export const random = (seed: number): Random => {
  let [a, b, c, d] = words(seed)
  const fraction = (): number => {
    const result = Math.imul(rotated(Math.imul(b, 5), 7), 9) >>> 0
    const kept = b << 9
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    c ^= kept
    d = rotated(d, 11)
    return result / 2 ** 32
  }
  const below = (end: number): number => Math.floor(fraction() * end)
  return {
    fraction,
    below,
    between: (least, most) => least + fraction() * (most - least),
    happens: (probability) => fraction() < probability,
    pick: (items) => items[below(items.length)] ?? items[0],
    any: (items) => items[below(items.length)],
  }
}
