import type { ApiObject } from './objects.ts'

const texts = new WeakMap<ApiObject, string>()

/** The object as JSON. Objects never change, so each is written once, for the log, every watch and every list. */
export const textOf = (object: ApiObject): string => {
  const known = texts.get(object)
  if (known !== undefined) return known
  const { apiVersion, kind, ...rest } = object
  const text = JSON.stringify({ apiVersion, kind, ...rest })
  texts.set(object, text)
  return text
}

/** The object as an item of a list, which carries neither `apiVersion` nor `kind`. */
export const itemTextOf = (object: ApiObject): string => {
  const lead = JSON.stringify({ apiVersion: object.apiVersion, kind: object.kind })
  return `{${textOf(object).slice(lead.length)}`
}
