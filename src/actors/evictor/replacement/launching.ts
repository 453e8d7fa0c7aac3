import type { Catalogue } from '../../../events/catalogue.ts'
import type { Launch, Policy, Prices, Reason } from '../../../events/plan.ts'
import type { LinearSolver } from '../../../ports.ts'
import { volumeBound } from '../bound.ts'
import { type Task, withLaunched } from '../emptying.ts'
import { type Outline, outlineOf } from '../keep-set/outline.ts'
import { relax } from '../keep-set/relaxed.ts'
import type { Model, NodeEntry } from '../model.ts'
import { priceOf } from '../prices.ts'
import { daemonsOn } from './daemons.ts'
import { nodeOf, type Offer, offersOf } from './offers.ts'

/** All that may be launched, as nodes that the model knows of but does not have. */
export type Launching = {
  readonly offers: readonly Offer[]
  /** In the order of the offers. */
  readonly nodes: readonly NodeEntry[]
  readonly offerOf: ReadonlyMap<NodeEntry, Offer>
  /** No more are launched. */
  readonly most: number
  /** What a launched node must save: its price, and what the policy wants beside. */
  readonly hurdle: (node: NodeEntry) => number
  /** Nodes at a guessed price: nothing is launched in their place. */
  readonly guessed: ReadonlyMap<NodeEntry, readonly Reason[]>
  readonly release: () => void
}

const GUESSED: Reason = { code: 'PriceGuessed', message: 'what it costs is a guess, and nothing is launched to replace a guess' }

/** A new node may use up what is committed, or leave it unused: nobody reckons with that yet. */
export const isCommitted = ({ commitments: { instances, spend } }: Prices): boolean => instances.length + spend.length > 0

/** Undefined where the policy launches nothing, where something is committed, or there is nothing to launch. @throws RangeError as `offersOf` does */
export const launchingOf = (
  model: Model,
  policy: Policy,
  prices: Prices,
  options: { readonly now: number; readonly catalogue?: Catalogue | undefined },
): Launching | undefined => {
  if (!policy.replacement || isCommitted(prices)) return undefined
  const { maxLaunches, minSavingPercent } = policy.replacement
  const offers = offersOf(model, policy, prices, options)
  if (offers.length === 0) return undefined
  const daemons = daemonsOn(model)
  const offerOf = new Map<NodeEntry, Offer>()
  for (const offer of offers)
    for (let number = 1; number <= Math.min(offer.limit, maxLaunches); number += 1) {
      const node = nodeOf(offer, number)
      offerOf.set(model.offer(node, daemons(node), offer.like), offer)
    }
  const nodes = [...offerOf.keys()]
  const guessed = [...model.nodes.values()].filter(({ object }) => object && priceOf(object, prices).basis === 'guessed')
  return {
    offers,
    nodes,
    offerOf,
    most: maxLaunches,
    hurdle: (node) => (offerOf.get(node)?.hourly ?? 0) * (1 + minSavingPercent / 100),
    guessed: new Map(guessed.map((node) => [node, [GUESSED]])),
    release: () => model.withdraw(nodes),
  }
}

/** The cluster with these nodes beside its own; `priced` says what each of them counts for. The model is left as it was. */
export const widened = (task: Task, nodes: readonly NodeEntry[], priced: (node: NodeEntry) => number): Task => ({
  ...task,
  nodes: [...task.nodes, ...nodes],
  hourly: new Map([...task.hourly, ...nodes.map((node) => [node, priced(node)] as const)]),
})

/** What a plan costs at least that may launch as well: the volumes and the relaxation with all that is offered among the nodes. */
export const boundWith = (task: Task, { nodes, offerOf }: Launching, solver: LinearSolver | undefined) => {
  const wide = widened(task, nodes, (node) => offerOf.get(node)?.hourly ?? 0)
  const { outline, volume } = withLaunched(task, { nodes }, () => ({
    outline: outlineOf(wide),
    volume: volumeBound(task.model, task.disruption, wide.hourly),
  }))
  const relaxed = solver && relax(solver, outline)
  return {
    bound: (patienceMs: number): number => Math.max(volume, relaxed?.bound(patienceMs) ?? 0),
    /** What places are worth, by the kinds of another outline of the same cluster. */
    worth: (patienceMs: number, { kinds, kindOf }: Outline): Float64Array | undefined => {
      const duals = relaxed?.worth(patienceMs)
      if (!duals) return undefined
      const worth = new Float64Array(kinds.length)
      for (const [shape, kind] of kindOf) worth[kind] = duals[outline.kindOf.get(shape) ?? -1] ?? 0
      return worth
    },
    stop: (): void => relaxed?.stop(),
  }
}
export type WideBound = ReturnType<typeof boundWith>

/** What is to be launched, by kind. */
export const launchOf = ({ offerOf }: Launching, nodes: readonly NodeEntry[]): Launch[] =>
  [...Map.groupBy(nodes, (node) => offerOf.get(node))].flatMap(([offer, list]) =>
    offer
      ? [
          {
            instanceType: offer.instanceType,
            count: list.length,
            ...(offer.zone !== '' && { zone: offer.zone }),
            ...(offer.capacityType !== 'unknown' && { capacityType: offer.capacityType }),
            hourlyCost: offer.hourly,
            nodes: list.map(({ name }) => name),
          },
        ]
      : [],
  )

/** What the bound covers, for people. */
export const coverage = ({ offers, most }: Launching): string =>
  `launching up to ${most} nodes of each of ${offers.length} kinds (${[...new Set(offers.map((offer) => offer.instanceType))].slice(0, MOST_NAMED).join(', ')}${offers.length > MOST_NAMED ? ', …' : ''})`
const MOST_NAMED = 5
