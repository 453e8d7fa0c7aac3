import { closeSync, existsSync, fstatSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { ApiObject, ResourceName } from './objects.ts'
import { isResourceName } from './objects.ts'
import { textOf } from './text.ts'

/** A pod that was evicted, and when (epoch milliseconds). */
export type Evicted = { readonly uid: string; readonly at: number }
/** Which world the log tells of. */
export type Head = { readonly world: string; readonly seed: number; readonly resourceVersion: number }
export type Written = {
  readonly resourceVersion: number
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'
  readonly resource: ResourceName
  readonly object: ApiObject
  readonly evicted?: Evicted | undefined
}
/** The log as read: a state, and the writes after it. */
export type Told = {
  readonly head: Head
  readonly objects: readonly (readonly [ResourceName, ApiObject])[]
  readonly audit: readonly Evicted[]
  readonly written: readonly Written[]
}
export type Log = { append(written: Written): void; close(): void }

const VERSION = 1
const fileIn = (folder: string): string => join(folder, 'world.log')

type Line = {
  readonly version?: number
  readonly head?: Head
  readonly resource?: string
  readonly object?: ApiObject
  readonly evicted?: Evicted
  readonly rv?: number
  readonly type?: Written['type']
}

const readLine = (text: string, where: string): Line => {
  try {
    const line: unknown = JSON.parse(text)
    if (typeof line === 'object' && line !== null) return line
  } catch (error) {
    throw new Error(`${where} is not JSON: the file was damaged; remove the folder to begin a new world`, { cause: error })
  }
  throw new Error(`${where} is not an object: the file was damaged; remove the folder to begin a new world`)
}

const isWritten = (line: Line): line is Line & { rv: number; type: Written['type']; object: ApiObject; resource: ResourceName } =>
  typeof line.rv === 'number' && line.type !== undefined && isKept(line)
const isKept = (line: Line): line is Line & { object: ApiObject; resource: ResourceName } =>
  typeof line.object?.metadata?.name === 'string' && line.resource !== undefined && isResourceName(line.resource)

/** The lines of a log. The last one is dropped when its end is missing: the process died while writing it. */
export const tell = (text: string, file: string): Told | undefined => {
  const lines = text.split('\n')
  lines.pop()
  const [first, ...rest] = lines
  if (first === undefined) return undefined
  const { head, version } = readLine(first, `${file} line 1`)
  if (!head || version !== VERSION)
    throw new Error(`${file} line 1 is no head of version ${VERSION}: remove the folder to begin a new world`)
  const told = { head, objects: [] as [ResourceName, ApiObject][], audit: [] as Evicted[], written: [] as Written[] }
  for (const [index, text] of rest.entries()) {
    const where = `${file} line ${index + 2}`
    const line = readLine(text, where)
    if (isWritten(line)) told.written.push({ ...line, resourceVersion: line.rv })
    else if (isKept(line)) told.objects.push([line.resource, line.object])
    else if (line.evicted) told.audit.push(line.evicted)
    else
      throw new Error(`${where} is neither an object nor a write: the file was damaged; remove the folder to begin a new world`)
  }
  return told
}

export const readLog = (folder: string): Told | undefined => {
  const file = fileIn(folder)
  return existsSync(file) ? tell(readFileSync(file, 'utf8'), file) : undefined
}

const writtenText = ({ resourceVersion, type, resource, object, evicted }: Written): string =>
  `{"rv":${resourceVersion},"type":"${type}","resource":"${resource}",${evicted ? `"evicted":${JSON.stringify(evicted)},` : ''}"object":${textOf(object)}}\n`

const wholeText = ({ head, objects, audit, written }: Told): string =>
  [
    `${JSON.stringify({ version: VERSION, head })}\n`,
    ...objects.map(([resource, object]) => `{"resource":"${resource}","object":${textOf(object)}}\n`),
    ...audit.map((evicted) => `${JSON.stringify({ evicted })}\n`),
    ...written.map(writtenText),
  ].join('')

/** Puts a compacted log in the place of the old one, whole or not at all, and goes on appending to it. */
export const startLog = (folder: string, told: Told): Log => {
  mkdirSync(folder, { recursive: true })
  const file = fileIn(folder)
  const fresh = openSync(`${file}.new`, 'w')
  writeAll(fresh, wholeText(told))
  closeSync(fresh)
  renameSync(`${file}.new`, file)
  const descriptor = openSync(file, 'a')
  let open = true
  let broken: Error | undefined
  return {
    append(written) {
      if (broken) throw broken
      try {
        writeAll(descriptor, writtenText(written))
      } catch (cause) {
        // Half a line may be there: another after it would make the file unreadable, so nothing is written any more.
        broken = new Error(`${file} can't be written; make room and start again`, { cause })
        throw broken
      }
    },
    close() {
      if (open && fstatSync(descriptor).isFile()) closeSync(descriptor)
      open = false
    },
  }
}

const writeAll = (descriptor: number, text: string): void => {
  const bytes = Buffer.from(text, 'utf8')
  for (let from = 0; from < bytes.length; ) from += writeSync(descriptor, bytes, from)
}
