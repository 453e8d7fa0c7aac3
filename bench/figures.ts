/** One published number. `ok` compares with the goal in the direction that is better for its unit. */
export type Figure = {
  readonly name: string
  readonly value: number
  readonly unit: string
  readonly goal?: string
  readonly ok?: boolean
}

export const figure = (
  name: string,
  value: number,
  unit: string,
  goal?: { readonly atLeast?: number; readonly atMost?: number },
): Figure => {
  if (!goal) return { name, value, unit }
  const { atLeast = Number.NEGATIVE_INFINITY, atMost = Number.POSITIVE_INFINITY } = goal
  const text = goal.atLeast !== undefined ? `≥ ${goal.atLeast}` : `≤ ${goal.atMost}`
  return { name, value, unit, goal: text, ok: value >= atLeast && value <= atMost }
}

export const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN

/** Of each round, so that what one round had to share it shares in both. */
export const percentages = (values: readonly number[], of: readonly number[]): readonly number[] =>
  values.map((value, index) => (100 * value) / (of[index] ?? Number.NaN))
