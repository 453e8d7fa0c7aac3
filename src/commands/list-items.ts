import { closeSync, openSync, readSync } from 'node:fs'

const CHUNK_BYTES = 4 * 2 ** 20
const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN_ARRAY = 0x5b
/** The items of a List are values two levels down, in its array `items`. */
const ITEM_DEPTH = 3
const ITEMS = /"items"\s*:\s*$/

/** What a byte does outside of strings: 1 opens a level, 2 closes one, 3 begins a string. */
const ROLES = new Uint8Array(256)
for (const [text, role] of [
  ['{[', 1],
  ['}]', 2],
  ['"', 3],
] as const)
  for (const character of text) ROLES[character.charCodeAt(0)] = role

/** What is left of a List when its items are taken out. */
export type Listed = {
  /** The List itself with `null` in the place of each item: what is no JSON here was none before. */
  readonly skeleton: string
  readonly count: number
}

/** Takes bytes in pieces and gives out the items, each as one text. */
const splitter = (onItem: (text: string) => void) => {
  let depth = 0
  let isItems = false
  let count = 0
  let isString = false
  let isEscaped = false
  let skeleton = ''
  let parts: Buffer[] = []
  /** What is still to be given out of this piece begins here. */
  let begin = 0

  const open = (chunk: Buffer, at: number): void => {
    depth += 1
    if (depth === ITEM_DEPTH - 1)
      isItems =
        chunk[at] === OPEN_ARRAY && ITEMS.test(skeleton.slice(-TAIL) + chunk.toString('utf8', Math.max(begin, at - TAIL), at))
    if (depth !== ITEM_DEPTH || !isItems) return
    skeleton += `${chunk.toString('utf8', begin, at)}null`
    begin = at
  }
  const close = (chunk: Buffer, end: number): void => {
    depth -= 1
    if (depth !== ITEM_DEPTH - 1 || !isItems) return
    const text = parts.length === 0 ? chunk.toString('utf8', begin, end) : whole(parts, chunk.subarray(begin, end))
    parts = []
    begin = end
    count += 1
    onItem(text)
  }
  /** @returns where the string that is open ends, or the end of the piece */
  const skipString = (chunk: Buffer, from: number): number => {
    let at = isEscaped ? from + 1 : from
    isEscaped = false
    for (; at < chunk.length; at += 1) {
      if (chunk[at] === BACKSLASH) {
        at += 1
        isEscaped = at >= chunk.length
      } else if (chunk[at] === QUOTE) {
        isString = false
        return at + 1
      }
    }
    return chunk.length
  }
  const scan = (chunk: Buffer): void => {
    let at = 0
    while (at < chunk.length) {
      if (isString) at = skipString(chunk, at)
      while (at < chunk.length && ROLES[chunk[at] ?? 0] === 0) at += 1
      if (at >= chunk.length) return
      const role = ROLES[chunk[at] ?? 0]
      if (role === 1) open(chunk, at)
      at += 1
      if (role === 2) close(chunk, at)
      if (role === 3) isString = true
    }
  }
  return {
    take(chunk: Buffer): void {
      begin = 0
      scan(chunk)
      if (isItems && depth >= ITEM_DEPTH) parts.push(Buffer.from(chunk.subarray(begin)))
      else skeleton += chunk.toString('utf8', begin)
    },
    end: (): Listed => ({ skeleton: skeleton + Buffer.concat(parts).toString(), count }),
  }
}
/** So far back the key of a value is looked for. */
const TAIL = 64
const whole = (parts: readonly Buffer[], last: Buffer): string => Buffer.concat([...parts, last]).toString()

/**
 * Reads a List of any size from a JSON file, and gives out its items as text, one after the other. Only brackets and
 * strings are told apart here: JSON.parse has to judge each text, and the skeleton.
 */
export const readItems = (file: string, onItem: (text: string) => void, chunkBytes = CHUNK_BYTES): Listed => {
  const { take, end } = splitter(onItem)
  const handle = openSync(file, 'r')
  try {
    const buffer = Buffer.allocUnsafe(chunkBytes)
    for (let length = readSync(handle, buffer); length > 0; length = readSync(handle, buffer)) take(buffer.subarray(0, length))
  } finally {
    closeSync(handle)
  }
  return end()
}
