import fc from 'fast-check'
import { expect, test } from 'vitest'
import { listText } from '../../../src/adapters/kubernetes/list-text.ts'

const written = (items: readonly unknown[], metadata: unknown = { resourceVersion: '7' }): Buffer =>
  Buffer.from(JSON.stringify({ kind: 'PodList', apiVersion: 'v1', metadata, items }))
const read = (bytes: Buffer) => {
  const text = listText(bytes)
  return (
    text && {
      metadata: (text.head as { metadata: unknown }).metadata,
      items: [...text.items].map((item) => 'raw' in item && item.raw),
    }
  )
}

/** Objects as hostile as they come: their strings look like borders, and they nest what looks like an item. */
const trap = fc.constantFrom('},{"metadata":{', '"}],"items":[{"metadata":{', ']}', '\\', '"', 'é', '東', '\u2028')
const string = fc.oneof(
  fc.string(),
  trap,
  fc.array(trap).map((all) => all.join('')),
)
const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', maxDepth: 4 },
    string,
    fc.integer(),
    fc.constant(null),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(string, tie('value'), { maxKeys: 4 }),
    fc.record({ metadata: tie('value'), spec: tie('value') }),
    fc.array(fc.record({ metadata: tie('value') }), { maxLength: 4 }),
  ),
}))
const item = fc.record({ metadata: fc.record({ name: string }), spec: value })

test('list text: cut into items, a list is what it is as a whole', () => {
  fc.assert(
    fc.property(fc.array(item, { maxLength: 8 }), fc.option(string), (items, more) => {
      const metadata = { resourceVersion: '7', ...(more !== null && { continue: more }) }
      const bytes = written(items, metadata)
      expect(read(bytes)).toEqual({ metadata, items: (JSON.parse(bytes.toString()) as { items: unknown[] }).items })
    }),
  )
})

test('list text: items of any kind, also of none in common', () => {
  fc.assert(
    fc.property(fc.array(value, { maxLength: 8 }), (items) => {
      const bytes = written(items)
      expect(read(bytes)?.items).toEqual((JSON.parse(bytes.toString()) as { items: unknown[] }).items)
    }),
  )
})

test('list text: a list that is cut off or has a broken item fails, and is never a shorter list', () => {
  const items = [{ metadata: { name: 'a' } }, { metadata: { name: 'b' } }]
  const bytes = written(items)
  for (let length = 0; length < bytes.length; length++) {
    const text = listText(bytes.subarray(0, length))
    expect(() => text && [...text.items]).not.toThrow(TypeError)
    if (text) expect(() => [...text.items]).toThrow(SyntaxError)
  }
  const broken = listText(Buffer.from(bytes.toString().replace('"b"', '"b')))
  expect(() => [...(broken?.items ?? [])]).toThrow(SyntaxError)
})

test('list text: with white space between items, or a comma too many, the parser has the last word', () => {
  const bytes = (items: string) => Buffer.from(`{"kind":"PodList","metadata":{},"items":[${items}]}\n`)
  const items = (text: string) => [...(listText(bytes(text))?.items ?? [])]
  expect(items('{"a":1}, {"b" :2}')).toEqual([{ raw: { a: 1 } }, { raw: { b: 2 } }])
  for (const wrong of ['{"a":1},', ',{"a":1}', '{"a":1},,{"a":1}', '{"a":1}{"a":1}', ',', '{"a":1}]'])
    expect(() => items(wrong), wrong).toThrow(SyntaxError)
})

test('list text: what can be taken is, and the rest is parsed', () => {
  const record = { metadata: { namespace: undefined, name: 'b', uid: 'u', resourceVersion: '1' }, text: new Uint8Array() }
  const bytes = written([{ a: 1 }, { b: 2 }, { c: 3 }])
  const second = bytes.indexOf('{"b"')
  const { items } = listText(bytes, (_, from) => (from === second ? { end: second + 7, record } : undefined)) ?? {}
  expect([...(items ?? [])]).toEqual([{ raw: { a: 1 } }, expect.objectContaining({ record }), { raw: { c: 3 } }])
})

test('list text: other orders and other answers are left to the parser', () => {
  const custom = { apiVersion: 'karpenter.sh/v1', items: [{ metadata: {} }], kind: 'NodePoolList', metadata: {} }
  for (const other of [JSON.stringify(custom), '{"items":null}', '[]', 'null', '', '{"kind":"Status","metadata":{}}'])
    expect(listText(Buffer.from(other))).toBeUndefined()
  expect(read(written([]))).toEqual({ metadata: { resourceVersion: '7' }, items: [] })
})
