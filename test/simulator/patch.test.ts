import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Json } from '../../src/simulator/patch.ts'
import { jsonPatch, mergePatch, strategicPatch } from '../../src/simulator/patch.ts'

test('patch: merges objects, replaces lists and removes what is null', () => {
  const before = { a: { b: 1, c: 2 }, list: [1, 2], gone: true }
  expect(mergePatch(before, { a: { b: null, d: 4 }, list: [3], gone: null })).toEqual({ a: { c: 2, d: 4 }, list: [3] })
  expect(before).toEqual({ a: { b: 1, c: 2 }, list: [1, 2], gone: true })
})

test('patch: a strategic merge joins conditions by type and replaces taints', () => {
  const before = { taints: [{ key: 'a' }], conditions: [{ type: 'Ready', status: 'True' }, { type: 'Old' }] }
  const patch = {
    taints: [{ key: 'b' }],
    conditions: [{ type: 'Ready', status: 'False' }, { type: 'Old', $patch: 'delete' }, { type: 'New' }],
  }
  expect(strategicPatch(before, { ...patch, '$setElementOrder/conditions': [] })).toEqual({
    taints: [{ key: 'b' }],
    conditions: [{ type: 'Ready', status: 'False' }, { type: 'New' }],
  })
})

const operations: readonly (readonly [Json, Json, Json])[] = [
  [{ a: [1, 3] }, [{ op: 'add', path: '/a/1', value: 2 }], { a: [1, 2, 3] }],
  [{ a: [1] }, [{ op: 'add', path: '/a/-', value: 2 }], { a: [1, 2] }],
  [
    { 'a/b': 1, 'c~d': 2 },
    [
      { op: 'remove', path: '/a~1b' },
      { op: 'replace', path: '/c~0d', value: 3 },
    ],
    { 'c~d': 3 },
  ],
  [
    { a: 1 },
    [
      { op: 'copy', from: '/a', path: '/b' },
      { op: 'move', from: '/a', path: '/c' },
    ],
    { b: 1, c: 1 },
  ],
  [{ a: { x: 1, y: 2 } }, [{ op: 'test', path: '/a', value: { y: 2, x: 1 } }], { a: { x: 1, y: 2 } }],
]
test.each(operations)('patch: %j with %j is %j', (before, patch, after) => {
  expect(jsonPatch(before, patch)).toEqual(after)
})

const refused: readonly (readonly [Json, number])[] = [
  [[{ op: 'test', path: '/a', value: 2 }], 422],
  [[{ op: 'remove', path: '/none' }], 422],
  [[{ op: 'replace', path: '/none', value: 1 }], 422],
  [[{ op: 'add', path: '/none/deeper', value: 1 }], 422],
  [[{ op: 'add', path: '/list/7', value: 1 }], 422],
  [[{ op: 'dance', path: '/a' }], 400],
  [[{ op: 'add', path: '/__proto__/x', value: 1 }], 400],
  [{ op: 'add' }, 400],
]
test.each(refused)('patch: %j is refused with %i', (patch, code) => {
  expect(() => jsonPatch({ a: 1, list: [] }, patch)).toThrow(expect.objectContaining({ code }))
})

test('patch: merging twice is merging once', () => {
  fc.assert(
    fc.property(fc.object({ maxDepth: 3 }), fc.object({ maxDepth: 3 }), (before, patch) => {
      const [one, two] = [JSON.parse(JSON.stringify(before)), JSON.parse(JSON.stringify(patch))]
      fc.pre(!/__proto__|constructor|prototype/.test(JSON.stringify([one, two])))
      const merged = mergePatch(one, two)
      expect(mergePatch(merged, two)).toEqual(merged)
    }),
  )
})
