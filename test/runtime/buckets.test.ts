import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Buckets, bucketed, EMPTY, filteredBeside, found, page, put, valuesOf, without } from '../../src/runtime/buckets.ts'
import { diff } from '../../src/runtime/patch.ts'

const name = fc.oneof(fc.nat(300).map(String), fc.constantFrom('__proto__', 'constructor', ''))
const change = fc.record({ name, value: fc.option(fc.nat()) })

const asMap = (all: Buckets<number>): Map<string, number> => new Map(Object.values(all.in).flatMap((bag) => Object.entries(bag)))

test('buckets: hold what a map holds, whatever is put and taken, and leave nothing behind', () => {
  fc.assert(
    fc.property(fc.array(change, { size: 'max', maxLength: 400 }), (changes) => {
      const map = new Map<string, number>()
      let all: Buckets<number> = EMPTY
      for (const { name: of, value } of changes) {
        all = value === null ? without(all, of) : put(all, of, value)
        if (value === null) map.delete(of)
        else map.set(of, value)
        expect(found(all, of)).toBe(map.get(of))
      }
      expect(all.size).toBe(map.size)
      expect(new Map([...asMap(all)].toSorted())).toEqual(new Map([...map].toSorted()))
      expect(valuesOf(all).toSorted()).toEqual([...map.values()].toSorted())
      expect(JSON.parse(JSON.stringify(all))).toEqual(all)
      const pages: string[] = []
      for (let from: number | undefined = 0; from !== undefined; ) {
        const read: ReturnType<typeof page> = page([all], from, 50)
        pages.push(...read.names)
        from = read.next
      }
      expect(pages.toSorted()).toEqual([...map.keys()].toSorted())
      expect([...map.keys()].reduce(without, all)).toEqual(EMPTY)
    }),
  )
})

test('buckets: one change of many is one path of a patch, and nothing else is copied', () => {
  const before = bucketed(Object.fromEntries(Array.from({ length: 5_000 }, (_, index) => [`action ${index}`, { index }])))
  const after = put(before, 'one more', { index: -1 })
  expect(diff(before, after).set).toHaveLength(2) // itself, and how many there are
  expect(Object.keys(before.in).filter((bucket) => before.in[bucket] !== after.in[bucket])).toHaveLength(1)
  expect(before.size).toBe(5_000)
})

test('buckets: what is not kept goes with the bucket that is touched, in the end all of it', () => {
  const names = Array.from({ length: 1_000 }, (_, index) => `action ${index}`)
  const all = bucketed(Object.fromEntries(names.map((each, index) => [each, index])))
  const left = filteredBeside(all, 'action 0', (index) => index >= 500)
  expect(left.size).toBeLessThan(all.size)
  expect(left.size).toBeGreaterThan(500)
  expect(names.reduce((bag, each) => filteredBeside(bag, each, (index) => index >= 500), all).size).toBe(500)
})
