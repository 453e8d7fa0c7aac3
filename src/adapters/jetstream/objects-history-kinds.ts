import type { KindMeta } from '../../ports.ts'
import { isObject } from './objects-history-block.ts'
import { scopeIn } from './objects-history-names.ts'
import type { Count, Picture, Seen } from './objects-history-picture.ts'
import { metaIn } from './objects-stream.ts'
import { type ObjectsSum, objectsSum } from './objects-sum.ts'

/** How one kind was. */
export type KindThen = {
  /** `namespaces/NAMESPACE/KIND` for a kind that the agent reads in single namespaces. */
  readonly kind: string
  readonly count: number
  /** What the agent said of it last before; undefined: nothing. */
  readonly said?: KindMeta & { readonly at: number }
  /** Whether the objects of then are exactly those that the agent had counted: the picture is whole. */
  readonly agrees: boolean
}

type Tally = { count: number; readonly sum: ObjectsSum }

/** Every kind of a picture, in order: what there was of it, how old the news were, and whether anything is missing. */
export const kindsThen = async ({ counts, seen }: Picture): Promise<readonly KindThen[]> => {
  const said = new Map(counts)
  const tallies = new Map<string, Tally>()
  const tally = (scope: string): Tally => {
    const its = tallies.get(scope) ?? { count: 0, sum: objectsSum() }
    tallies.set(scope, its)
    return its
  }
  const add = ({ kind, version, isThen, isCounted }: Seen): void => {
    const { subject, uid, resourceVersion, payload, time } = version
    const scope = scopeIn(subject)
    if (!isObject(subject)) {
      const meta = metaIn(payload)
      if (meta && !said.has(scope)) said.set(scope, { meta, time })
      return
    }
    // Only at the end it is known which of the two the agent counts.
    for (const its of scope === kind ? [tally(kind)] : [tally(kind), tally(scope)]) {
      if (isThen) its.count += 1
      if (isCounted) its.sum.add(uid, resourceVersion)
    }
  }
  for await (const block of seen()) for (const one of block) add(one)
  const inNamespaces = new Set([...said.keys()].map((scope) => scope.match(/^namespaces\/[^/]*\/(.+)/)?.[1] ?? ''))
  const uncounted = [...tallies.keys()].filter((scope) => !said.has(scope) && !scope.startsWith('namespaces/'))
  return [...said.keys(), ...uncounted.filter((kind) => !inNamespaces.has(kind))]
    .toSorted()
    .map((scope) => kindThen(scope, tally(scope), said.get(scope)))
}

const kindThen = (kind: string, { count, sum }: Tally, said: Count | undefined): KindThen => {
  const agrees = said?.meta.count === sum.count() && said.meta.hash === sum.hash()
  return { kind, count, agrees, ...(said && { said: { ...said.meta, at: said.time } }) }
}
