// Where JSON's values end (RFC 8259, down to the last escape), found without making anything of them. White space between
// tokens, which an API server does not write, and what is nested too deeply are not taken: JSON.parse judges those.

/** Nothing that is taken begins here. */
export const NONE = -1
/** Objects of the API are not nested so deeply; what is must not overflow the stack. */
const DEEPEST = 200

export const [QUOTE, COMMA, COLON] = [0x22, 0x2c, 0x3a]
export const [OPEN, CLOSE, OPEN_LIST, CLOSE_LIST] = [0x7b, 0x7d, 0x5b, 0x5d]
const [BACKSLASH, MINUS, PLUS, POINT, ZERO, NINE] = [0x5c, 0x2d, 0x2b, 0x2e, 0x30, 0x39]
const [LARGE_E, SMALL_E, HEXADECIMAL] = [0x45, 0x65, 0x75]
const FIRST_CHARACTER = 0x20

/** Where the value that begins at `from` ends, or NONE. @param text UTF-8 */
export const valueEnd = (text: Buffer, from: number, deepest = DEEPEST): number => {
  const first = text[from]
  if (first === QUOTE) return stringEnd(text, from)
  if (first === OPEN) return objectEnd(text, from, deepest)
  if (first === OPEN_LIST) return listEnd(text, from, deepest)
  return scalarEnd(text, from)
}

const objectEnd = (text: Buffer, from: number, deepest: number): number => {
  if (deepest === 0) return NONE
  let at = from + 1
  if (text[at] === CLOSE) return at + 1
  for (;;) {
    const colon = nameEnd(text, at)
    if (colon === NONE) return NONE
    at = valueEnd(text, colon + 1, deepest - 1)
    if (at === NONE) return NONE
    const next = text[at++]
    if (next === CLOSE) return at
    if (next !== COMMA) return NONE
  }
}

const listEnd = (text: Buffer, from: number, deepest: number): number => {
  if (deepest === 0) return NONE
  let at = from + 1
  if (text[at] === CLOSE_LIST) return at + 1
  for (;;) {
    at = valueEnd(text, at, deepest - 1)
    if (at === NONE) return NONE
    const next = text[at++]
    if (next === CLOSE_LIST) return at
    if (next !== COMMA) return NONE
  }
}

/** Where the colon after the name of a member is, or NONE. */
const nameEnd = (text: Buffer, from: number): number => {
  const end = text[from] === QUOTE ? stringEnd(text, from) : NONE
  return end !== NONE && text[end] === COLON ? end : NONE
}

/** 1 for the bytes that stand for themselves in a string. */
export const plainBytes = (): Uint8Array => {
  const bytes = new Uint8Array(256).fill(1, FIRST_CHARACTER)
  bytes[QUOTE] = 0
  bytes[BACKSLASH] = 0
  return bytes
}
const PLAIN = plainBytes()

const stringEnd = (text: Buffer, from: number): number => {
  for (let at = from + 1; ; ) {
    while (PLAIN[text[at] ?? 0] === 1) at++
    if (text[at] === QUOTE) return at + 1
    const escaped = text[at] === BACKSLASH ? escapeLength(text, at + 1) : NONE
    if (escaped === NONE) return NONE
    at += escaped + 1
  }
}

const ESCAPES: ReadonlySet<number> = new Set(Buffer.from('"\\/bfnrt'))
const escapeLength = (text: Buffer, at: number): number => {
  const one = text[at] ?? 0
  if (one !== HEXADECIMAL) return ESCAPES.has(one) ? 1 : NONE
  return /^[0-9a-fA-F]{4}$/.test(text.toString('latin1', at + 1, at + 5)) ? 5 : NONE
}

const [FALSE, NULL, TRUE] = [Buffer.from('false'), Buffer.from('null'), Buffer.from('true')]

/** Where a number, a Boolean or null ends, or NONE. */
const scalarEnd = (text: Buffer, from: number): number => {
  const first = text[from]
  const word = first === TRUE[0] ? TRUE : first === FALSE[0] ? FALSE : first === NULL[0] ? NULL : undefined
  if (word === undefined) return numberEnd(text, from)
  return isAt(text, from, word) ? from + word.length : NONE
}

export const isAt = (text: Buffer, at: number, word: Buffer): boolean => {
  for (let index = 0; index < word.length; index++) if (text[at + index] !== word[index]) return false
  return true
}

const numberEnd = (text: Buffer, from: number): number => {
  const whole = text[from] === MINUS ? from + 1 : from
  let at = digitsEnd(text, whole)
  if (at === whole || (text[whole] === ZERO && at > whole + 1)) return NONE
  if (text[at] === POINT) {
    const fraction = at + 1
    at = digitsEnd(text, fraction)
    if (at === fraction) return NONE
  }
  if (text[at] !== SMALL_E && text[at] !== LARGE_E) return at
  const exponent = text[at + 1] === PLUS || text[at + 1] === MINUS ? at + 2 : at + 1
  at = digitsEnd(text, exponent)
  return at === exponent ? NONE : at
}

const digitsEnd = (text: Buffer, from: number): number => {
  let at = from
  for (let one = text[at] ?? 0; one >= ZERO && one <= NINE; one = text[++at] ?? 0);
  return at
}
