import fc from 'fast-check'
import { expect, test } from 'vitest'
import { lines } from '../../../src/adapters/kubernetes/lines.ts'

const chunked = async function* (bytes: Uint8Array, cuts: readonly number[]): AsyncGenerator<Uint8Array> {
  const borders = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length]
  for (const [index, from] of borders.slice(0, -1).entries()) yield bytes.subarray(from, borders[index + 1])
}

test('lines: are the same however the bytes are cut, without the last if it has no end', async () => {
  const texts = fc.array(fc.string({ unit: 'grapheme' }).map((text) => text.replaceAll('\n', '')))
  await fc.assert(
    fc.asyncProperty(texts, fc.string(), fc.array(fc.nat(), { maxLength: 20 }), async (whole, rest, cuts) => {
      const bytes = Buffer.from(whole.map((text) => `${text}\n`).join('') + rest.replaceAll('\n', ''))
      expect((await Array.fromAsync(lines(chunked(bytes, cuts)))).flat().map(String)).toEqual(whole)
    }),
    { numRuns: 50 },
  )
})

test('lines: one that never ends is given up', async () => {
  const endless = async function* () {
    for (;;) yield new Uint8Array(4 * 2 ** 20)
  }
  await expect(Array.fromAsync(lines(endless()))).rejects.toThrow('is this a Kubernetes API?')
})
