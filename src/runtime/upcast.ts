import type { EventDef } from './types.ts'

/**
 * The payload as the newest schema has it, carried from version to version.
 * @param from the schema version it was written with
 * @throws Error naming the step that is missing, or a version that is newer than ours
 */
export const upcast = ({ v, upcast: steps = {} }: Pick<EventDef, 'v' | 'upcast'>, payload: unknown, from: number): unknown => {
  if (from > v)
    throw new Error(`it has schema version ${from}, this process knows versions up to ${v}: run the release that wrote it`)
  let current = payload
  for (let version = from; version < v; version++) {
    const step = steps[version]
    if (!step)
      throw new Error(
        `it has schema version ${from}, and nothing leads from ${version} to ${version + 1}: add upcast ${version} to its definition`,
      )
    current = step(current)
  }
  return current
}
