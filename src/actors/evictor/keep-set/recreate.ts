import type { Chance } from '../chance.ts'
import type { Cover } from './cover.ts'
import { capacityOf, type Outline } from './outline.ts'

/** What a solution is judged by: $/h, and what one eviction weighs against it. */
export type Terms = {
  /** What a place for a pod is worth, in $/h, by kind. */
  readonly worth: Float64Array
  /** What unrest costs, in $/h for an eviction of a pod of mean size: it decides between covers that cost nearly the same. */
  readonly perUnrest: number
  /** What an eviction spared is worth when a host is chosen, in $/h, where few are allowed. */
  readonly scarcity: number
}
export type Recreate = {
  /** Kinds with pods that have no place, what is worth most first. */
  readonly openKinds: () => number[]
  /** Each into the best fit among the kept hosts, as far as there is room. */
  readonly place: (list: readonly number[], chance?: Chance) => void
  /** Keeps more hosts until all pods have a place. False when that can't be had for less than the limit. */
  readonly keepMore: (limit: number, chance?: Chance) => boolean
}

/** How far chance shifts a best fit and a ratio: enough to choose between near equals. */
const SHIFT = 0.2
const JITTER = 0.3
/** How often, of the hosts kept more, one is filled past some kinds, and past how many of them. */
const SKIPS = 0.5
const SKIPPED = 0.1
/** About so many hosts, drawn by lot, are looked at when one step keeps more. */
const LOOKED_AT = 120

/** Hosts that differ in nothing that counts here: one is tried for all. Only those that may be emptied. */
const lots = ({ hosts }: Outline): readonly (readonly number[])[] => {
  const movable = hosts.flatMap(({ isFixed }, index) => (isFixed ? [] : [index]))
  return [
    ...Map.groupBy(movable, (index) => {
      const { price = 0, room = [], own = [], suits = '' } = hosts[index] ?? {}
      return `${price}|${room.join()}|${own.join(';')}|${suits}`
    }).values(),
  ]
}

/** How a cover with open pods is made whole again. */
export const createRecreate = (outline: Outline, cover: Cover, { worth, perUnrest, scarcity }: Terms): Recreate => {
  const { kinds, hosts, resources } = outline
  const { kept, open, free, asks, suits, fits } = cover
  const groups = lots(outline)
  const order = kinds.map((_, kind) => kind).sort((a, b) => (worth[b] ?? 0) - (worth[a] ?? 0) || a - b)
  const openKinds = (): number[] => order.filter((kind) => (open[kind] ?? 0) > 0)
  const shares = sharesOf(outline)
  /** The kept hosts that have room for the least that some kind asks, resource by resource. */
  const roomy = (list: readonly number[]): readonly number[] => {
    const least = new Float64Array(resources).fill(Number.POSITIVE_INFINITY)
    for (const kind of list)
      for (let r = 0; r < resources; r += 1) least[r] = Math.min(least[r] ?? 0, asks[kind * resources + r] ?? 0)
    const found: number[] = []
    for (let host = 0; host < hosts.length; host += 1) {
      let isRoomy = kept[host] === 1
      for (let r = 0; isRoomy && r < resources; r += 1)
        isRoomy = (least[r] ?? 0) === 0 || (least[r] ?? 0) <= (free[host * resources + r] ?? 0)
      if (isRoomy) found.push(host)
    }
    return found
  }
  /** The one of these hosts where the least of its capacities is left over, as parts of them, summed. */
  const bestFit = (kind: number, among: readonly number[], chance?: Chance): number => {
    let best = -1
    let least = Number.POSITIVE_INFINITY
    for (const host of among) {
      if (suits[host * kinds.length + kind] !== 1) continue
      let slack = 0
      for (let r = 0; r < resources; r += 1) {
        const ask = asks[kind * resources + r] ?? 0
        const left = (free[host * resources + r] ?? 0) - ask
        if (left < 0 && ask > 0) {
          slack = Number.POSITIVE_INFINITY
          break
        }
        slack += left * (shares[host * resources + r] ?? 0)
      }
      if (slack >= least) continue
      if (chance) slack *= 1 + SHIFT * (chance() - 0.5)
      if (slack >= least || fits(host, kind, 1) < 1) continue
      least = slack
      best = host
    }
    return best
  }
  const value = worthOf(outline, cover, worth)
  const fill = (host: number, list: readonly number[], chance?: Chance): void => {
    const skipped = chance && chance() < SKIPS ? SKIPPED : 0
    for (const kind of list) {
      if ((open[kind] ?? 0) <= 0 || (chance && chance() < skipped)) continue
      const count = fits(host, kind, open[kind] ?? 0)
      if (count > 0) cover.take(host, kind, count)
    }
  }

  const ratio = new Float64Array(groups.length)
  const chosen = new Int32Array(groups.length)
  const luck = new Float64Array(groups.length)
  /** What a dollar more buys with a host of the group. An eviction spared is a part of the price. */
  const judge = (group: number, list: readonly number[]): void => {
    const host = groups[group]?.find((each) => kept[each] !== 1) ?? -1
    const { price = 0, pods = 0, unrest = 0 } = hosts[host] ?? {}
    const more = price - scarcity * pods - perUnrest * unrest
    chosen[group] = host
    ratio[group] = host < 0 ? 0 : (value(host, list) / Math.max(TINY, more)) * (luck[group] ?? 1)
  }
  const everyGroup = groups.map((_, group) => group)
  const top = (among: readonly number[]): number => {
    let best = -1
    let most = 0
    for (const group of among) {
      if ((ratio[group] ?? 0) <= most) continue
      most = ratio[group] ?? 0
      best = group
    }
    return best
  }
  /** The ratios of a moment ago are upper limits: what is open only becomes less. Judged anew until the first stays first. */
  const next = (list: readonly number[], among: readonly number[]): number => {
    let judged = -1
    for (let best = top(among); best !== judged; best = top(among)) {
      judge(best, list)
      judged = best
    }
    return judged
  }
  return {
    openKinds,
    place(list, chance) {
      const among = roomy(list)
      for (const kind of list)
        while ((open[kind] ?? 0) > 0) {
          const host = bestFit(kind, among, chance)
          if (host < 0) break
          cover.take(host, kind, fits(host, kind, open[kind] ?? 0))
        }
    },
    keepMore(limit, chance) {
      let list = openKinds()
      if (list.length === 0) return true
      const among = chance ? everyGroup.filter(() => chance() * groups.length < LOOKED_AT) : everyGroup
      for (const group of among) {
        luck[group] = chance ? 1 + JITTER * (chance() - 0.5) : 1
        judge(group, list)
      }
      while (list.length > 0) {
        const group = next(list, among)
        if (group < 0 || cover.cost() >= limit) return false
        const host = chosen[group] ?? -1
        cover.keep(host)
        fill(host, list, chance)
        list = list.filter((kind) => (open[kind] ?? 0) > 0)
        judge(group, list)
      }
      return true
    },
  }
}
const TINY = 1e-9

/** One part of each host's capacities: `host * resources + resource`. */
const sharesOf = (outline: Outline): Float64Array => {
  const { hosts, resources } = outline
  const shares = new Float64Array(hosts.length * resources)
  for (const [h, host] of hosts.entries())
    shares.set(
      capacityOf(outline, host).map((size) => (size > 0 ? 1 / size : 0)),
      h * resources,
    )
  return shares
}

/** What a host would be worth if it were kept and filled with what is open: its own pods first. */
const worthOf = ({ kinds, hosts, resources }: Outline, { open, free, asks, suits }: Cover, worth: Float64Array) => {
  const left = new Int32Array(kinds.length)
  const room = new Float64Array(resources)
  const most = Float64Array.from(kinds, (kind) => kind.most)
  return (host: number, list: readonly number[]): number => {
    for (const kind of list) left[kind] = open[kind] ?? 0
    let sum = 0
    for (const [kind, pods] of hosts[host]?.own ?? []) {
      const counted = Math.min(pods, Math.max(0, open[kind] ?? 0))
      left[kind] = (left[kind] ?? 0) - counted
      sum += counted * (worth[kind] ?? 0)
    }
    for (let r = 0; r < resources; r += 1) room[r] = free[host * resources + r] ?? 0
    for (const kind of list) {
      if (suits[host * kinds.length + kind] !== 1) continue
      let count = Math.min(left[kind] ?? 0, most[kind] ?? 0)
      for (let r = 0; count > 0 && r < resources; r += 1) {
        const ask = asks[kind * resources + r] ?? 0
        const has = room[r] ?? 0
        if (count * ask > has) count = Math.floor(has / ask)
      }
      if (count <= 0) continue
      sum += count * (worth[kind] ?? 0)
      for (let r = 0; r < resources; r += 1) room[r] = (room[r] ?? 0) - count * (asks[kind * resources + r] ?? 0)
    }
    return sum
  }
}
