import { ApiFailure, badRequest } from './failure.ts'

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json }
type Fields = { [key: string]: Json }

const isFields = (value: Json | undefined): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const FORBIDDEN: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype'])
const safe = (key: string): string => {
  if (FORBIDDEN.has(key)) throw badRequest(`"${key}" is no field of an object`)
  return key
}

/** RFC 7386: null removes, an object merges, everything else replaces. */
export const mergePatch = (target: Json | undefined, patch: Json): Json => {
  if (!isFields(patch)) return patch
  const merged: Fields = isFields(target) ? { ...target } : {}
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete merged[safe(key)]
    else merged[safe(key)] = mergePatch(merged[key], value)
  }
  return merged
}

// The lists that a strategic merge patch joins by a key (`patchMergeKey` in the API's types); all others it replaces.
const MERGE_KEYS: Readonly<Record<string, string>> = {
  conditions: 'type',
  containers: 'name',
  initContainers: 'name',
  volumes: 'name',
  env: 'name',
  ownerReferences: 'uid',
  addresses: 'type',
}

/** A strategic merge patch, with `$patch: delete` and `$patch: replace`; `$setElementOrder` and `$retainKeys` change nothing here. */
export const strategicPatch = (target: Json | undefined, patch: Json): Json => {
  if (!isFields(patch)) return patch
  const { $patch, ...fields } = patch
  const merged: Fields = isFields(target) && $patch !== 'replace' ? { ...target } : {}
  for (const [key, value] of Object.entries(fields)) {
    if (key.startsWith('$')) continue
    if (value === null) delete merged[safe(key)]
    else merged[safe(key)] = strategicField(key, merged[key], value)
  }
  return merged
}
const strategicField = (key: string, target: Json | undefined, value: Json): Json => {
  const mergeKey = MERGE_KEYS[key]
  return mergeKey !== undefined && Array.isArray(value) && Array.isArray(target)
    ? mergeList(target, value, mergeKey)
    : strategicPatch(target, value)
}
const mergeList = (target: readonly Json[], patch: readonly Json[], mergeKey: string): Json[] => {
  const list = [...target]
  for (const item of patch) {
    const id = isFields(item) ? item[mergeKey] : undefined
    const index = list.findIndex((each) => isFields(each) && each[mergeKey] === id)
    if (isFields(item) && item.$patch === 'delete') list.splice(index, index < 0 ? 0 : 1)
    else if (index < 0) list.push(strategicPatch(undefined, item))
    else list[index] = strategicPatch(list[index], item)
  }
  return list
}

const failed = (message: string): ApiFailure => new ApiFailure(422, 'Invalid', message)
const segments = (path: string): string[] => {
  if (path === '') return []
  if (!path.startsWith('/')) throw badRequest(`the path "${path}" of a JSON patch does not begin with "/"`)
  return path
    .slice(1)
    .split('/')
    .map((part) => safe(part.replaceAll('~1', '/').replaceAll('~0', '~')))
}

/**
 * RFC 6902.
 * @throws ApiFailure 422 when a `test` fails or a path is not there, 400 for what is no JSON patch
 */
export const jsonPatch = (document: Json, patch: Json): Json => {
  if (!Array.isArray(patch)) throw badRequest('a JSON patch is an array of operations')
  return patch.reduce<Json>((state, operation) => operate(state, operation), structuredClone(document))
}

const textField = (operation: Fields, field: string): string => {
  const value = operation[field]
  if (typeof value !== 'string') throw badRequest(`an operation of a JSON patch has no "${field}"`)
  return value
}

const operate = (document: Json, operation: Json): Json => {
  if (!isFields(operation)) throw badRequest('an operation of a JSON patch is an object')
  const op = textField(operation, 'op')
  const path = textField(operation, 'path')
  const { value = null } = operation
  switch (op) {
    case 'add':
      return added(document, segments(path), value)
    case 'remove':
      return removed(document, segments(path), path)
    case 'replace':
      read(document, segments(path), path)
      return replaced(document, segments(path), value)
    case 'test':
      return tested(document, path, value)
    case 'copy':
    case 'move': {
      const from = textField(operation, 'from')
      const moved = structuredClone(read(document, segments(from), from))
      return added(op === 'move' ? removed(document, segments(from), from) : document, segments(path), moved)
    }
    default:
      throw badRequest(`"${op}" is no operation of a JSON patch (add, remove, replace, test, copy, move)`)
  }
}

const tested = (document: Json, path: string, value: Json): Json => {
  if (!equal(find(document, segments(path)) ?? null, value))
    throw failed(`the server rejected our request due to an error in our request: testing path ${path} value failed`)
  return document
}
const equal = (one: Json, other: Json): boolean => canonical(one) === canonical(other)
const canonical = (value: Json): string =>
  JSON.stringify(value, (_, each: Json) =>
    isFields(each) ? Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1))) : each,
  )

const child = (node: Json | undefined, key: string): Json | undefined => {
  if (Array.isArray(node)) return /^\d+$/.test(key) ? node[Number(key)] : undefined
  return isFields(node) && Object.hasOwn(node, key) ? node[key] : undefined
}
const find = (document: Json, path: readonly string[]): Json | undefined => path.reduce<Json | undefined>(child, document)
const read = (document: Json, path: readonly string[], text: string): Json => {
  const found = find(document, path)
  if (found === undefined) throw failed(`the path ${text} of the JSON patch is not there`)
  return found
}
const parentOf = (document: Json, path: readonly string[]): Json =>
  read(document, path.slice(0, -1), `/${path.slice(0, -1).join('/')}`)
const indexIn = (list: readonly Json[], key: string): number => {
  const index = key === '-' ? list.length : Number(key)
  if (!Number.isInteger(index) || index < 0 || index > list.length) throw failed(`"${key}" is outside the list of ${list.length}`)
  return index
}

const added = (document: Json, path: readonly string[], value: Json): Json => {
  const key = path.at(-1)
  if (key === undefined) return value
  const parent = parentOf(document, path)
  if (Array.isArray(parent)) parent.splice(indexIn(parent, key), 0, value)
  else if (isFields(parent)) parent[key] = value
  else throw failed(`/${path.join('/')} has no place for a field`)
  return document
}
const replaced = (document: Json, path: readonly string[], value: Json): Json => {
  const key = path.at(-1)
  if (key === undefined) return value
  const parent = parentOf(document, path)
  if (Array.isArray(parent)) parent[indexIn(parent, key)] = value
  else if (isFields(parent)) parent[key] = value
  return document
}
const removed = (document: Json, path: readonly string[], text: string): Json => {
  read(document, path, text)
  const key = path.at(-1)
  if (key === undefined) throw failed('the whole document cannot be removed')
  const parent = parentOf(document, path)
  if (Array.isArray(parent)) parent.splice(Number(key), 1)
  else if (isFields(parent)) delete parent[key]
  return document
}
