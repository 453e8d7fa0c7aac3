import type { z } from 'zod'
import { compiled, type Fields, isKey, type Rule } from './redaction/rule.ts'
import type { GroupResource } from './redaction.ts'
import { ruleOf } from './redaction.ts'

// A slim record is what both its schema and the allow-list name. Both together are compiled into one walk over the
// object: reading 30,000 pods of a first list with the schema, and then redacting them, takes three times as long. The
// walk decides nothing: what does not fit at once, or would be changed by redaction, goes the long way, which also says why.

/** The object does not fit at once. */
export const MISFIT = Symbol('misfit')
type Walk = (value: unknown) => unknown

/** The walk for a kind whose records are slim. @throws Error for a schema with a type that this file does not know */
export const slimWalk = (kind: GroupResource & { readonly kind: string }, schema: z.ZodType): Walk => {
  const walk = compile(schema, { ...ruleOf(kind), kind: 'text' })
  return (raw) => (isObject(raw) ? walk({ ...raw, kind: kind.kind }) : MISFIT)
}

const compile = (schema: z.core.$ZodType, rule: Rule | undefined): Walk => {
  const { def } = (schema as z.core.$ZodTypes)._zod
  if (def.type === 'object') return object(def.shape, isFields(rule) ? rule : {})
  if (def.type === 'array') return list(compile(def.element, Array.isArray(rule) ? (rule[0] as Rule) : undefined))
  if (def.type === 'record')
    return rule === 'annotations' ? annotations : map(compile(def.valueType, isFields(rule) ? rule['*'] : rule))
  const types = def.type === 'union' ? def.options.map(typeOf) : def.type === 'literal' ? ['string'] : [typeOf(schema)]
  return scalar(types, rule)
}
const isFields = (rule: Rule | undefined): rule is Fields => typeof rule === 'object' && !Array.isArray(rule)

const typeOf = (schema: z.core.$ZodType): string => {
  const { type } = schema._zod.def
  if (type !== 'string' && type !== 'number' && type !== 'boolean') throw new Error(`a slim schema with ${type} is not walked`)
  return type
}

const scalar = (types: readonly string[], rule: Rule | undefined): Walk => {
  if (rule === undefined) throw new Error('a slim schema names a field that the allow-list does not')
  const redact = compiled(rule)
  return (value) => (types.includes(typeof value) && redact(value, undefined) === value ? value : MISFIT)
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const list =
  (item: Walk): Walk =>
  (value) => {
    if (!Array.isArray(value)) return MISFIT
    const left: unknown[] = []
    for (const one of value) {
      const kept = item(one)
      if (kept === MISFIT) return MISFIT
      left.push(kept)
    }
    return left
  }

const map =
  (item: Walk): Walk =>
  (value) => {
    if (!isObject(value)) return MISFIT
    const left: Record<string, unknown> = {}
    for (const key in value) {
      const kept = isKey(key) ? item(value[key]) : MISFIT
      if (kept === MISFIT) return MISFIT
      left[key] = kept
    }
    return left
  }

const keptAnnotations = compiled('annotations')
const annotations: Walk = (value) => {
  if (!isObject(value)) return MISFIT
  for (const key in value) if (typeof value[key] !== 'string') return MISFIT
  return keptAnnotations(value, undefined)
}

type Field = {
  readonly name: string
  readonly walk: Walk
  readonly isOptional: boolean
  readonly isNullable: boolean
  /** What the schema puts where nothing is. */
  readonly instead: () => unknown
}

const object = (shape: z.core.$ZodShape, rule: Fields): Walk => {
  const fields = Object.entries(shape).map(([name, schema]) => fieldOf(name, schema, rule[name]))
  return (value) => {
    if (!isObject(value)) return MISFIT
    const left: Record<string, unknown> = {}
    for (const { name, walk, isOptional, isNullable, instead } of fields) {
      const one = value[name]
      if (one === undefined || one === null) {
        if (!(one === null ? isNullable : isOptional)) return MISFIT
        const other = one === null ? undefined : instead()
        if (other !== undefined) left[name] = other
        continue
      }
      const kept = walk(one)
      if (kept === MISFIT) return MISFIT
      if (kept !== undefined) left[name] = kept
    }
    return left
  }
}

const fieldOf = (name: string, schema: z.core.$ZodType, rule: Rule | undefined): Field => {
  const { def } = (schema as z.core.$ZodTypes)._zod
  if (def.type === 'optional') return { ...fieldOf(name, def.innerType, rule), isOptional: true }
  if (def.type === 'nullable') return { ...fieldOf(name, def.innerType, rule), isNullable: true }
  if (def.type === 'default')
    return { ...fieldOf(name, def.innerType, rule), isOptional: true, instead: () => structuredClone(def.defaultValue) }
  return { name, walk: compile(schema, rule), isOptional: false, isNullable: false, instead: () => undefined }
}
