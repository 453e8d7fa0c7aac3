import { expect, test } from 'vitest'
import { aliveChecks, type Picture, readyChecks } from '../../src/commands/up/health.ts'
import type { Serving } from '../../src/runtime/host.ts'

const NOW = 10_000_000
const MINUTE = 60_000
const served: Serving = { stage: 'serving', since: 0 }
const pods = { kind: 'pods', state: 'streaming', reason: undefined, heardAt: NOW - 1_000, held: 0 } as const
const well: Picture = {
  now: NOW,
  types: new Map([
    ['cluster', served],
    ['agent', served],
  ]),
  journalAt: NOW - 900,
  hasAgent: true,
  readings: [pods, { ...pods, kind: 'nodes' }],
}
const troubles = (checks: ReturnType<typeof readyChecks>) =>
  checks.flatMap(({ name, trouble }) => (trouble === undefined ? [] : [`${name}: ${trouble}`]))
const ready = (change: Partial<Picture>) => troubles(readyChecks({ ...well, ...change }))
const alive = (change: Partial<Picture>) => troubles(aliveChecks({ ...well, ...change }))
const typed = (stage: Serving['stage'], since: number) => ({ types: new Map([['evictor', { stage, since }]]) })

test('health: what is served and synced is ready and alive', () => {
  expect([ready({}), alive({})]).toEqual([[], []])
})

test('ready: not while a type is recovered, or its lease is waited for', () => {
  expect(ready(typed('recovering', NOW - MINUTE))).toEqual(['type/evictor: its journal is being read'])
  expect(ready(typed('waiting', NOW - 5_000))).toEqual(['type/evictor: its lease is waited for'])
})

test('ready: who stands by for the holder of a lease is ready, and says so', () => {
  const picture = { ...well, ...typed('waiting', NOW - MINUTE) }
  expect(ready(picture)).toEqual([])
  expect(readyChecks(picture)).toContainEqual({ name: 'type/evictor', note: 'stands by: another process holds its lease' })
})

test('ready: not without an answer of the journal, however well all else is', () => {
  expect(ready({ journalAt: NOW - 11_000 })).toEqual([
    'journal: its leader does not answer: look whether NATS is up and has a leader',
  ])
})

test('ready: not before every kind that plans are made of is streaming; the others are a note, the first few named', () => {
  expect(ready({ readings: [] })).toEqual(['agent: it finds out what the API has'])
  expect(ready({ readings: [pods, { ...pods, kind: 'nodes', state: 'stalled', reason: 'GET nodes: 503' }] })).toEqual([
    'agent: nodes stalled (GET nodes: 503)',
  ])
  const many = Array.from({ length: 7 }, (_, index) => ({ ...pods, kind: `k${index}`, state: 'listing' as const }))
  expect(readyChecks({ ...well, readings: [pods, ...many] }).at(-1)).toEqual({
    name: 'agent',
    note: 'k0 listing, k1 listing, k2 listing, k3 listing, k4 listing, and 2 more',
  })
})

test('ready: a kind that is not read any more does not count, and without an agent none does', () => {
  expect(ready({ readings: [pods, { ...pods, kind: 'rollouts.argoproj.io', state: 'closed' }] })).toEqual([])
  expect(ready({ hasAgent: false, readings: [{ ...pods, state: 'listing' }] })).toEqual([])
})

test('alive: not when a reader has hung for ten minutes', () => {
  expect(alive({ readings: [{ ...pods, heardAt: NOW - 9 * MINUTE }] })).toEqual([])
  expect(alive({ readings: [{ ...pods, heardAt: NOW - 11 * MINUTE }] })).toEqual(['agent: pods: no sign of life for 660 s'])
})

test('alive: who waits knowingly is, for NATS or for an API that is away', () => {
  const old = { ...pods, heardAt: NOW - 60 * MINUTE }
  expect(alive({ readings: [{ ...old, held: 1 }] })).toEqual([])
  expect(alive({ readings: [{ ...old, state: 'opening' }] })).toEqual([])
  expect(alive({ readings: [{ ...old, state: 'closed' }] })).toEqual([])
  expect(aliveChecks({ ...well, readings: [{ ...old, held: 1 }] })[1]).toMatchObject({ note: 'waiting for NATS: pods' })
  // An API that is away is asked again every half minute, and each time it is said that it is.
  expect(alive({ readings: [{ ...pods, state: 'stalled', heardAt: NOW - 40_000 }], journalAt: 0 })).toEqual([])
})
