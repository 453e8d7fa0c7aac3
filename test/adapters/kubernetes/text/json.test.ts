import fc from 'fast-check'
import { expect, test } from 'vitest'
import { NONE, valueEnd } from '../../../../src/adapters/kubernetes/text/json.ts'

const isJson = (text: string): boolean => {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}
const isTaken = (bytes: Buffer): boolean => valueEnd(bytes, 0) === bytes.length

test('json: every value that is written without white space ends where it ends, whatever comes after it', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6 }), fc.constantFrom('', ',', '}', ']', '"', ',{'), (value, after) => {
      const text = Buffer.from(JSON.stringify(value))
      expect(valueEnd(Buffer.concat([text, Buffer.from(after)]), 0)).toBe(text.length)
    }),
  )
})

// Numbers, escapes and words as they are and as they nearly are.
const token = fc.constantFrom(
  ...[
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '"',
    '""',
    '"a"',
    '\\',
    '\\"',
    '\\u00e',
    '\\u00e9',
    '\\x',
    'é',
    '東',
    '\u0001',
    '\u007f',
    '\u2028',
  ],
  ...[
    'true',
    'false',
    'null',
    'nul',
    'trueé',
    '0',
    '00',
    '-',
    '-0',
    '1',
    '12',
    '.',
    '1.',
    '.5',
    '1.5',
    'e',
    'e+',
    '1e5',
    '1E-5',
    '+1',
    'NaN',
  ],
)

test('json: what is taken is exactly what JSON.parse takes', () => {
  let taken = 0
  fc.assert(
    fc.property(fc.array(token, { maxLength: 7 }), (tokens) => {
      const text = tokens.join('')
      expect(isTaken(Buffer.from(text)), text).toBe(isJson(text))
      if (isJson(text)) taken += 1
    }),
    { numRuns: 5_000 },
  )
  expect(taken).toBeGreaterThan(50)
})

test('json: what is broken in one place, or cut off, is taken only where JSON.parse takes it', () => {
  const change = fc.record({ at: fc.nat(), byte: fc.nat(127), cut: fc.boolean() })
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 4 }), change, (value, { at, byte, cut }) => {
      const bytes = Buffer.from(
        JSON.stringify(value, (_, one: unknown) => (typeof one === 'string' ? one.replace(/[^ -~]/g, '"') : one)),
      )
      const place = at % bytes.length
      bytes[place] = byte
      const text = cut ? bytes.subarray(0, place) : bytes
      const isSpaced = /\s/.test(text.toString()) // left to JSON.parse
      if (isTaken(text) || !isSpaced) expect(isTaken(text), text.toString()).toBe(isJson(text.toString()))
    }),
    { numRuns: 2_000 },
  )
})

test('json: white space between tokens, and what is nested too deeply, are left to JSON.parse', () => {
  const deep = (depth: number) => Buffer.from('['.repeat(depth) + ']'.repeat(depth))
  expect(valueEnd(Buffer.from('{ "a":1}'), 0)).toBe(NONE)
  expect(valueEnd(deep(100), 0)).toBe(200)
  expect(valueEnd(deep(100_000), 0)).toBe(NONE)
  expect(valueEnd(Buffer.from('{"a":'.repeat(100_000)), 0)).toBe(NONE)
})
