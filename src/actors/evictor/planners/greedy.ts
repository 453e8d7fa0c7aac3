import { attempts, begin, type Draft, draftOf, type Guests, type Task } from '../emptying.ts'
import { seat } from '../headroom/headroom.ts'
import type { NodeEntry } from '../model.ts'
import { toMove } from '../placing.ts'
import type { Planner } from './planner.ts'

type Order = (task: Task, node: NodeEntry) => number

const movable = ({ model, disruption }: Task, node: NodeEntry): number => toMove(model, node, disruption).length
const price = ({ hourly }: Task, node: NodeEntry): number => hourly.get(node) ?? 0
const use = ({ model: { columns } }: Task, { index }: NodeEntry): number => {
  let most = 0
  for (const [resource, column] of columns.allocatable.entries())
    if ((column[index] ?? 0) > 0) most = Math.max(most, (columns.requested[resource]?.[index] ?? 0) / (column[index] ?? 1))
  return most
}
/** What comes first is drained first: by dollars saved for an eviction, by price, by how little is used. */
const orders: Readonly<Record<string, Order>> = {
  'greedy-saving': (task, node) => price(task, node) / (1 + movable(task, node)),
  'greedy-price': price,
  'greedy-unused': (task, node) => 1 - use(task, node),
  'greedy-price-unused': (task, node) => price(task, node) * (1 - use(task, node)),
}

/**
 * Empties one node after the other, whole or not at all, each pod into the best fit among the nodes that stay; goes round
 * until nothing changes. Leaves the model as it was.
 */
const greedy = (task: Task, order: Order, guests: Guests): Draft => {
  const mark = task.model.mark()
  const state = begin()
  const weight = new Map(task.nodes.map((node) => [node, order(task, node)]))
  const isEmpty = new Map(task.nodes.map((node) => [node, movable(task, node) === 0]))
  const candidates = task.nodes
    .filter((node) => !task.fixed.has(node))
    .sort((a, b) => Number(isEmpty.get(b)) - Number(isEmpty.get(a)) || (weight.get(b) ?? 0) - (weight.get(a) ?? 0))
  seat(task.model, task.headroom.room, task.nodes)
  const attempt = attempts(task, state, guests)
  for (let rest = candidates, before = -1; rest.length !== before; ) {
    before = rest.length
    rest = rest.filter((node) => attempt(node) !== undefined)
  }
  const draft = draftOf(task, state)
  task.model.rollback(mark)
  return { ...draft, guests }
}

/** One planner for each order. What does not stand the replay with guests that go on is tried again with guests that stay. */
export const greedyPlanners: readonly Planner[] = Object.entries(orders).map(([name, order]) => ({
  name,
  *drafts(task) {
    const stands = yield greedy(task, order, 'go-on')
    if (!stands) yield greedy(task, order, 'stay')
  },
}))
