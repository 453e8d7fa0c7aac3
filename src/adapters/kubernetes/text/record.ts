import type { Kind } from '../../../events/kinds.ts'
import type { ObjectRecord } from '../../../ports.ts'
import { strangeness } from '../projection.ts'
import { keptAnnotation, mayBeKept } from '../redaction/annotations.ts'
import { isKey, KEY_CHARACTERS } from '../redaction/rule.ts'
import { scrubbed, TEXT_CHARACTERS, TOKEN_CHARACTERS } from '../redaction/secrets.ts'
import { append, begin, type Draft, flush, take } from './draft.ts'
import { CLOSE, CLOSE_LIST, COLON, COMMA, isAt, NONE, OPEN, OPEN_LIST, plainBytes, QUOTE, valueEnd } from './json.ts'
import { type Field, type Named, type ObjectShape, type Scalar, type Shape, shapeOf } from './shape.ts'

// Of a pod of 6 kB its record needs 1.7, and to make objects of the whole took two thirds of the time and nearly all of
// the garbage of a first list. So a record is cut out of the text, by the schema and the allow-list at once. As the walk
// over objects (slim.ts) this decides nothing: what does not fit at once, or redaction would change, is not taken.

/** Where an object ends, and its record. */
export type Taken = { readonly end: number; readonly record: ObjectRecord }

/**
 * The record of the object of a list that begins at `from`: parsed, it is what `projected` makes of the object.
 * @param kind one of whose objects little is kept (slim)
 * @param text UTF-8
 * @returns undefined where `projected` has to tell
 */
export const recordAt = (kind: Kind, text: Buffer, from: number, into: Draft): Taken | undefined => {
  const head = headOf(kind)
  const named: Named = { name: '', namespace: undefined, uid: '', resourceVersion: '' }
  begin(into, head)
  const end = text[from] === OPEN ? taken(shapeOf(kind), text, from, into, named) : NONE
  if (end === NONE || strangeness(kind, {}, { metadata: named }) !== undefined) return undefined
  flush(into, text)
  into.bytes[head.length] = COMMA // in the place of the object's own brace: there is more in it, since it has metadata
  return { end, record: { metadata: named, text: Buffer.from(into.bytes.subarray(0, into.length)) } }
}

const heads = new Map<string, Buffer>()
const headOf = ({ kind }: Kind): Buffer => {
  const known = heads.get(kind)
  if (known) return known
  const head = Buffer.from(`{"kind":"${kind}"`)
  heads.set(kind, head)
  return head
}

/** Takes what is kept of a value. @returns where the value ends, or NONE if it does not fit */
const taken = (shape: Shape, text: Buffer, from: number, into: Draft, named: Named): number => {
  if (shape.form === 'scalar') {
    const end = scalarEnd(shape, text, from, named)
    if (end !== NONE) take(into, text, from, end)
    return end
  }
  if (shape.form === 'list') return text[from] === OPEN_LIST ? list(shape.inner, text, from, into, named) : NONE
  if (text[from] !== OPEN || shape.form === 'never' || shape.form === 'annotations') return NONE
  return shape.form === 'map' ? map(shape.inner, text, from, into, named) : object(shape, text, from, into, named)
}

const scalarEnd = (shape: Scalar, text: Buffer, from: number, named: Named): number => {
  if (text[from] !== QUOTE) {
    const end = valueEnd(text, from)
    return end !== NONE && isOfType(shape, text, from, end) ? end : NONE
  }
  const end = shape.string ? plainEnd(text, from) : NONE
  if (end === NONE || !isLeftAlone(text, from + 1, end - 1, shape.fits)) return NONE
  if (shape.tells !== undefined) named[shape.tells] = text.toString('utf8', from + 1, end - 1)
  return end
}

const [AT_SIGN, MINUS, NINE, TRUE, FALSE, NULL] = [0x40, 0x2d, 0x39, 0x74, 0x66, 0x6e]
const PLAIN = plainBytes()
PLAIN[AT_SIGN] = 0

/** Where a string ends that is written as it reads, without escapes, and has no user before an `@` in it; or NONE. */
const plainEnd = (text: Buffer, from: number): number => {
  let at = from + 1
  while (PLAIN[text[at] ?? 0] === 1) at++
  return text[at] === QUOTE ? at + 1 : NONE
}

/** Whether redaction leaves such a text as it is. Of a short one no string is made: that would take longer than all else. */
const isLeftAlone = (text: Buffer, from: number, to: number, fits: Scalar['fits']): boolean => {
  if (to - from > TEXT_CHARACTERS) return false
  if (fits !== undefined) return fits(text.toString('utf8', from, to))
  return to - from < TOKEN_CHARACTERS || isScrubbed(text.toString('utf8', from, to))
}
const isScrubbed = (text: string): boolean => scrubbed(text) === text

/** Longer numbers, and those with an exponent, may not be written again as they were read. */
const DIGITS = 15
const isOfType = ({ number, boolean }: Scalar, text: Buffer, from: number, end: number): boolean => {
  const first = text[from]
  if (first === TRUE || first === FALSE) return boolean
  if (!number || end - from > DIGITS) return false
  for (let at = from; at < end; at++) {
    const one = text[at] ?? 0
    if (one < MINUS || one > NINE) return false
  }
  return true
}

const list = (inner: Shape, text: Buffer, from: number, into: Draft, named: Named): number => {
  take(into, text, from, from + 1)
  let at = from + 1
  for (let next = text[at] === CLOSE_LIST ? text[at++] : COMMA; next !== CLOSE_LIST; next = text[at++]) {
    if (next !== COMMA) return NONE
    if (at > from + 1) take(into, text, at - 1, at)
    at = taken(inner, text, at, into, named)
    if (at === NONE) return NONE
  }
  take(into, text, at - 1, at)
  return at
}

/** It would be no key of an object but its prototype. */
const PROTOTYPE = Buffer.from('__proto__')
const isKeyAt = (text: Buffer, from: number, to: number): boolean =>
  to - from <= KEY_CHARACTERS &&
  (to - from !== PROTOTYPE.length || !isAt(text, from, PROTOTYPE)) &&
  isLeftAlone(text, from, to, undefined)

const map = (inner: Shape, text: Buffer, from: number, into: Draft, named: Named): number => {
  let at = from + 1
  take(into, text, from, at)
  for (let next = text[at] === CLOSE ? text[at++] : COMMA; next !== CLOSE; next = text[at++]) {
    const colon = next === COMMA ? nameEnd(text, at) : NONE
    if (colon === NONE || !isKeyAt(text, at + 1, colon - 1)) return NONE
    take(into, text, at > from + 1 ? at - 1 : at, colon + 1)
    at = taken(inner, text, colon + 1, into, named)
    if (at === NONE) return NONE
  }
  take(into, text, at - 1, at)
  return at
}

const object = (shape: ObjectShape, text: Buffer, from: number, into: Draft, named: Named): number => {
  let [at, seen, isEmpty] = [from + 1, 0, true]
  take(into, text, from, at)
  for (let next = text[at] === CLOSE ? text[at++] : COMMA; next !== CLOSE; next = text[at++]) {
    const colon = next === COMMA ? nameEnd(text, at) : NONE
    if (colon === NONE) return NONE
    const field = fieldAt(shape.fields[colon - at - 2], text, at + 1)
    if (field !== undefined && (seen & field.bit) !== 0) return NONE // of two the last counts
    seen |= field?.bit ?? 0
    if (field === undefined || (field.isNullable && text[colon + 1] === NULL)) at = valueEnd(text, colon + 1)
    else if (field.shape.form === 'annotations') {
      const kept: Record<string, string> = {}
      at = annotations(text, colon + 1, kept)
      if (write(kept, isEmpty, text, into)) isEmpty = false
    } else {
      take(into, text, isEmpty ? at : at - 1, colon + 1) // with the comma before it
      isEmpty = false
      at = taken(field.shape, text, colon + 1, into, named)
    }
    if (at === NONE) return NONE
  }
  take(into, text, at - 1, at)
  return (seen & shape.required) === shape.required ? at : NONE
}

/** Few are kept, and those may be changed. @returns where they end, or NONE */
const annotations = (text: Buffer, from: number, kept: Record<string, string>): number => {
  let at = from + 1
  for (let next = text[from] !== OPEN ? undefined : text[at] === CLOSE ? text[at++] : COMMA; next !== CLOSE; next = text[at++]) {
    const colon = next === COMMA ? nameEnd(text, at) : NONE
    const end = colon !== NONE && text[colon + 1] === QUOTE ? valueEnd(text, colon + 1) : NONE
    if (end === NONE) return NONE
    const key = text.toString('utf8', at + 1, colon - 1)
    if (mayBeKept(key)) {
      const value = isKey(key) ? keptAnnotation(key, JSON.parse(text.toString('utf8', colon + 1, end)) as string) : undefined
      if (value === undefined) return NONE
      kept[key] = value
    }
    at = end
  }
  return at
}

const write = (kept: Readonly<Record<string, string>>, isFirst: boolean, text: Buffer, into: Draft): boolean => {
  if (Object.keys(kept).length === 0) return false
  flush(into, text)
  append(into, Buffer.from(`${isFirst ? '' : ','}"annotations":${JSON.stringify(kept)}`))
  return true
}

const fieldAt = (fields: readonly Field[] = [], text: Buffer, at: number): Field | undefined => {
  for (const field of fields) if (isAt(text, at, field.name)) return field
  return undefined
}

/** Where the colon after a name is. With an escape in it, it may be any name. */
const nameEnd = (text: Buffer, from: number): number => {
  const end = text[from] === QUOTE ? plainEnd(text, from) : NONE
  return end !== NONE && text[end] === COLON ? end : NONE
}
