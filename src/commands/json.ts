// V8 tells the position of some syntax errors only: this finds the others. It is run only on a text that is no JSON.
const STRING = /"(?:[ !#-[\]-\uffff]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y
const SCALAR = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y
const BLANK = /[ \t\n\r]*/y

const after = (form: RegExp, text: string, at: number): number => {
  form.lastIndex = at
  return form.test(text) ? form.lastIndex : -1
}
// Where an unfinished string goes wrong: at its first control character, or at the end of the text.
const inString = (text: string, at: number): number => {
  const wrong = /[^ -\uffff]/g
  wrong.lastIndex = at
  return wrong.test(text) ? wrong.lastIndex - 1 : text.length
}

type Expected = 'value' | 'value or ]' | 'key' | 'key or }' | ':' | ', or end'

/** The offset of the first character that can't be there; the text's length when it ends too early. */
export const syntaxErrorAt = (text: string): number => {
  const open: string[] = []
  let expected: Expected = 'value'
  let at = after(BLANK, text, 0)
  for (; at < text.length; at = after(BLANK, text, at)) {
    const character = text[at] ?? ''
    const closes = character === ']' || character === '}'
    if (closes && open.at(-1) === character && (expected === ', or end' || expected.endsWith(`or ${character}`))) {
      open.pop()
      expected = ', or end'
    } else if (expected === ', or end') {
      if (character !== ',' || open.length === 0) return at
      expected = open.at(-1) === '}' ? 'key' : 'value'
    } else if (expected === ':') {
      if (character !== ':') return at
      expected = 'value'
    } else if (expected.startsWith('value') && (character === '[' || character === '{')) {
      open.push(character === '[' ? ']' : '}')
      expected = character === '[' ? 'value or ]' : 'key or }'
    } else {
      const isKey = expected.startsWith('key')
      const end = character === '"' ? after(STRING, text, at) : isKey ? -1 : after(SCALAR, text, at)
      if (end < 0) return character === '"' ? inString(text, at) : at
      expected = isKey ? ':' : ', or end'
      at = end
      continue
    }
    at += 1
  }
  return text.length
}
