import fc from 'fast-check'
import { expect, test } from 'vitest'
import { diff, NotJson, type Patch, patched } from '../../src/runtime/patch.ts'

const key = fc.oneof(fc.constantFrom('a', 'b', '__proto__', 'constructor', ''), fc.string({ maxLength: 3 }))
const { json } = fc.letrec((tie) => ({
  json: fc.oneof(
    { depthSize: 'small' },
    fc.constant(null),
    fc.boolean(),
    fc.integer(),
    fc.string({ maxLength: 4 }),
    tie('array'),
    tie('bag'),
  ),
  array: fc.array(tie('json'), { maxLength: 4 }),
  // Own properties, `__proto__` included, as JSON.parse makes them.
  bag: fc.array(fc.tuple(key, tie('json')), { maxLength: 4 }).map((entries) => Object.fromEntries(entries)),
}))
const wire = (patch: Patch): Patch => JSON.parse(JSON.stringify(patch)) as Patch

test('patch: applied to the value before, it gives the value after', () => {
  fc.assert(
    fc.property(json, json, (before, after) => {
      expect(JSON.stringify(patched(before, wire(diff(before, after))))).toEqual(JSON.stringify(reordered(before, after)))
    }),
    { numRuns: 2_000 },
  )
})

/** Keys keep the order of the value before; new ones come last. Order is no part of a JSON object, so it is aligned here. */
const reordered = (before: unknown, after: unknown): unknown => {
  if (Array.isArray(after))
    return after.map((item, index) =>
      reordered(Array.isArray(before) && after.length >= before.length ? before[index] : undefined, item),
    )
  if (typeof after !== 'object' || after === null) return after
  const old = typeof before === 'object' && before !== null && !Array.isArray(before) ? Object.keys(before) : []
  const keys = [...old.filter((name) => Object.hasOwn(after, name)), ...Object.keys(after).filter((name) => !old.includes(name))]
  return Object.fromEntries(
    keys.map((name) => [
      name,
      reordered(
        Object.hasOwn(before ?? {}, name) ? (before as Record<string, unknown>)[name] : undefined,
        (after as Record<string, unknown>)[name],
      ),
    ]),
  )
}

test('patch: is as small as the change', () => {
  const pods = Object.fromEntries(Array.from({ length: 250 }, (_, index) => [`pod-${index}`, { state: 'leaving' }]))
  const before = { context: { pods } }
  const after = { context: { pods: { ...pods, 'pod-7': { state: 'gone' } } } }
  expect(diff(before, after)).toEqual({ set: [[['context', 'pods', 'pod-7', 'state'], 'gone']] })
})

test('patch: null is a value, an undefined property is an absent one', () => {
  expect(diff({ a: 1, b: 2 }, { a: null, b: undefined })).toEqual({ set: [[['a'], null]], del: [['b']] })
  expect(diff({ a: undefined }, {})).toEqual({})
})

test.each([
  ['a Date', { since: new Date(0) }, /context\.since is a Date/],
  ['a Map', { pods: new Map() }, /context\.pods is a Map/],
  ['NaN', { ratio: Number.NaN }, /context\.ratio is NaN/],
  ['a function', { call: () => {} }, /context\.call is a function/],
])('patch: refuses %s by its path', (_, context, message) => {
  expect(() => diff({ context: {} }, { context })).toThrow(NotJson)
  expect(() => diff({ context: {} }, { context })).toThrow(message)
})
