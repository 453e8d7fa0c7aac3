import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { z } from 'zod'
import { untoken } from '../../src/events/subjects.ts'
import { type MemoryJournal, memoryJournal } from '../../src/runtime/testing/memory-journal.ts'
import { type Address, Commit, Refusal } from '../../src/runtime/types.ts'

type Line = { readonly seq: number; readonly subject: string; readonly record: unknown }
export type Recording = {
  readonly file: string
  readonly actors: readonly { readonly actor: Address; readonly commits: readonly Commit[] }[]
  readonly refusals: readonly Refusal[]
}

const folder = import.meta.dirname
const linesOf = (file: string): readonly Line[] =>
  readFileSync(join(folder, file), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Line)
const isRefusal = ({ subject }: Line): boolean => subject.endsWith('.$refused')

export const files = readdirSync(folder).filter((name) => name.endsWith('.jsonl'))

/** A recorded journal, by actor. Every record is checked against the whole format, not only as far as the fold leans on it. */
export const recording = (file: string): Recording => {
  const lines = linesOf(file)
  const bySubject = Map.groupBy(
    lines.filter((line) => !isRefusal(line)),
    ({ subject }) => subject,
  )
  return {
    file,
    actors: [...bySubject].map(([subject, records]) => ({
      actor: addressFrom(subject),
      commits: records.map(({ record }) => checked(Commit, record)),
    })),
    refusals: lines.filter(isRefusal).map(({ record }) => checked(Refusal, record)),
  }
}

/** As it was written, not as zod copies it: a checkpoint's hash is over the text. */
const checked = <T>(schema: z.ZodType<T>, record: unknown): T => {
  schema.parse(record)
  return record as T
}

const addressFrom = (subject: string): Address => {
  const [, , , type = '', id = ''] = subject.split('.')
  return { type, id: untoken(id) }
}

/** What kinds of records a recording holds: `$stop`, `refused`, and so on; `event` is what the machine decided. */
export const kindsOf = ({ actors, refusals }: Recording): ReadonlySet<string> =>
  new Set([
    ...(refusals.length > 0 ? ['refused'] : []),
    ...actors.flatMap(({ commits }) => commits.map(({ ev }) => (ev.type.startsWith('$') ? ev.type : 'event'))),
  ])

/** The recording as a journal in memory. */
export const recordedJournal = async (file: string): Promise<MemoryJournal> => {
  const journal = memoryJournal()
  for (const line of linesOf(file)) {
    if (isRefusal(line)) await journal.refuse(checked(Refusal, line.record))
    else {
      const actor = addressFrom(line.subject)
      await journal.append(actor, checked(Commit, line.record), (await journal.last(actor))?.seq ?? 0)
    }
  }
  return journal
}
