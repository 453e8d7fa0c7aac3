type Path = readonly (string | number)[]

/** What changed from one JSON value to the next, down to the changed path. Null is a value; what is gone is listed. */
export type Patch = { readonly set?: readonly (readonly [Path, unknown])[]; readonly del?: readonly Path[] }

/** A value that JSON cannot carry would be another value after a restart: it is refused where it appears. */
export class NotJson extends Error {
  override name = 'NotJson'
}

type Bag = Readonly<Record<string, unknown>>
const isBag = (value: unknown): value is Bag => typeof value === 'object' && value !== null && !Array.isArray(value)
const isPlain = (value: Bag): boolean => {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

/**
 * The patch from `before` to `after`. Shared parts are skipped by identity, so its cost follows the change.
 * An undefined property is an absent one, as in JSON.
 * @throws NotJson naming the path of a value that JSON cannot carry
 */
export const diff = (before: unknown, after: unknown): Patch => {
  const set: [Path, unknown][] = []
  const del: Path[] = []
  compare(before, after, [], set, del)
  return { ...(set.length > 0 && { set }), ...(del.length > 0 && { del }) }
}

/** Whether two JSON values say the same, whatever the order of their fields. */
export const isSameJson = (one: unknown, other: unknown): boolean => {
  const { set, del } = diff(one, other)
  return set === undefined && del === undefined
}

const compare = (before: unknown, after: unknown, path: Path, set: [Path, unknown][], del: Path[]): void => {
  if (before === after) return
  if (isBag(before) && isBag(after) && isPlain(after)) compareBags(before, after, path, set, del)
  else if (Array.isArray(before) && Array.isArray(after) && after.length >= before.length) {
    after.forEach((item, index) => {
      if (index < before.length) compare(before[index], item, [...path, index], set, del)
      else set.push([[...path, index], checked(item, [...path, index])])
    })
  } else set.push([path, checked(after, path)])
}

const compareBags = (before: Bag, after: Bag, path: Path, set: [Path, unknown][], del: Path[]): void => {
  for (const key of Object.keys(before))
    if (before[key] !== undefined && (!Object.hasOwn(after, key) || after[key] === undefined)) del.push([...path, key])
  for (const key of Object.keys(after)) {
    const value = after[key]
    if (value === undefined) continue
    const inner = [...path, key]
    if (Object.hasOwn(before, key) && before[key] !== undefined) compare(before[key], value, inner, set, del)
    else set.push([inner, checked(value, inner)])
  }
}

const checked = (value: unknown, path: Path): unknown => {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return value
  if (typeof value === 'number' && Number.isFinite(value)) return value
  if (Array.isArray(value)) value.forEach((item, index) => void checked(item, [...path, index]))
  else if (isBag(value) && isPlain(value)) {
    for (const key of Object.keys(value)) if (value[key] !== undefined) checked(value[key], [...path, key])
  } else throw new NotJson(`${path.join('.') || 'the value'} is ${describe(value)}: keep plain JSON in context, input and output`)
  return value
}
const describe = (value: unknown): string =>
  isBag(value)
    ? `a ${value.constructor?.name ?? 'foreign object'}`
    : typeof value === 'number'
      ? String(value)
      : `a ${typeof value}`

/** The value after the patch. `before` is not changed; untouched parts are shared. */
export const patched = (before: unknown, { set = [], del = [] }: Patch): unknown => {
  let value = before
  for (const path of del) value = withPath(value, path, 0, undefined, true)
  for (const [path, next] of set) value = withPath(value, path, 0, next, false)
  return value
}

const withPath = (value: unknown, path: Path, depth: number, next: unknown, remove: boolean): unknown => {
  const key = path[depth]
  if (key === undefined) return next
  if (Array.isArray(value)) {
    const copy = value.slice()
    copy[Number(key)] = withPath(value[Number(key)], path, depth + 1, next, remove)
    return copy
  }
  const bag = isBag(value) ? value : {}
  if (remove && depth === path.length - 1) {
    const { [key]: _, ...rest } = bag
    return rest
  }
  // A computed key, not an assignment: a name such as `__proto__` stays an ordinary property.
  return { ...bag, [key]: withPath(Object.hasOwn(bag, key) ? bag[key] : undefined, path, depth + 1, next, remove) }
}
