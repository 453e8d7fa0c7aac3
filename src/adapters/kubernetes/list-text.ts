/** A list as the API wrote it: what is before its items, and these, each parsed when it is taken. */
export type ListText = { readonly head: object; readonly items: Iterable<unknown> }

const ITEMS = Buffer.from(',"items":[')
/** So much of how the first item begins is taken for the beginning of every item. */
const BEGINNING = 12
/** Whoever nests so many objects that begin like an item gets no special treatment. */
const GUESSES = 64

/**
 * Cuts a list into its items without parsing it as a whole: five hundred pods as one tree of objects outlive every young
 * collection of garbage, one after the other none does. A border is guessed at by how items begin and proven by parsing:
 * from the beginning of an item on, what ends before the item does is no JSON.
 * @returns undefined if the list is not written in the order that kube-apiserver writes those of its own kinds
 */
export const listText = (bytes: Buffer): ListText | undefined => {
  const at = bytes.indexOf(ITEMS)
  const end = bytes.lastIndexOf(']}')
  if (at < 0 || end < at + ITEMS.length || bytes.toString('utf8', end + 2).trim() !== '') return undefined
  const head = parsed(`${bytes.toString('utf8', 0, at)}}`)
  if (typeof head !== 'object' || head === null || !('metadata' in head)) return undefined
  return { head, items: itemsIn(bytes, at + ITEMS.length, end) }
}

/** @throws SyntaxError where an item is no JSON */
const itemsIn = function* (bytes: Buffer, start: number, end: number): Generator<unknown> {
  const border = Buffer.concat([Buffer.from('},'), bytes.subarray(start, Math.min(end, start + BEGINNING))])
  let [from, look, guesses] = [start, start, 0]
  while (from < end) {
    const next = guesses < GUESSES ? bytes.indexOf(border, look) : -1
    if (next < 0 || next >= end) {
      yield* JSON.parse(`[${bytes.toString('utf8', from, end)}]`) as readonly unknown[]
      return
    }
    const item = parsed(bytes.toString('utf8', from, next + 1))
    if (item === undefined) {
      guesses += 1
      look = next + 1
      continue
    }
    yield item
    from = next + 2
    look = from
    guesses = 0
  }
}

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // what is no JSON ends elsewhere
  }
}
