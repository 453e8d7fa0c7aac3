const ALPHABET = 'bcdfghjklmnpqrstvwxz2456789' // as apimachinery `util/rand`: no vowels, so no words

/** FNV-1a over the text, finished with an avalanche so that neighbours differ everywhere. 32 bits. */
export const hash32 = (text: string): number => {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index += 1) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x7feb352d)
  hash = Math.imul(hash ^ (hash >>> 15), 0x846ca68b)
  return (hash ^ (hash >>> 16)) >>> 0
}

/** A stream of numbers in [0, 1): the same for the same seed (mulberry32). */
export const seededRandom = (seed: number): (() => number) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, '0').slice(-digits)

/** The UID of the object that was the `count`-th write of the world: unique because its end is the count. */
export const uidOf = (seed: number, count: number): string => {
  const high = hex(hash32(`${seed}/${count}/a`), 8)
  const low = hex(hash32(`${seed}/${count}/b`), 8)
  return `${high}-${low.slice(0, 4)}-4${low.slice(4, 7)}-8${hex(seed, 3)}-${hex(count, 12)}`
}

/** A suffix such as those Kubernetes gives to pods and pod templates. */
export const suffixOf = (text: string, length: number): string => {
  const random = seededRandom(hash32(text))
  return Array.from({ length }, () => ALPHABET[Math.floor(random() * ALPHABET.length)]).join('')
}

/** The items in a seeded order (Fisher-Yates). */
export const shuffled = <Item>(items: readonly Item[], random: () => number): Item[] => {
  const order = [...items]
  for (let last = order.length - 1; last > 0; last -= 1) {
    const other = Math.floor(random() * (last + 1))
    const [one, two] = [order[last], order[other]]
    if (one !== undefined && two !== undefined) [order[last], order[other]] = [two, one]
  }
  return order
}
