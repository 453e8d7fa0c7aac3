import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import { readItems } from '../../src/commands/list-items.ts'

const folder = mkdtempSync(join(tmpdir(), 'quartermaster-items-'))
afterAll(() => rmSync(folder, { recursive: true }))

const read = (text: string, chunkBytes: number) => {
  const file = join(folder, 'list.json')
  writeFileSync(file, text)
  const texts: string[] = []
  const { skeleton, count } = readItems(file, (item) => texts.push(item), chunkBytes)
  return { texts, skeleton, count }
}

const hostile = fc.stringMatching(/^[\\"{}[\],:a-zäß€]{0,12}$/)
const item = fc.oneof(
  fc.dictionary(hostile, fc.jsonValue({ maxDepth: 3 })),
  fc.record({ metadata: fc.record({ name: hostile, items: fc.array(hostile, { maxLength: 3 }) }) }),
)

test('items: are what JSON.parse finds, wherever the pieces of the file end', () => {
  const lists = fc.record({ apiVersion: hostile, items: fc.array(item, { maxLength: 5 }), kind: hostile, metadata: fc.object() })
  fc.assert(
    fc.property(lists, fc.integer({ min: 1, max: 40 }), fc.constantFrom(undefined, 2), (list, chunkBytes, indent) => {
      const { texts, skeleton, count } = read(JSON.stringify(list, null, indent), chunkBytes)
      expect(texts.map((text) => JSON.parse(text))).toEqual(JSON.parse(JSON.stringify(list.items)))
      expect(count).toBe(list.items.length)
      expect(JSON.parse(skeleton)).toMatchObject({ items: list.items.map(() => null) })
    }),
    { numRuns: 300 },
  )
})

test('items: a text that is no JSON leaves an item or a skeleton that is none', () => {
  const isJson = (text: string): boolean => {
    try {
      JSON.parse(text)
      return true
    } catch {
      return false
    }
  }
  const good = JSON.stringify({ kind: 'List', items: [{ a: '\\"', b: [1, { c: null }] }, { d: {} }], metadata: { e: {} } })
  fc.assert(
    fc.property(fc.nat(good.length - 1), fc.constantFrom('', '"', '{', ']', ',', '\\', 'x', '\n'), (at, put) => {
      const text = good.slice(0, at) + put + good.slice(at + 1)
      const { texts, skeleton } = read(text, 7)
      if (!isJson(text)) expect([...texts, skeleton].every(isJson)).toBe(false)
    }),
    { numRuns: 1_000 },
  )
})
