import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { createModel, type Model, type ModelOptions } from '../actors/evictor/model.ts'
import { type ModelObject, modelKindOf, modelKinds } from '../events/model-kinds.ts'
import { syntaxErrorAt } from './json.ts'
import { type Listed, readItems } from './list-items.ts'
import { UserError } from './session.ts'

/** What a plan takes into account, as kubectl names it. */
export const KUBECTL =
  'kubectl get nodes,pods,deploy,rs,sts,ds,rc,pdb,ns,quota,limits,svc,pvc,pv,sc,csinodes,csidrivers,volumeattachments -A -o json'
const REMEDY = 'make it with: quartermaster dump --output snapshot.json'

export type Snapshot = {
  readonly model: Model
  /** What was left out, or is missing and weakens the plan; sentences for people. */
  readonly notes: readonly string[]
  /** Kinds that a dump could not read, and so does not hold. */
  readonly unread: readonly string[]
}

const Kind = z.looseObject({ kind: z.string(), apiVersion: z.string().optional() })
const List = z.object({ kind: z.string(), items: z.array(z.unknown()), unread: z.array(z.string()).optional() })
const Named = z.object({
  metadata: z.object({
    name: z.string(),
    namespace: z.string().optional(),
    uid: z.string().optional(),
    resourceVersion: z.string().optional(),
  }),
})

/** The text of a file. @throws UserError when it can't be read */
export const readText = (file: string): string => {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new UserError(`${file} can't be read: ${(error as Error).message}`, { cause: error })
  }
}

const placeOf = (text: string, offset: number): string => {
  const before = text.slice(0, offset).split('\n')
  return `line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}`
}
/** @throws UserError with file, line and column */
export const parseJson = (file: string, text: string, remedy: string): unknown => {
  try {
    return JSON.parse(text)
  } catch (error) {
    const { message } = error as Error
    const what = message.replace(/(,| in JSON at| at position).*$/s, '')
    throw new UserError(`${file}: ${placeOf(text, syntaxErrorAt(text))}: it is not JSON (${what}); ${remedy}`, { cause: error })
  }
}

/** The first issue of a failed parse: the field's path and what is wrong with it. */
export const issueOf = ({ issues: [issue] }: z.ZodError): string =>
  issue ? `${issue.path.map(String).join('.') || 'it'}: ${issue.message}` : 'it makes no sense'

const nameOf = (item: unknown, index: number): string => {
  const kind = Kind.safeParse(item).data?.kind ?? 'an object without kind'
  const { namespace, name } = Named.safeParse(item).data?.metadata ?? {}
  return `items[${index}] (${kind} ${namespace === undefined ? '' : `${namespace}/`}${name ?? 'without name'})`
}

/** What is noted while the items come by. */
type Reading = {
  readonly file: string
  readonly model: Model
  readonly skipped: Map<string, number>
  readonly repeated: string[]
  /** Of each object its version, to tell a repetition from a contradiction. */
  readonly versions: Map<string, string>
}

/**
 * Fills a model from a file with a `kubectl get … -o json` List. The file is read piece by piece: it may be larger than
 * the largest string. @throws UserError naming what is wrong and where
 */
export const readSnapshot = (file: string, options: ModelOptions = {}): Snapshot => {
  const reading: Reading = { file, model: createModel(options), skipped: new Map(), repeated: [], versions: new Map() }
  let index = 0
  const listed = opened(file, () => readItems(file, (text) => take(reading, text, index++)))
  const { unread } = checkedList(file, listed)
  const { model } = reading
  if (model.nodes.size === 0) throw new UserError(`${file}: there is no node in it, so there is nothing to plan; ${REMEDY}`)
  return { model, notes: notesOf(reading, unread !== undefined), unread: unread ?? [] }
}

const isOfFile = (error: unknown): error is NodeJS.ErrnoException => error instanceof Error && 'syscall' in error
const opened = <T>(file: string, read: () => T): T => {
  try {
    return read()
  } catch (error) {
    if (!isOfFile(error)) throw error
    throw new UserError(`${file} can't be read: ${error.message}`, { cause: error })
  }
}

/** An item's or the skeleton's value; an error in it is looked up in the whole file, if that is not too long for a string. */
const jsonIn = (file: string, text: string, where: string): unknown => {
  try {
    return JSON.parse(text)
  } catch (error) {
    const whole = wholeText(file)
    if (whole !== undefined) parseJson(file, whole, REMEDY)
    throw new UserError(`${file}: ${where} is not JSON (${(error as Error).message}); ${REMEDY}`, { cause: error })
  }
}
const wholeText = (file: string): string | undefined => {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_STRING_TOO_LONG' || isOfFile(error) || error instanceof RangeError)
      return undefined
    throw error
  }
}

const checkedList = (file: string, { skeleton, count }: Listed): z.infer<typeof List> => {
  const list = List.safeParse(jsonIn(file, skeleton, 'the List'))
  if (!list.success) throw new UserError(`${file}: it is no List of objects (${issueOf(list.error)}); ${REMEDY}`)
  const { items } = list.data
  const odd = items.findIndex((item) => item !== null)
  if (odd >= 0) throw new UserError(`${file}: ${nameOf(items[odd], odd)}: kind: it is missing; ${REMEDY}`)
  if (items.length !== count) throw new UserError(`${file}: its field items is there more than once; ${REMEDY}`)
  return list.data
}

const take = (reading: Reading, text: string, index: number): void => {
  const { file, skipped } = reading
  const item = jsonIn(file, text, `items[${index}]`)
  const { kind, apiVersion } = Kind.safeParse(item).data ?? {}
  if (kind === undefined) throw new UserError(`${file}: ${nameOf(item, index)}: kind: it is missing; ${REMEDY}`)
  const known = modelKindOf(kind, apiVersion)
  if (!known) skipped.set(kind, (skipped.get(kind) ?? 0) + 1)
  else if (!isRepeated(reading, known, item, index)) learn(reading, known, item, index)
}

/** The same version of an object twice is one. @throws UserError when the two differ, so that one of them is not true */
const isRepeated = ({ file, versions, repeated }: Reading, kind: string, item: unknown, index: number): boolean => {
  const { namespace = '', name, uid = '', resourceVersion = '' } = Named.safeParse(item).data?.metadata ?? {}
  const key = `${kind}/${namespace}/${name}`
  const version = `${uid} ${resourceVersion}`
  const before = versions.get(key)
  versions.set(key, version)
  if (before === undefined) return false
  if (before !== version || resourceVersion === '')
    throw new UserError(`${file}: ${nameOf(item, index)} is in it twice, and the two may differ; leave one out, or ${REMEDY}`)
  repeated.push(nameOf(item, index))
  return true
}

const learn = ({ file, model }: Reading, kind: ModelObject['kind'], item: unknown, index: number): void => {
  const parsed: z.ZodSafeParseResult<ModelObject> = modelKinds[kind].schema.safeParse(item)
  if (!parsed.success)
    throw new UserError(
      `${file}: ${nameOf(item, index)}: ${issueOf(parsed.error)}; mend the object or leave it out, or ${REMEDY}`,
    )
  try {
    model.apply(parsed.data)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw new UserError(`${file}: ${nameOf(item, index)}: ${error.message}; mend the object or leave it out`, { cause: error })
  }
}

const MOST_NAMED = 5
const named = (names: readonly string[]): string =>
  `${names.slice(0, MOST_NAMED).join(', ')}${names.length > MOST_NAMED ? ` and ${names.length - MOST_NAMED} more` : ''}`

/** A kind of which there is nothing may be missing from the list, or from the cluster: people have to know which. */
const missing = ({ budgets, workloads, pods }: Model): readonly string[] => {
  const owners = new Set([...pods.values()].map(({ shape }) => shape.owner?.kind))
  const kinds = new Set([...workloads.values()].map(({ kind }) => kind))
  const unseen = (['ReplicaSet', 'ReplicationController'] as const).filter((kind) => owners.has(kind) && !kinds.has(kind))
  return [...(budgets.size === 0 ? ['PodDisruptionBudgets'] : []), ...unseen.map((kind) => `${kind}s`)]
}

// A dump says itself what it does not hold.
const notesOf = ({ model, skipped, repeated }: Reading, isDump: boolean): readonly string[] => {
  const unsized = [...model.nodes.values()].filter(({ object }) => object && Object.keys(object.status.allocatable).length === 0)
  const absent = isDump ? [] : missing(model)
  const kinds = [...skipped].map(([kind, count]) => `${count} ${kind}`)
  return [
    ...(kinds.length > 0 ? [`skipped, as nothing is planned from them: ${kinds.join(', ')}`] : []),
    ...(repeated.length > 0 ? [`left out, as they are in the list twice: ${named(repeated)}`] : []),
    ...(unsized.length > 0
      ? [`left alone, as they have no allocatable: ${named(unsized.map(({ name }) => `node ${name}`))}`]
      : []),
    ...(absent.length > 0 ? [`none in the list, and taken as none in the cluster: ${absent.join(', ')}`] : []),
  ]
}
