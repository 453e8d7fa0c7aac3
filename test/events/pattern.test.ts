import fc from 'fast-check'
import { expect, test } from 'vitest'
import { hasForm } from '../../src/events/pattern.ts'

test('patterns: as a regular expression of the same meaning', () => {
  const letters = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 8 })
  const pattern = fc.array(fc.constantFrom('a', 'b', '*'), { maxLength: 6 }).map((parts) => parts.join(''))
  fc.assert(
    fc.property(pattern, letters, (form, text) => {
      expect(hasForm(form, text)).toBe(new RegExp(`^${form.replaceAll('*', '.*')}$`).test(text))
    }),
  )
})
