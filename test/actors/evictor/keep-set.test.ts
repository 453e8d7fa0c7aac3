import fc from 'fast-check'
import { expect, test } from 'vitest'
import { seeded } from '../../../src/actors/evictor/chance.ts'
import { createCover } from '../../../src/actors/evictor/keep-set/cover.ts'
import { capacityOf, type Host, type Outline } from '../../../src/actors/evictor/keep-set/outline.ts'
import { dualBound, relaxationOf } from '../../../src/actors/evictor/keep-set/relaxation.ts'
import { createSearch, weightOf } from '../../../src/actors/evictor/keep-set/search.ts'
import type { NodeEntry } from '../../../src/actors/evictor/model.ts'

const amounts = (most: number) => fc.array(fc.nat(most), { minLength: 2, maxLength: 2 }).map((list) => Float64Array.from(list))
/** Hosts hold what is their own, and have some room left. A kind that may not share a host does not. */
const outlines: fc.Arbitrary<Outline> = fc
  .record({
    kinds: fc.array(
      fc.record({ ask: amounts(4).filter((ask) => ask.some((n) => n > 0)), isAlone: fc.boolean(), trait: fc.nat(1) }),
      { minLength: 1, maxLength: 4 },
    ),
    hosts: fc.array(
      fc.record({
        price: fc.nat(9),
        isFixed: fc.integer({ max: 3, min: 0 }).map((n) => n === 0),
        room: amounts(6),
        suits: fc.constantFrom('11', '10', '01'),
        pods: fc.array(fc.nat(3), { maxLength: 4 }),
      }),
      { minLength: 1, maxLength: 5 },
    ),
  })
  .map(({ kinds, hosts }) => {
    const owned = hosts.map(({ pods, isFixed, ...host }): Host => {
      const own = new Map<number, number>()
      for (const pod of isFixed ? [] : pods) own.set(pod % kinds.length, (own.get(pod % kinds.length) ?? 0) + 1)
      const list = [...own].map(([kind, n]) => [kind, kinds[kind]?.isAlone ? 1 : n] as const).sort(([a], [b]) => a - b)
      const count = list.reduce((sum, [, n]) => sum + n, 0)
      return { ...host, isFixed, own: list, pods: count, unrest: count, node: {} as NodeEntry }
    })
    const count = (kind: number): number =>
      owned.flatMap(({ own }) => own.filter(([k]) => k === kind)).reduce((sum, [, n]) => sum + n, 0)
    return {
      kinds: kinds.map(({ ask, isAlone, trait }, kind) => ({
        ask,
        most: isAlone ? 1 : Number.POSITIVE_INFINITY,
        count: count(kind),
        trait,
      })),
      hosts: owned,
      resources: 2,
      toCome: [],
      kindOf: new Map(),
    }
  })

/** Whether the pods of all hosts that are not kept find room on those that are, by trying everything. */
const packs = ({ kinds, hosts }: Outline, kept: readonly boolean[]): boolean => {
  const free = hosts.map(({ room }) => [...room])
  const has = hosts.map(({ own }) => new Map(own))
  const pods = hosts.flatMap(({ own }, host) => (kept[host] ? [] : own.flatMap(([kind, n]) => Array<number>(n).fill(kind))))
  const place = (index: number): boolean => {
    const kind = pods[index]
    if (kind === undefined) return true
    const { ask, most, trait } = kinds[kind] ?? { ask: [], most: 0, trait: 0 }
    return hosts.some((host, h) => {
      const room = free[h] ?? []
      const n = has[h]?.get(kind) ?? 0
      if (!kept[h] || host.suits[trait] !== '1' || n >= most || room.some((left, r) => (ask[r] ?? 0) > 0 && (ask[r] ?? 0) > left))
        return false
      free[h] = room.map((left, r) => left - (ask[r] ?? 0))
      has[h]?.set(kind, n + 1)
      if (place(index + 1)) return true
      free[h] = room
      has[h]?.set(kind, n)
      return false
    })
  }
  return place(0)
}
const optimum = (outline: Outline): number => {
  const { hosts } = outline
  let least = Number.POSITIVE_INFINITY
  for (let set = 0; set < 2 ** hosts.length; set += 1) {
    const kept = hosts.map(({ isFixed }, index) => isFixed || ((set >> index) & 1) === 1)
    const cost = hosts.reduce((sum, { price }, index) => sum + (kept[index] ? price : 0), 0)
    if (cost < least && packs(outline, kept)) least = cost
  }
  return least
}

test('relaxation: whatever the duals, no choice of hosts costs less than their bound', () => {
  const duals = fc.array(fc.double({ min: -10, max: 10, noNaN: true }), { minLength: 60, maxLength: 60 })
  fc.assert(
    fc.property(outlines, duals, (outline, list) => {
      const { program } = relaxationOf(outline)
      const bound = dualBound(
        program,
        Float64Array.from(program.rowLower, (_, row) => list[row % list.length] ?? 0),
      )
      expect(bound).toBeLessThanOrEqual(optimum(outline) + 1e-6)
    }),
    { numRuns: 300 },
  )
})

const contents = (cover: ReturnType<typeof createCover>) => [
  [...cover.kept],
  [...cover.open],
  [...cover.taken],
  [...cover.free],
  Math.round(cover.cost()),
  cover.evictions(),
]
test('cover: what is undone was never done', () => {
  const steps = fc.array(fc.tuple(fc.nat(4), fc.nat(3), fc.nat(3)), { maxLength: 30 })
  fc.assert(
    fc.property(outlines, steps, (outline, list) => {
      const cover = createCover(outline)
      const before = contents(cover)
      for (const [h, k, verb] of list) {
        const host = h % outline.hosts.length
        const kind = k % outline.kinds.length
        if (verb === 0 && cover.kept[host] === 1) cover.drop(host)
        else if (verb === 1 && cover.kept[host] !== 1) cover.keep(host)
        else if (verb === 2) cover.clear(host)
        else cover.take(host, kind, cover.fits(host, kind, Math.max(0, cover.open[kind] ?? 0)))
      }
      cover.rollback(0)
      expect(contents(cover)).toEqual(before)
    }),
  )
})

const terms = (outline: Outline) => ({
  worth: Float64Array.from(outline.kinds, (_, kind) => 1 + kind),
  perUnrest: 0.001,
  scarcity: 0,
})
test('search: every pod has a place, no host holds too much, fixed ones stay, and evictions keep to their limit', () => {
  fc.assert(
    fc.property(outlines, fc.nat(8), (outline, most) => {
      const { hosts, kinds, resources } = outline
      const { cover, construct, thin, step } = createSearch(outline, most)
      construct(terms(outline))
      thin(terms(outline))
      const chance = seeded(7)
      const costs = Array.from({ length: 30 }, () => {
        step(terms(outline), chance)
        return weightOf(cover, terms(outline))
      })
      expect(costs.every((cost, index) => index === 0 || cost <= (costs[index - 1] ?? 0) + 1e-6)).toBe(true)
      expect([...cover.open].every((open) => open === 0)).toBe(true)
      expect(cover.evictions()).toBeLessThanOrEqual(most)
      for (const [h, host] of hosts.entries()) {
        if (host.isFixed) expect(cover.kept[h]).toBe(1)
        const taken = kinds.map((_, kind) => cover.taken[h * kinds.length + kind] ?? 0)
        expect(cover.kept[h] === 1 || taken.every((n) => n === 0)).toBe(true)
        for (let r = 0; r < resources; r += 1) {
          const used = taken.reduce((sum, n, kind) => sum + n * (kinds[kind]?.ask[r] ?? 0), 0)
          expect(used).toBeLessThanOrEqual(host.room[r] ?? 0)
        }
        for (const [kind, { most: limit, trait }] of kinds.entries()) {
          const own = host.own.find(([k]) => k === kind)?.[1] ?? 0
          if ((taken[kind] ?? 0) > 0) expect(host.suits[trait] === '1' && own + (taken[kind] ?? 0) <= limit).toBe(true)
        }
      }
      expect(cover.cost()).toBeGreaterThanOrEqual(optimum(outline) - 1e-9)
    }),
    { numRuns: 200 },
  )
})

test('search: squeezed, hosts take in less; what is reserved has a place beside the pods, or there is none', () => {
  fc.assert(
    fc.property(outlines, fc.nat(3), fc.nat(4), (outline, asked, places) => {
      const { hosts, kinds, resources } = outline
      const kind = asked % kinds.length
      const { cover, construct, step, complete } = createSearch(outline, Number.POSITIVE_INFINITY)
      construct(terms(outline))
      cover.squeeze(0.25)
      cover.reserve(kind, places)
      complete(terms(outline))
      const chance = seeded(7)
      for (let n = 0; n < 20; n += 1) step(terms(outline), chance)
      expect([...cover.open].every((open) => open === 0)).toBe(true)
      for (const [h, host] of hosts.entries()) {
        const taken = kinds.map((_, k) => cover.taken[h * kinds.length + k] ?? 0)
        const capacity = capacityOf(outline, host)
        for (let r = 0; r < resources; r += 1) {
          const used = taken.reduce((sum, n, k) => sum + n * (kinds[k]?.ask[r] ?? 0), 0)
          expect(used).toBeLessThanOrEqual(Math.max(0, (host.room[r] ?? 0) - 0.25 * (capacity[r] ?? 0)))
        }
      }
      const all = hosts.reduce((sum, _, h) => sum + (cover.taken[h * kinds.length + kind] ?? 0), 0)
      const evicted = hosts.reduce(
        (sum, { own }, h) => sum + (cover.kept[h] === 1 ? 0 : (own.find(([k]) => k === kind)?.[1] ?? 0)),
        0,
      )
      expect(all).toBeGreaterThanOrEqual(evicted)
      expect(all).toBeLessThanOrEqual(evicted + places)
    }),
    { numRuns: 200 },
  )
})

test('outline: what a host has for pods that may move is its room and what its own take', () => {
  fc.assert(
    fc.property(outlines, (outline) => {
      for (const host of outline.hosts)
        expect([...capacityOf(outline, host)]).toEqual(
          [...host.room].map(
            (room, r) => room + host.own.reduce((sum, [kind, n]) => sum + n * (outline.kinds[kind]?.ask[r] ?? 0), 0),
          ),
        )
    }),
  )
})
