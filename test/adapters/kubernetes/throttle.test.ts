import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createBucket, throttled } from '../../../src/adapters/kubernetes/throttle.ts'
import { systemClock } from '../../../src/runtime/clock.ts'
import { licence } from '../../../src/runtime/licence.ts'
import { json, scriptedApi, status } from './scripted-api.ts'

/** A bucket and its clock: `go` lets time pass, ms. */
const bucketAt = () => {
  let now = 0
  const bucket = createBucket(() => now)
  return {
    bucket,
    now: () => now,
    go: (ms: number) => {
      now += ms
    },
  }
}

test('throttle: in no second are there more requests than twice the rate, however they come', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 200, maxLength: 2_000 }), (gaps) => {
      const { bucket, go, now } = bucketAt()
      const sent: number[] = []
      for (const gap of gaps) {
        go(gap)
        sent.push(now() + bucket.take())
      }
      const ordered = sent.toSorted((a, b) => a - b)
      for (let first = 0, last = 0; last < ordered.length; last++) {
        while ((ordered[last] ?? 0) - (ordered[first] ?? 0) >= 1_000) first++
        expect(last - first + 1).toBeLessThanOrEqual(601)
      }
    }),
    { numRuns: 30 },
  )
})

test('throttle: a burst of a second goes at once, what comes after it waits in line', () => {
  const { bucket } = bucketAt()
  const waits = Array.from({ length: 600 }, () => bucket.take())
  expect(waits.slice(0, 300).every((ms) => ms === 0)).toBe(true)
  expect(waits.at(-1)).toBeCloseTo(1_000)
})

test('throttle: a complaint halves the rate once, and it comes back within a minute', () => {
  const { bucket, go, now } = bucketAt()
  go(1_000)
  const sentAt = now()
  for (let complaints = 0; complaints < 50; complaints++) bucket.complained(sentAt)
  expect(bucket.rate()).toBe(150)
  go(1_500)
  bucket.complained(now())
  expect(bucket.rate()).toBeLessThan(80)
  go(60_000)
  bucket.take()
  expect(bucket.rate()).toBe(300)
})

test('throttle: complaints without end leave a trickle, and a wish to be left alone is kept', () => {
  const { bucket, go, now } = bucketAt()
  for (let complaints = 0; complaints < 20; complaints++) {
    go(1_000)
    bucket.complained(now(), 5_000)
  }
  expect(bucket.rate()).toBeGreaterThanOrEqual(20)
  expect(bucket.rate()).toBeLessThan(40)
  expect(bucket.take()).toBeGreaterThanOrEqual(5_000)
})

test('throttle: only what the API has too much of slows everybody down; a refusal by a budget does not', async () => {
  const budget = { details: { causes: [{ reason: 'DisruptionBudget', message: 'The disruption budget web needs 5' }] } }
  const answers = [status(429, 'blocked', budget), status(503), status(429, 'too many requests')]
  let asked = 0
  await using api = await scriptedApi((_, response) => {
    const answer = answers[asked++] as { readonly code: number }
    json(response, answer.code, answer)
  })
  const bucket = createBucket()
  const client = throttled(api.client, bucket)
  const rates: number[] = []
  for (const _ of answers) {
    await client.request('POST', '/api/v1/namespaces/a/pods/b/eviction').catch(() => {})
    rates.push(bucket.rate())
  }
  expect(rates.map((rate) => Math.round(rate / 150))).toEqual([2, 2, 1])
})

test('throttle: who waits for his turn while the brake is pulled sends nothing any more', async () => {
  await using api = await scriptedApi((_, response) => json(response, 200, {}))
  let refusal: string | undefined
  const life = new AbortController()
  const governor = { actor: { type: 'cluster', id: 'demo' }, permits: () => refusal }
  const held = licence({ last: async () => undefined }, governor, systemClock, life.signal)
  const bucket = createBucket()
  bucket.complained(performance.now(), 300)
  const client = throttled(api.client, bucket)
  await new Promise((resolve) => setTimeout(resolve, 10)) // the licence's first word
  const [read, deletion] = [
    held.during('internal', () => client.request('GET', '/api/v1/nodes/a')),
    held.during('disruptive', () => client.request('DELETE', '/api/v1/nodes/a')),
  ]
  refusal = 'the brake is on'
  await expect(deletion).rejects.toMatchObject({ name: 'Held', message: 'the brake is on' })
  await read
  expect(api.asked).toEqual(['GET /api/v1/nodes/a'])
  life.abort()
})
