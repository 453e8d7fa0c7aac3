/**
 * A bag of many in a machine's context, by name: plain JSON, in bags of bags. To copy one bag of 5,000, and to compare it
 * with the one before, takes milliseconds for every event; of these only the bucket that changed is copied and compared.
 */
export type Buckets<Value> = {
  readonly size: number
  readonly in: Readonly<Record<string, Readonly<Record<string, Value>>>>
}

const BUCKETS = 64
export const EMPTY: Buckets<never> = { size: 0, in: {} }

/** FNV-1a of the name. Journaled with it: never another. */
const bucketOf = (name: string): number => {
  let hash = 0x811c9dc5
  for (let index = 0; index < name.length; index++) hash = Math.imul(hash ^ name.charCodeAt(index), 0x01000193)
  return (hash >>> 0) % BUCKETS
}
type Bag<Value> = Readonly<Record<string, Value>>
const bagAt = <Value>({ in: bags }: Buckets<Value>, bucket: number): Bag<Value> => bags[bucket] ?? {}

export const bucketed = <Value>(bag: Bag<Value>): Buckets<Value> =>
  Object.entries(bag).reduce<Buckets<Value>>((all, [name, value]) => put(all, name, value), EMPTY)

export const found = <Value>(all: Buckets<Value>, name: string): Value | undefined => {
  const bag = bagAt(all, bucketOf(name))
  return Object.hasOwn(bag, name) ? bag[name] : undefined
}

export const put = <Value>(all: Buckets<Value>, name: string, value: Value): Buckets<Value> => {
  const bucket = bucketOf(name)
  const bag = bagAt(all, bucket)
  return {
    size: Object.hasOwn(bag, name) ? all.size : all.size + 1,
    in: { ...all.in, [bucket]: { ...bag, [name]: value } },
  }
}

export const without = <Value>(all: Buckets<Value>, name: string): Buckets<Value> =>
  found(all, name) === undefined ? all : filteredBeside(all, name, (_, each) => each !== name)

/** Without those that are not kept, as far as they are in the same bucket as the name: over time all are looked at. */
export const filteredBeside = <Value>(
  all: Buckets<Value>,
  name: string,
  isKept: (value: Value, name: string) => boolean,
): Buckets<Value> => {
  const bucket = bucketOf(name)
  const before = Object.entries(bagAt(all, bucket))
  const after = before.filter(([each, value]) => isKept(value, each))
  if (after.length === before.length) return all
  const { [bucket]: _, ...others } = all.in
  const size = all.size - before.length + after.length
  return { size, in: after.length === 0 ? others : { ...others, [bucket]: Object.fromEntries(after) } }
}

export const valuesOf = <Value>(all: Buckets<Value>): readonly Value[] =>
  Object.values(all.in).flatMap((bag) => Object.values(bag))

/** The entries of one bucket after another, from one of them on: `next` is where to go on once there are so many. */
export const page = <Value>(
  all: readonly Buckets<Value>[],
  from: number,
  most: number,
): { readonly names: readonly string[]; readonly next: number | undefined } => {
  const names: string[] = []
  for (let bucket = from; bucket < BUCKETS; bucket++) {
    if (names.length >= most) return { names, next: bucket }
    for (const each of all) names.push(...Object.keys(bagAt(each, bucket)))
  }
  return { names, next: undefined }
}
