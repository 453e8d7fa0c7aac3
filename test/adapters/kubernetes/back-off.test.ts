import fc from 'fast-check'
import { expect, test } from 'vitest'
import { pauseMs } from '../../../src/adapters/kubernetes/back-off.ts'
import { retryAfterMs } from '../../../src/adapters/kubernetes/retry-after.ts'

const share = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })

test('back-off: each pause is between half of it and all of it, grows to 30 s, and is never shorter than the server wished', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1_000 }), fc.nat(60_000), share, (failures, wishMs, chance) => {
      const longest = Math.min(30_000, 250 * 2 ** (failures - 1))
      const ms = pauseMs(failures, 0, () => chance)
      expect(ms).toBeGreaterThanOrEqual(longest / 2)
      expect(ms).toBeLessThanOrEqual(longest)
      const wished = pauseMs(failures, wishMs, () => chance)
      expect(wished).toBeGreaterThanOrEqual(Math.max(ms, wishMs))
      expect(wished).toBeLessThanOrEqual(Math.max(ms, wishMs + 250))
    }),
  )
})

const NOW = 'Thu, 26 Nov 2026 06:00:00 GMT'
const LATER = 'Thu, 26 Nov 2026 06:00:07 GMT'
test.each([
  ['seconds', '7', undefined, 7_000],
  ['nothing', undefined, undefined, undefined],
  ['no wait at all', '0', undefined, 0],
  ['more than a minute', '3600', undefined, 60_000],
  ['more than a number holds', '9'.repeat(400), undefined, 60_000],
  ['a date by the server’s clock, which is not ours', LATER, NOW, 7_000],
  ['a date that has passed', NOW, LATER, 0],
  ['a date far away', 'Fri, 31 Dec 9999 23:59:59 GMT', NOW, 60_000],
  ['a date without a clock: ours', LATER, undefined, 7_000],
  ['a date beside a clock that makes no sense: ours', LATER, '5', 7_000],
  ['something negative', '-5', undefined, undefined],
  ['a word', 'soon', undefined, undefined],
  ['a day that there is not', 'Thu, 99 Nov 2026 06:00:07 GMT', NOW, undefined],
  ['hexadecimal', '0x10', undefined, undefined],
])('Retry-After: %s', (_, retryAfter, date, expected) => {
  expect(retryAfterMs(retryAfter, date, () => Date.parse(NOW))).toBe(expected)
})

test('Retry-After: whatever is sent, the wait is from nothing to a minute', () => {
  fc.assert(
    fc.property(fc.string(), fc.option(fc.string(), { nil: undefined }), (retryAfter, date) => {
      const ms = retryAfterMs(retryAfter, date) ?? 0
      expect(ms >= 0 && ms <= 60_000).toBe(true)
    }),
  )
})
