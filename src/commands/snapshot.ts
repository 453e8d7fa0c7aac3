import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { createModel, type Model } from '../actors/evictor/model.ts'
import { type Kind as KnownKind, plannedKinds } from '../events/kinds.ts'
import type { PlannedObject } from '../events/kubernetes.ts'
import { syntaxErrorAt } from './json.ts'
import { UserError } from './session.ts'

const REMEDY = 'make it with: quartermaster dump --output snapshot.json'

export type Snapshot = {
  readonly model: Model
  /** Objects of kinds that nothing is planned from, by kind. */
  readonly skipped: Readonly<Record<string, number>>
  /** Kinds that a dump could not read, and so does not hold. */
  readonly unread: readonly string[]
}

const planned = new Map(plannedKinds.map((known) => [known.kind as string, known]))
const Kind = z.looseObject({ kind: z.string() })
const List = z.object({ kind: z.string(), items: z.array(z.unknown()), unread: z.array(z.string()).default([]) })
const Named = z.object({ metadata: z.object({ name: z.string(), namespace: z.string().optional() }) })

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

/** Fills a model from the text of a `kubectl get … -o json` List. @throws UserError naming what is wrong and where */
export const parseSnapshot = (file: string, text: string): Snapshot => {
  const list = List.safeParse(parseJson(file, text, REMEDY))
  if (!list.success) throw new UserError(`${file}: it is no List of objects (${issueOf(list.error)}); ${REMEDY}`)
  const model = createModel()
  const skipped: Record<string, number> = {}
  for (const [index, item] of list.data.items.entries()) {
    const { kind } = Kind.safeParse(item).data ?? {}
    if (kind === undefined) throw new UserError(`${file}: ${nameOf(item, index)}: kind: it is missing; ${REMEDY}`)
    const known = planned.get(kind)
    if (known) learn(model, known, item, `${file}: ${nameOf(item, index)}`)
    else skipped[kind] = (skipped[kind] ?? 0) + 1
  }
  if (model.nodes.size === 0) throw new UserError(`${file}: there is no node in it, so there is nothing to plan; ${REMEDY}`)
  return { model, skipped, unread: list.data.unread }
}

const learn = (model: Model, { schema }: KnownKind<PlannedObject>, item: unknown, where: string): void => {
  const parsed = schema.safeParse(item)
  if (!parsed.success) throw new UserError(`${where}: ${issueOf(parsed.error)}; mend the object or leave it out, or ${REMEDY}`)
  try {
    model.apply(parsed.data)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw new UserError(`${where}: ${error.message}; mend the object or leave it out`, { cause: error })
  }
}
