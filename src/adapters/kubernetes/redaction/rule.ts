import { keptAnnotation } from './annotations.ts'
import { MARKER, scrubbed } from './secrets.ts'
import { argument, environment, eventMessage, origin, requestPath } from './values.ts'

// A rule has the shape of what it lets through: an allow-list is read beside the object that it is for. What a rule does
// not name is dropped. What has another type than the rule says is replaced: a secret does not pass where a number
// belongs, and whoever needs the number sees that it could not be read, rather than that there is none.

/** What becomes of a single value. */
type Leaf = keyof typeof leaves
export type Rule =
  | Leaf
  /** Each item of a list. */
  | readonly [Rule]
  | Fields
/** An object: the fields named here; under `'*'` alone, a map with any keys. */
export type Fields = { readonly [field: string]: Rule }

type Outcome = 'kept' | 'replaced' | 'dropped'
/** Hears what became of the value at a path such as `spec.containers[].env[].value`. */
export type Note = (path: string, outcome: Outcome) => void
/** What is left of a value; undefined: it goes with its field. */
type Walk = (value: unknown, note: Note | undefined) => unknown

const QUANTITY = /^[+-]?[0-9.]{1,20}(?:[eE][+-]?[0-9]{1,3})?[a-zA-Zµ%]{0,3}$|^(?:[0-9.]{1,10}(?:ms|s|m|h)){1,4}$|^Never$/
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/

const ofText =
  (change: (text: string) => string) =>
  (value: unknown): unknown =>
    typeof value === 'string' ? change(value) : undefined
const matching =
  (form: RegExp) =>
  (value: unknown): unknown =>
    typeof value === 'string' && form.test(value) ? value : undefined
const isNumber = (value: unknown): boolean => typeof value === 'number'
const text = ofText(scrubbed)
const quantityText = matching(QUANTITY)

const leaves = {
  boolean: (value: unknown): unknown => (typeof value === 'boolean' ? value : undefined),
  number: (value: unknown): unknown => (isNumber(value) ? value : undefined),
  /** A name, an image, a path of a file, an expression: as it is, unless it looks like a secret. */
  text,
  /** A number, a Boolean or a text. */
  scalar: (value: unknown): unknown => (typeof value === 'string' ? text(value) : typeof value === 'object' ? undefined : value),
  /** An amount, a percentage or a duration. */
  quantity: (value: unknown): unknown => (isNumber(value) ? value : quantityText(value)),
  time: matching(TIME),
  environment: ofText(environment),
  argument: ofText(argument),
  requestPath: ofText(requestPath),
  origin: ofText(origin),
  eventMessage: ofText(eventMessage),
  /** That there is a value, and not which. */
  hidden: (value: unknown): unknown => (value === '' ? '' : MARKER),
  /** The same where Kubernetes expects base64. */
  hiddenBytes: (): unknown => '',
  /** Of an object only that it is there. */
  there: (value: unknown): unknown => (typeof value === 'object' ? {} : undefined),
  /** Annotations have an allow-list of their own, with a form for each value. */
  annotations: undefined,
} as const

/** Makes the function that a rule describes; `path` is where it stands in the object, for notes. */
export const compiled = (rule: Rule, path = ''): Walk => {
  if (rule === 'annotations') return annotations(path)
  if (typeof rule === 'string') return leaf(rule, path)
  if (isList(rule)) return list(compiled(rule[0], `${path}[]`), path)
  const every = rule['*']
  return every === undefined ? fields(rule, path) : map(compiled(every, below(path, '*')), path)
}

const isList = (rule: Rule): rule is readonly [Rule] => Array.isArray(rule)
const below = (path: string, field: string): string => (path === '' ? field : `${path}.${field}`)

const leaf = (name: Exclude<Leaf, 'annotations'>, path: string): Walk => {
  const change = leaves[name]
  return (value, note) => {
    const left = change(value) ?? MARKER
    note?.(path, left === value || isEmpty(value) ? 'kept' : 'replaced')
    return left
  }
}

const ofAnotherType = (path: string, note: Note | undefined): string => {
  note?.(path, 'replaced')
  return MARKER
}
const isEmpty = (value: unknown): boolean => typeof value === 'object' && Object.keys(value ?? {}).length === 0

const list =
  (item: Walk, path: string): Walk =>
  (value, note) => {
    if (!Array.isArray(value)) return ofAnotherType(path, note)
    return value.map((one: unknown) => item(one, note))
  }

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const fields = (rule: Fields, path: string): Walk => {
  const walks = new Map(Object.entries(rule).map(([field, inner]) => [field, compiled(inner, below(path, field))]))
  return (value, note) => {
    if (!isObject(value)) return ofAnotherType(path, note)
    const left: Record<string, unknown> = {}
    for (const field in value) {
      const inner = value[field]
      if (inner === null || inner === undefined) continue // in Kubernetes the same as no field
      const walk = walks.get(field)
      const kept = walk === undefined ? void note?.(below(path, named(field)), 'dropped') : walk(inner, note)
      if (kept !== undefined) left[field] = kept
    }
    return left
  }
}

// A field that no rule names may be a key of a user's, and a secret: only words such as an API has are repeated in a report.
const named = (field: string): string => (/^[a-z]{2,20}(?:[A-Z]{1,4}[a-z]{2,20}){0,5}$/.test(field) ? field : '(another)')

const map =
  (item: Walk, path: string): Walk =>
  (value, note) => {
    if (!isObject(value)) return ofAnotherType(path, note)
    const left: Record<string, unknown> = {}
    for (const key in value) {
      const one = value[key]
      if (one === null || one === undefined) continue
      const kept = isKey(key) ? item(one, note) : void note?.(below(path, '(another)'), 'dropped')
      if (kept !== undefined) left[key] = kept
    }
    return left
  }

/** A key of labels, resources, ConfigMaps: none is longer. */
export const KEY_CHARACTERS = 317
/** `__proto__` would be no key of the result but its prototype. */
export const isKey = (key: string): boolean => key.length <= KEY_CHARACTERS && key !== '__proto__' && scrubbed(key) === key

const annotations =
  (path: string): Walk =>
  (value, note) => {
    if (!isObject(value)) return ofAnotherType(path, note)
    const left: Record<string, unknown> = {}
    for (const key in value) {
      const one = value[key]
      const kept = typeof one === 'string' && isKey(key) ? keptAnnotation(key, one) : undefined
      note?.(below(path, annotationName(key)), kept === undefined ? 'dropped' : kept === one ? 'kept' : 'replaced')
      if (kept !== undefined) left[key] = kept
    }
    return Object.keys(left).length === 0 ? undefined : left
  }

// Which annotations were dropped is what a reviewer asks first; a key that is no domain and words is a user's own.
const annotationName = (key: string): string =>
  /^(?:[a-z-]{1,30}\.){1,6}[a-z]{2,12}\/[A-Za-z.-]{1,60}$/.test(key) ? key : '(another)'
