import { capacityOf, type Outline } from './outline.ts'

/**
 * Which hosts are kept, and how many pods of each kind they take in beside their own. Only counts, all of them whole, so
 * that undoing is exact. Invariant: a host takes in no more than it has room for, and of no kind more than may share it.
 */
export type Cover = {
  /** 1 for a host that is kept. */
  readonly kept: Uint8Array
  /** Pods without a place, by kind. */
  readonly open: Int32Array
  /** `host * kinds + kind`. */
  readonly taken: Int32Array
  /** `host * resources + resource`. */
  readonly free: Float64Array
  /** `kind * resources + resource`: what one pod asks for. */
  readonly asks: Float64Array
  /** `host * kinds + kind`: 1 where the host takes pods of the kind. */
  readonly suits: Uint8Array
  readonly cost: () => number
  /** How many pods are on hosts that are not kept. */
  readonly evictions: () => number
  /** How much it unsettles to evict them. */
  readonly unrest: () => number
  /** How many pods of the kind the host can take in, at most as many as wanted. */
  readonly fits: (host: number, kind: number, wanted: number) => number
  /** The host takes in so many more of the kind; fewer when negative. */
  readonly take: (host: number, kind: number, count: number) => void
  readonly keep: (host: number) => void
  readonly drop: (host: number) => void
  /** What the host has taken in has no place any more. */
  readonly clear: (host: number) => void
  readonly mark: () => number
  readonly rollback: (mark: number) => void
  /** What has been done until now stays. */
  readonly settle: () => void
  /** From here on so many places more are wanted for the kind than there are pods. Not undone. */
  readonly reserve: (kind: number, places: number) => void
  /** From here on hosts take in pods up to this share of their capacities less; what some took in too much is open. Not undone. */
  readonly squeeze: (share: number) => void
}

const KEPT = -1
const DROPPED = -2

/** Begins with the cluster as it is: every host is kept. */
export const createCover = (outline: Outline): Cover => {
  const { kinds, hosts, resources } = outline
  const count = kinds.length
  const kept = new Uint8Array(hosts.length).fill(1)
  const open = new Int32Array(count)
  const taken = new Int32Array(hosts.length * count)
  const free = new Float64Array(hosts.length * resources)
  const asks = new Float64Array(count * resources)
  const most = Float64Array.from(kinds, (kind) => kind.most)
  const suits = new Uint8Array(hosts.length * count)
  const own = hosts.map((host) => new Map(host.own))
  for (const [h, host] of hosts.entries()) {
    free.set(host.room, h * resources)
    for (const [k, { trait }] of kinds.entries()) suits[h * count + k] = host.suits[trait] === '1' ? 1 : 0
  }
  for (const [k, { ask }] of kinds.entries()) asks.set(ask, k * resources)
  for (const [kind, places] of outline.toCome) open[kind] = places
  let cost = hosts.reduce((sum, { price }) => sum + price, 0)
  let evictions = 0
  let unrest = 0
  /** By kind, the host that is next to give some back. */
  const givers = new Int32Array(count)
  /** Host, kind and count of what was taken in, or host, KEPT or DROPPED, and 0. */
  const log: number[] = []

  const change = (host: number, kind: number, by: number): void => {
    taken[host * count + kind] = (taken[host * count + kind] ?? 0) + by
    open[kind] = (open[kind] ?? 0) - by
    for (let r = 0; r < resources; r += 1)
      free[host * resources + r] = (free[host * resources + r] ?? 0) - by * (asks[kind * resources + r] ?? 0)
  }
  const take = (host: number, kind: number, by: number): void => {
    change(host, kind, by)
    log.push(host, kind, by)
  }
  const flip = (index: number, isKept: boolean): void => {
    const host = hosts[index]
    if (!host) return
    const sign = isKept ? 1 : -1
    kept[index] = isKept ? 1 : 0
    cost += sign * host.price
    evictions -= sign * host.pods
    unrest -= sign * host.unrest
    for (const [kind, pods] of host.own) open[kind] = (open[kind] ?? 0) - sign * pods
  }
  /** More of the kind have a place than there are: hosts that took some in give them back, one after the other. */
  const giveBack = (kind: number): void => {
    for (let tries = 0; (open[kind] ?? 0) < 0 && tries < hosts.length; tries += 1) {
      const host = givers[kind] ?? 0
      givers[kind] = (host + 1) % hosts.length
      const has = taken[host * count + kind] ?? 0
      if (has > 0) take(host, kind, -Math.min(has, -(open[kind] ?? 0)))
    }
  }
  const clear = (host: number): void => {
    for (let kind = 0; kind < count; kind += 1) {
      const has = taken[host * count + kind] ?? 0
      if (has > 0) take(host, kind, -has)
    }
  }
  return {
    kept,
    open,
    taken,
    free,
    asks,
    suits,
    cost: () => cost,
    evictions: () => evictions,
    unrest: () => unrest,
    fits(host, kind, wanted) {
      if (suits[host * count + kind] !== 1) return 0
      let n = wanted
      const limit = most[kind] ?? 0
      if (limit < n) n = Math.min(n, limit)
      if (limit < Number.POSITIVE_INFINITY)
        n = Math.min(n, limit - (taken[host * count + kind] ?? 0) - (own[host]?.get(kind) ?? 0))
      for (let r = 0; n > 0 && r < resources; r += 1) {
        const ask = asks[kind * resources + r] ?? 0
        const left = free[host * resources + r] ?? 0
        if (n * ask > left) n = Math.floor(left / ask)
      }
      return Math.max(0, n)
    },
    take,
    keep(host) {
      flip(host, true)
      log.push(host, KEPT, 0)
      for (const [kind] of hosts[host]?.own ?? []) giveBack(kind)
    },
    drop(host) {
      clear(host)
      flip(host, false)
      log.push(host, DROPPED, 0)
    },
    clear,
    mark: () => log.length,
    rollback(mark) {
      while (log.length > mark) {
        const by = log.pop() ?? 0
        const kind = log.pop() ?? 0
        const host = log.pop() ?? 0
        if (kind >= 0) change(host, kind, -by)
        else flip(host, kind === DROPPED)
      }
    },
    settle() {
      log.length = 0
    },
    reserve(kind, places) {
      open[kind] = (open[kind] ?? 0) + places
    },
    squeeze(share) {
      for (const [h, host] of hosts.entries()) {
        const capacity = capacityOf(outline, host)
        let isFull = false
        for (let r = 0; r < resources; r += 1) {
          const left = (free[h * resources + r] ?? 0) - Math.min(share * (capacity[r] ?? 0), Math.max(0, host.room[r] ?? 0))
          free[h * resources + r] = left
          isFull ||= left < 0
        }
        if (isFull) clear(h)
      }
      log.length = 0
    },
  }
}
