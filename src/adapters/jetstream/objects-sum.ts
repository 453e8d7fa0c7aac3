/** Count and order-free hash of a changing set of (uid, resourceVersion): equal sets have equal sums, however they came to be. */
export type ObjectsSum = {
  add(uid: string, resourceVersion: string): void
  remove(uid: string, resourceVersion: string): void
  count(): number
  /** 16 hexadecimal digits. */
  hash(): string
}

/** Adding and removing cost the same, whatever the size of the set: two 32-bit lanes, summed with overflow. */
export const objectsSum = (): ObjectsSum => {
  let [count, high, low] = [0, 0, 0]
  const change = (uid: string, resourceVersion: string, sign: 1 | -1): void => {
    const text = `${uid}/${resourceVersion}`
    count += sign
    high = (high + sign * lane(text, 0x9e3779b9)) >>> 0
    low = (low + sign * lane(text, 0x85ebca6b)) >>> 0
  }
  return {
    add: (uid, resourceVersion) => change(uid, resourceVersion, 1),
    remove: (uid, resourceVersion) => change(uid, resourceVersion, -1),
    count: () => count,
    hash: () => hex(high) + hex(low),
  }
}

const hex = (lane: number): string => lane.toString(16).padStart(8, '0')

// FNV-1a with MurmurHash3's finish, so that the sums of similar versions do not cancel.
const lane = (text: string, seed: number): number => {
  let hash = seed
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
