/** Per resource one typed array over the nodes' indices; whole numbers in the units of `amount.ts`. */
export type Columns = {
  readonly names: readonly string[]
  readonly allocatable: readonly Float64Array[]
  readonly requested: readonly Float64Array[]
  /** The resource's index; a new one gets a column. */
  readonly indexOf: (resource: string) => number
  /** Makes room for so many nodes. */
  readonly reserve: (nodes: number) => void
}

const longer = (column: Float64Array, size: number): Float64Array => {
  const grown = new Float64Array(size)
  grown.set(column)
  return grown
}

export const createColumns = (): Columns => {
  const names: string[] = []
  const allocatable: Float64Array[] = []
  const requested: Float64Array[] = []
  const indices = new Map<string, number>()
  let size = 64
  const indexOf = (resource: string): number => {
    const known = indices.get(resource)
    if (known !== undefined) return known
    indices.set(resource, names.length)
    allocatable.push(new Float64Array(size))
    requested.push(new Float64Array(size))
    return names.push(resource) - 1
  }
  const reserve = (nodes: number): void => {
    if (nodes <= size) return
    size = Math.max(nodes, size * 2)
    for (const columns of [allocatable, requested])
      for (const [index, column] of columns.entries()) columns[index] = longer(column, size)
  }
  return { names, allocatable, requested, indexOf, reserve }
}
