import { badRequest, noSuchGroup, noSuchPath } from '../failure.ts'
import type { Kind } from '../objects.ts'
import { isResourceName, kinds } from '../objects.ts'

/** What a path of the API means. */
export type Target = {
  readonly kind: Kind
  readonly namespace: string | undefined
  readonly name: string | undefined
  readonly subresource: string | undefined
}

const groups: ReadonlySet<string> = new Set(Object.values(kinds).map(({ group }) => group))

const decoded = (part: string): string => {
  try {
    return decodeURIComponent(part)
  } catch {
    throw badRequest(`"${part}" in the path is not percent-encoded UTF-8`)
  }
}

/** @throws ApiFailure 404 for what this server does not serve */
export const targetOf = (path: string): Target => {
  const parts = path
    .split('/')
    .filter((part) => part !== '')
    .map(decoded)
  const [root, group = '', version] = parts[0] === 'api' ? ['api', '', parts[1]] : parts
  const rest = root === 'api' ? parts.slice(2) : parts.slice(3)
  if ((root !== 'api' && root !== 'apis') || version !== 'v1' || !groups.has(group) || rest.length === 0) throw noSuchGroup()
  const scoped = rest[0] === 'namespaces' && rest.length > 2 && isResourceName(rest[2] ?? '')
  const [resource = '', name, subresource, ...more] = scoped ? rest.slice(2) : rest
  const kind = isResourceName(resource) ? kinds[resource] : undefined
  if (!kind || kind.group !== group || more.length > 0) throw noSuchPath()
  if (scoped !== kind.namespaced && (scoped || name !== undefined)) throw noSuchPath()
  return { kind, namespace: scoped ? rest[1] : undefined, name, subresource }
}
