import type { LinearProgram } from '../../../ports.ts'
import { capacityOf, type Host, type Kind, type Outline } from './outline.ts'

/** Hosts that are alike but for what runs on them, and kinds that are alike but for whose pods they are. */
type HostType = { readonly hosts: Host[]; readonly host: Host; readonly capacity: Float64Array; readonly cost: Cost }
/** What a host costs by itself, and which commitment covers a part of it. */
type Cost = { readonly price: number; readonly pool: number | undefined }

const costOf = ({ bill }: Outline, { node, price }: Host): Cost =>
  bill ? { price: bill.list.get(node) ?? 0, pool: bill.poolOf.get(node) } : { price, pool: undefined }
type KindType = { readonly kind: Kind; most: number; count: number }

const hostTypes = (outline: Outline): readonly HostType[] => {
  const types = new Map<string, HostType>()
  for (const host of outline.hosts) {
    const capacity = capacityOf(outline, host)
    const cost = costOf(outline, host)
    const key = `${host.isFixed}|${cost.price}|${cost.pool ?? ''}|${capacity.join()}|${host.suits}`
    const type = types.get(key) ?? { host, capacity, cost, hosts: [] }
    types.set(key, type)
    type.hosts.push(host)
  }
  return [...types.values()]
}

/** Kinds that keep to themselves are taken together only with others of as many pods: else the limit says little. */
const kindTypes = ({ kinds }: Outline): { readonly types: readonly KindType[]; readonly of: readonly number[] } => {
  const types = new Map<string, KindType>()
  const keys = kinds.map((kind) => {
    const key = `${kind.ask.join()}|${kind.trait}|${kind.most === Number.POSITIVE_INFINITY ? '' : `${kind.most}|${kind.count}`}`
    const type = types.get(key) ?? { kind, most: 0, count: 0 }
    types.set(key, type)
    type.most += kind.most
    type.count += kind.count
    return key
  })
  const order = [...types.keys()]
  const at = new Map(order.map((key, index) => [key, index]))
  return { types: [...types.values()], of: keys.map((key) => at.get(key) ?? 0) }
}

/** How many pods of the kind a host of the type can hold, in parts and as whole pods. */
const holds = ({ kind: { ask } }: KindType, { capacity }: HostType): { readonly parts: number; readonly whole: number } => {
  let parts = Number.POSITIVE_INFINITY
  let whole = Number.POSITIVE_INFINITY
  for (const [r, amount] of ask.entries()) {
    if (amount <= 0) continue
    parts = Math.min(parts, (capacity[r] ?? 0) / amount)
    whole = Math.min(whole, Math.floor((capacity[r] ?? 0) / amount))
  }
  return { parts, whole }
}

/** How many pods of each kind type run on hosts of the type now. They may stay, whatever the host would say to others. */
const residents = ({ hosts }: HostType, of: readonly number[]): ReadonlyMap<number, number> => {
  const counts = new Map<number, number>()
  for (const { own } of hosts)
    for (const [kind, count] of own) counts.set(of[kind] ?? 0, (counts.get(of[kind] ?? 0) ?? 0) + count)
  return counts
}

type Column = {
  readonly cost: number
  readonly lower: number
  readonly upper: number
  readonly entries: [row: number, value: number][]
}

export type Relaxation = {
  readonly program: LinearProgram
  /** The row of the program that says that all pods of a kind have a place, by kind. */
  readonly rowOf: readonly number[]
}

/**
 * Which hosts to keep so that all pods have room, in parts: hosts of one type are one variable, and pods of one kind are
 * spread over them at will. Every plan is a solution, so none costs less than the optimum. Columns: how many hosts of each
 * type are kept, then how many pods of each kind are on them. Rows: each kind has all its places; each type's capacity;
 * and no host holds more of a kind than its whole pods, or than may share a node. What is committed covers hosts without
 * cost: a column for each commitment is what goes beyond it.
 */
export const relaxationOf = (outline: Outline): Relaxation => {
  const hosts = hostTypes(outline)
  const { types: kinds, of } = kindTypes(outline)
  const rowLower = kinds.map(({ count }) => count)
  const rowUpper = kinds.map(({ count }) => count)
  const atMostZero = (): number => {
    rowLower.push(Number.NEGATIVE_INFINITY)
    return rowUpper.push(0) - 1
  }
  const beyond = beyondCommitments(outline, rowLower, rowUpper)
  const pods: Column[] = []
  const nodes = hosts.map((type): Column => {
    const { host, capacity, cost } = type
    const count = type.hosts.length
    const living = residents(type, of)
    const column: Column = {
      cost: cost.pool === undefined ? cost.price : 0,
      lower: host.isFixed ? count : 0,
      upper: count,
      entries: cost.pool === undefined ? [] : [[beyond.rows[cost.pool] ?? 0, cost.price]],
    }
    const rows = [...capacity].map((size) => (size > 0 ? atMostZero() : -1))
    // Divided by the capacity: bytes and thousandths of cores become comparable.
    for (const row of rows) if (row >= 0) column.entries.push([row, -1])
    for (const [index, kindType] of kinds.entries()) {
      const { kind, most } = kindType
      const { parts, whole } = holds(kindType, type)
      const upper = host.suits[kind.trait] === '1' ? kindType.count : (living.get(index) ?? 0)
      if (whole < 1 || upper === 0) continue
      const entries: Column['entries'] = [[index, 1]]
      for (const [r, row] of rows.entries())
        if (row >= 0 && (kind.ask[r] ?? 0) > 0) entries.push([row, (kind.ask[r] ?? 0) / (capacity[r] ?? 1)])
      const limit = Math.min(whole, most)
      if (limit < parts) {
        const row = atMostZero()
        entries.push([row, 1])
        column.entries.push([row, -limit])
      }
      pods.push({ cost: 0, lower: 0, upper, entries })
    }
    return column
  })
  return { program: programOf([...nodes, ...pods, ...beyond.columns], rowLower, rowUpper), rowOf: of }
}

type Beyond = { readonly columns: readonly Column[]; readonly rows: readonly number[] }
/** Rows: what its hosts cost and what goes on to it from others, less what goes beyond it, is covered. */
const beyondCommitments = ({ bill, hosts }: Outline, rowLower: number[], rowUpper: number[]): Beyond => {
  const { pools, list } = bill ?? { pools: [], list: new Map() }
  const rows = pools.map(({ covered }) => {
    rowLower.push(Number.NEGATIVE_INFINITY)
    return rowUpper.push(covered) - 1
  })
  const most = hosts.reduce((sum, { node }) => sum + (list.get(node) ?? 0), 0)
  const columns = pools.map(({ next }, index): Column => {
    const entries: Column['entries'] = [[rows[index] ?? 0, -1]]
    if (next !== undefined) entries.push([rows[next] ?? 0, 1])
    return { cost: next === undefined ? 1 : 0, lower: 0, upper: most, entries }
  })
  return { columns, rows }
}

const programOf = (columns: readonly Column[], rowLower: readonly number[], rowUpper: readonly number[]): LinearProgram => {
  const starts = new Int32Array(columns.length + 1)
  for (const [index, { entries }] of columns.entries()) starts[index + 1] = (starts[index] ?? 0) + entries.length
  const entries = columns.flatMap((column) => column.entries)
  return {
    cost: Float64Array.from(columns, ({ cost }) => cost),
    lower: Float64Array.from(columns, ({ lower }) => lower),
    upper: Float64Array.from(columns, ({ upper }) => upper),
    rowLower: Float64Array.from(rowLower),
    rowUpper: Float64Array.from(rowUpper),
    starts,
    indices: Int32Array.from(entries, ([row]) => row),
    values: Float64Array.from(entries, ([, value]) => value),
  }
}

/**
 * A lower bound of the program's optimum that holds for any duals whatever (weak duality): who doubts the solver need only
 * add up. A dual whose row has no limit on its side is taken as none.
 */
export const dualBound = (program: LinearProgram, duals: Float64Array): number => {
  const { cost, lower, upper, rowLower, rowUpper, starts, indices, values } = program
  let bound = 0
  const prices = duals.map((dual, row) => {
    const limit = (dual > 0 ? rowLower[row] : rowUpper[row]) ?? 0
    if (!Number.isFinite(limit) || !Number.isFinite(dual)) return 0
    bound += dual * limit
    return dual
  })
  for (const [column, price] of cost.entries()) {
    let reduced = price
    for (let at = starts[column] ?? 0; at < (starts[column + 1] ?? 0); at += 1)
      reduced -= (prices[indices[at] ?? 0] ?? 0) * (values[at] ?? 0)
    bound += reduced * ((reduced > 0 ? lower[column] : upper[column]) ?? 0)
  }
  return bound
}
