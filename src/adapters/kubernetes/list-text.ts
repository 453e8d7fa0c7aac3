import type { ObjectRecord } from '../../ports.ts'
import { COMMA, NONE, valueEnd } from './text/json.ts'

/** An item of a list: its record, if that could be taken from the text, or the object. */
export type Item = { readonly record: ObjectRecord } | { readonly raw: unknown }
/** Takes the record of the item that begins there, if it can tell. */
export type Take = (text: Buffer, from: number) => { readonly end: number; readonly record: ObjectRecord } | undefined

/** A list as the API wrote it: what is before its items, and these, each read when it is taken. */
export type ListText = { readonly head: object; readonly items: Iterable<Item> }

const ITEMS = Buffer.from(',"items":[')

/**
 * Cuts a list into its items without parsing it as a whole: five hundred pods as one tree of objects outlive every young
 * collection of garbage, one after the other none does.
 * @returns undefined if the list is not written in the order that kube-apiserver writes those of its own kinds
 */
export const listText = (bytes: Buffer, take: Take = () => undefined): ListText | undefined => {
  const at = bytes.indexOf(ITEMS)
  const end = bytes.lastIndexOf(']}')
  if (at < 0 || end < at + ITEMS.length || bytes.toString('utf8', end + 2).trim() !== '') return undefined
  const head = parsed(`${bytes.toString('utf8', 0, at)}}`)
  if (typeof head !== 'object' || head === null || !('metadata' in head)) return undefined
  return { head, items: itemsIn(bytes, at + ITEMS.length, end, take) }
}

/** @throws SyntaxError where an item is no JSON */
const itemsIn = function* (bytes: Buffer, start: number, end: number, take: Take): Generator<Item> {
  for (let from = start; from < end; ) {
    const taken = take(bytes, from)
    const next = taken?.end ?? valueEnd(bytes, from)
    if (next === NONE || next > end || (next < end && bytes[next] !== COMMA) || next + 1 === end) {
      for (const raw of JSON.parse(`[${bytes.toString('utf8', from, end)}]`) as readonly unknown[]) yield { raw }
      return
    }
    yield taken ?? { raw: JSON.parse(bytes.toString('utf8', from, next)) }
    from = next + 1
  }
}

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // what is no JSON ends elsewhere
  }
}
