import type { z } from 'zod'
import type { Kind } from '../../../events/kinds.ts'
import { compiled, type Fields, type Rule } from '../redaction/rule.ts'
import { ruleOf } from '../redaction.ts'

/** What a value has to be, so that it is taken from the text as it is written; what is not goes the long way. */
export type Shape =
  | ObjectShape
  | { readonly form: 'list'; readonly inner: Shape }
  | { readonly form: 'map'; readonly inner: Shape }
  | { readonly form: 'annotations' }
  | { readonly form: 'never' }
  | Scalar
export type ObjectShape = {
  readonly form: 'object'
  readonly fields: readonly (readonly Field[] | undefined)[]
  /** The bits of those that must be there. */
  readonly required: number
}
export type Scalar = {
  readonly form: 'scalar'
  readonly string: boolean
  readonly number: boolean
  readonly boolean: boolean
  /** For texts that are not only looked through for secrets. */
  readonly fits: ((text: string) => boolean) | undefined
  /** It says where its object stands. */
  readonly tells: keyof Named | undefined
}
/** Where an object stands, and which version of it this is. */
export type Named = { name: string; namespace: string | undefined; uid: string; resourceVersion: string }
const told: ReadonlyMap<string, keyof Named> = new Map(
  (['name', 'namespace', 'uid', 'resourceVersion'] as const).map((field) => [`.metadata.${field}`, field]),
)

/** Fields of an object are found by the length of their names. */
export type Field = {
  readonly name: Buffer
  /** A bit of its own. */
  readonly bit: number
  readonly shape: Shape
  /** null stands for nothing. */
  readonly isNullable: boolean
}

/** Of the kinds of whose objects little is kept. @throws Error for a schema with a type that this file does not know */
export const shapeOf = (kind: Kind): Shape => {
  const known = shapes.get(kind.schema)
  if (known) return known
  const shape = shapeIn(kind.schema, ruleOf(kind), '')
  shapes.set(kind.schema, shape)
  return shape
}
const shapes = new Map<Kind['schema'], Shape>()

const shapeIn = (schema: z.core.$ZodType, rule: Rule | undefined, path: string): Shape => {
  const { def } = (schema as z.core.$ZodTypes)._zod
  if (path === '.kind') return { form: 'never' } // items of a list do not say what they are
  if (def.type === 'object') return objectIn(def.shape, isFields(rule) ? rule : {}, path)
  if (def.type === 'array')
    return { form: 'list', inner: shapeIn(def.element, Array.isArray(rule) ? (rule[0] as Rule) : undefined, `${path}[]`) }
  if (def.type === 'record')
    return rule === 'annotations'
      ? { form: 'annotations' }
      : { form: 'map', inner: shapeIn(def.valueType, isFields(rule) ? rule['*'] : rule, `${path}.*`) }
  return scalarIn(def.type === 'union' ? def.options.map(typeOf) : [typeOf(schema)], rule, path)
}
const isFields = (rule: Rule | undefined): rule is Fields => typeof rule === 'object' && !Array.isArray(rule)

const typeOf = (schema: z.core.$ZodType): string => {
  const { type } = schema._zod.def
  if (type !== 'string' && type !== 'number' && type !== 'boolean') throw new Error(`a slim schema with ${type} is not walked`)
  return type
}

const scalarIn = (types: readonly string[], rule: Rule | undefined, path: string): Scalar => {
  if (rule === undefined) throw new Error('a slim schema names a field that the allow-list does not')
  const redact = compiled(rule)
  const passes = (value: unknown): boolean => redact(value, undefined) === value
  return {
    form: 'scalar',
    string: types.includes('string'),
    number: types.includes('number') && passes(0),
    boolean: types.includes('boolean') && passes(true),
    fits: rule === 'text' || rule === 'scalar' ? undefined : passes,
    tells: told.get(path),
  }
}

/** More fields than an integer has bits are not told apart. */
const MOST_FIELDS = 31

const objectIn = (schemas: z.core.$ZodShape, rule: Fields, path: string): Shape => {
  const named = Object.entries(schemas)
  if (named.length > MOST_FIELDS) throw new Error(`a slim schema with an object of more than ${MOST_FIELDS} fields`)
  const fields: Field[][] = []
  let required = 0
  for (const [index, [name, schema]] of named.entries()) {
    const { isOptional, ...field } = fieldIn({ name: Buffer.from(name), bit: 1 << index }, schema, rule[name], `${path}.${name}`)
    if (!isOptional && field.shape.form !== 'never') required |= field.bit
    fields[field.name.length] = [...(fields[field.name.length] ?? []), field]
  }
  return { form: 'object', fields, required }
}

type Read = Field & { readonly isOptional: boolean }
type Place = Pick<Field, 'name' | 'bit'>
const fieldIn = (place: Place, schema: z.core.$ZodType, rule: Rule | undefined, path: string): Read => {
  const { def } = (schema as z.core.$ZodTypes)._zod
  if (def.type === 'optional') return { ...fieldIn(place, def.innerType, rule, path), isOptional: true }
  if (def.type === 'nullable') return { ...fieldIn(place, def.innerType, rule, path), isNullable: true }
  // What the schema puts where nothing is, is not in the text.
  if (def.type === 'default') return { ...fieldIn(place, def.innerType, rule, path), isOptional: false }
  return { ...place, shape: shapeIn(schema, rule, path), isNullable: false, isOptional: false }
}
