import type { Address } from '../../runtime/types.ts'

/** The address that `<type>/<id>` writes; an id may have slashes. */
export const addressFrom = (name: string): Address => {
  const slash = name.indexOf('/')
  return { type: name.slice(0, slash), id: name.slice(slash + 1) }
}

/** As many items as fit, and where to go on; one that alone is too long is sent alone. */
export const page = <T, K>(
  items: readonly T[],
  bytes: number,
  keyOf: (item: T) => K,
): { readonly items: readonly T[]; readonly next?: K } => {
  let used = 0
  const end = items.findIndex((item, index) => {
    used += Buffer.byteLength(JSON.stringify(item)) + 1
    return used > bytes && index > 0
  })
  const last = items[end - 1]
  return end < 0 || last === undefined ? { items } : { items: items.slice(0, end), next: keyOf(last) }
}
export const going = <K>(next: K | undefined): { readonly next?: K } => (next === undefined ? {} : { next })
