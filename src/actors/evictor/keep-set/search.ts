import type { Chance } from '../chance.ts'
import { type Cover, createCover } from './cover.ts'
import type { Host, Outline } from './outline.ts'
import { createRecreate, type Recreate, type Terms } from './recreate.ts'

/** The most hosts that one step drops, and that it empties of what they have taken in. */
const DROPS = 6
const CLEARS = 12
const TRIES = 20

/** A cover that is chosen and then bettered. */
export type Search = {
  readonly cover: Cover
  /** Drops all that may be dropped and chooses anew which hosts to keep. False, and nothing is done: that evicts too many. */
  readonly construct: (terms: Terms) => boolean
  /** Drops one host after the other, what saves most for an eviction first, as far as its pods find room and may be evicted. */
  readonly thin: (terms: Terms) => void
  /** Undoes a part of the choice and makes it anew; it stays so if it is no worse. */
  readonly step: (terms: Terms, chance: Chance) => void
  /** Whatever has no place gets one, if more hosts have to be kept for it. Places that were reserved and aren't there are not. */
  readonly complete: (terms: Terms) => void
}
/** What a cover is judged by, $/h. */
export const weightOf = ({ cost, unrest }: Cover, { perUnrest }: Terms): number => cost() + perUnrest * unrest()

/** Of these hosts so many are kept at most. */
type Limit = { readonly hosts: readonly number[]; readonly most: number }

export const createSearch = (outline: Outline, mostEvictions: number, limit?: Limit): Search => {
  const { hosts, kinds } = outline
  const cover = createCover(outline)
  const isTooMuch = (): boolean => {
    if (cover.evictions() > mostEvictions) return true
    return limit !== undefined && limit.hosts.reduce((sum, host) => sum + (cover.kept[host] ?? 0), 0) > limit.most
  }
  const movable = hosts.flatMap(({ isFixed }, index) => (isFixed ? [] : [index]))
  const all = hosts.map((_, index) => index)
  const alike = Map.groupBy(movable, (index) => hosts[index]?.price)
  let made: { readonly terms: Terms; readonly recreate: Recreate } | undefined
  const recreateFor = (terms: Terms): Recreate => {
    if (made?.terms !== terms) made = { terms, recreate: createRecreate(outline, cover, terms) }
    return made.recreate
  }
  const hasTaken = (host: number): boolean => {
    for (let kind = 0; kind < kinds.length; kind += 1) if ((cover.taken[host * kinds.length + kind] ?? 0) > 0) return true
    return false
  }
  const some = (among: readonly number[], chance: Chance): number | undefined => {
    for (let tries = 0; tries < TRIES; tries += 1) {
      const host = among[Math.floor(chance() * among.length)]
      if (host !== undefined && cover.kept[host] === 1) return host
    }
    return undefined
  }
  const ruin = (first: number, chance: Chance): void => {
    const near = alike.get(hosts[first]?.price) ?? []
    cover.drop(first)
    for (let left = Math.floor(chance() * DROPS); left > 0; left -= 1) {
      const host = some(chance() < 0.5 ? near : movable, chance)
      if (host !== undefined) cover.drop(host)
    }
    for (let left = Math.floor(chance() * CLEARS); left > 0; left -= 1) {
      const host = some(chance() < 0.5 ? near : all, chance)
      if (host !== undefined) cover.clear(host)
    }
  }
  return {
    cover,
    construct(terms) {
      const mark = cover.mark()
      const { openKinds, place, keepMore } = recreateFor(terms)
      for (const host of movable) if (cover.kept[host] === 1) cover.drop(host)
      place(openKinds())
      const isGood = keepMore(Number.POSITIVE_INFINITY) && !isTooMuch()
      if (!isGood) cover.rollback(mark)
      cover.settle()
      return isGood
    },
    thin(terms) {
      const { openKinds, place } = recreateFor(terms)
      for (const host of movable.toSorted((a, b) => savingOf(hosts[b]) - savingOf(hosts[a]) || a - b)) {
        if (cover.kept[host] !== 1 || hasTaken(host)) continue
        const mark = cover.mark()
        cover.drop(host)
        place(openKinds())
        if (openKinds().length > 0 || isTooMuch()) cover.rollback(mark)
      }
      cover.settle()
    },
    step(terms, chance) {
      const { openKinds, place, keepMore } = recreateFor(terms)
      const first = some(movable, chance)
      if (first === undefined) return
      const before = weightOf(cover, terms)
      ruin(first, chance)
      place(openKinds(), chance)
      const isWhole = keepMore(before, chance)
      if (!isWhole || weightOf(cover, terms) > before + 1e-9 || isTooMuch()) cover.rollback(0)
      cover.settle()
    },
    complete(terms) {
      const { openKinds, place, keepMore } = recreateFor(terms)
      place(openKinds())
      if (!keepMore(Number.POSITIVE_INFINITY)) for (const kind of openKinds()) cover.reserve(kind, -(cover.open[kind] ?? 0))
      cover.settle()
    },
  }
}

/** $/h saved for an eviction. An empty host costs none: it comes first. */
const savingOf = (host: Host | undefined): number => (host ? host.price / (host.pods || 1e-9) : 0)
