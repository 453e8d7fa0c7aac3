/** The children of an actor: name → source. */
export type Sources = Readonly<Record<string, string>>
/** A child that came, with its source, or went. */
type Change = readonly [ref: string, src: string | undefined]

/**
 * The children of an actor that has many. XState and JSON keep them in a bag, and a bag of 5,000 names takes milliseconds
 * to copy: here one that comes or goes is noted, and a new bag is made once in many times. Never changed in place.
 */
export type Crowd = { readonly base: Sources; readonly changes: readonly Change[]; readonly size: number }

/** Up to so many are kept in a bag. */
export const FEW = 32
/** After so many changes a new bag is made: of few often, of thousands seldom, since it costs a look at each of them. */
const mostChanges = (size: number): number => Math.max(64, size / 8)

/** These children as a crowd; undefined: they are few. */
export const crowdFrom = (base: Sources): Crowd | undefined => {
  const size = Object.keys(base).length
  return size > FEW ? { base, changes: [], size } : undefined
}

/** The source of one of them; undefined: there is no such child. */
const sourceIn = ({ base, changes }: Crowd, ref: string): string | undefined => {
  const newest = changes.findLast(([name]) => name === ref)
  return newest ? newest[1] : Object.hasOwn(base, ref) ? base[ref] : undefined
}

/** All of them, in the order in which they came. */
export const sourcesOf = ({ base, changes }: Crowd): Sources => {
  if (changes.length === 0) return base
  const all = new Map(Object.entries(base))
  for (const [ref, src] of changes) {
    if (src === undefined) all.delete(ref)
    else all.set(ref, src)
  }
  return Object.fromEntries(all)
}

/** The crowd after some came or went. */
export const changedCrowd = (crowd: Crowd, more: readonly Change[]): Crowd => {
  let { size } = crowd
  let next = crowd
  for (const change of more) {
    const [ref, src] = change
    size += Number(src !== undefined) - Number(sourceIn(next, ref) !== undefined)
    next = { base: crowd.base, changes: [...next.changes, change], size }
  }
  return next.changes.length > mostChanges(size) ? { base: sourcesOf(next), changes: [], size } : next
}

/** Those that differ between two versions of a crowd, in each; undefined: it takes a look at all of them. */
export const differing = (before: Crowd, after: Crowd): { readonly was: Sources; readonly is: Sources } | undefined => {
  const isNewer = before.base === after.base && before.changes.every((change, index) => change === after.changes[index])
  if (!isNewer) return undefined
  const refs = new Set(after.changes.slice(before.changes.length).map(([ref]) => ref))
  return { was: some(before, refs), is: some(after, refs) }
}

/** These of the crowd, as far as they are in it. */
export const some = (crowd: Crowd, refs: Iterable<string>): Sources =>
  Object.fromEntries(
    [...refs].flatMap((ref) => {
      const src = sourceIn(crowd, ref)
      return src === undefined ? [] : [[ref, src]]
    }),
  )

/** The crowd behind the `children` of a snapshot, or of its JSON form. */
const crowds = new WeakMap<object, Crowd>()
/** Undefined: its children are few, and all in its bag. */
export const crowdOf = (holder: object): Crowd | undefined => crowds.get(holder)

/** Gives a new `holder` its children. The bag of a crowd is made when somebody looks into it. */
export const withCrowd = <Holder extends object>(holder: Holder, crowd: Crowd, bag: (all: Sources) => object): Holder => {
  if (crowd.size <= FEW) return Object.assign(holder, { children: bag(sourcesOf(crowd)) })
  crowds.set(holder, crowd)
  let made: object | undefined
  const get = (): object => (made ??= bag(sourcesOf(crowd)))
  return Object.defineProperty(holder, 'children', { configurable: true, enumerable: true, get })
}
