/**
 * A text that is put together from pieces of another, in their order. Pieces that follow each other are copied as one. Its
 * memory is used again for the next one.
 */
export type Draft = {
  bytes: Buffer
  length: number
  /** The piece that is not copied yet. */
  from: number
  to: number
}

const BYTES = 2 ** 14
/** Fewer bytes are copied faster one by one. */
const FEW = 64

export const draft = (): Draft => ({ bytes: Buffer.allocUnsafeSlow(BYTES), length: 0, from: 0, to: 0 })

/** Begins a new text. */
export const begin = (into: Draft, text: Buffer): void => {
  into.length = 0
  into.from = 0
  into.to = 0
  append(into, text)
}

/** Takes a piece. */
export const take = (into: Draft, text: Buffer, from: number, to: number): void => {
  if (into.to !== from) {
    flush(into, text)
    into.from = from
  }
  into.to = to
}

/** Copies what was taken so far. */
export const flush = (into: Draft, text: Buffer): void => {
  if (into.from < into.to) copy(into, text, into.from, into.to)
  into.from = into.to
}

/** Adds something else; what was taken before must be copied already. */
export const append = (into: Draft, other: Buffer): void => copy(into, other, 0, other.length)

const copy = (into: Draft, text: Buffer, from: number, to: number): void => {
  if (into.length + to - from > into.bytes.length) grow(into, to - from)
  const { bytes, length } = into
  if (to - from > FEW) bytes.set(text.subarray(from, to), length)
  else for (let at = from; at < to; at++) bytes[length + at - from] = text[at] ?? 0
  into.length += to - from
}

const grow = (into: Draft, by: number): void => {
  const bytes = Buffer.allocUnsafeSlow(Math.max(into.bytes.length * 2, into.length + by))
  bytes.set(into.bytes.subarray(0, into.length))
  into.bytes = bytes
}
