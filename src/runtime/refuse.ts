import { z } from 'zod'
import type { Command } from './inbox.ts'
import { Address, type Definition, JournaledEvent } from './types.ts'

/** What actors send each other; whoever may publish commands could send it too. */
const letters: Readonly<Record<string, z.ZodType>> = {
  $Spawn: z.object({ input: z.unknown(), parent: Address.extend({ ref: z.string() }).optional() }),
  $Stop: z.object({}),
  $Send: z.object({ event: JournaledEvent }),
  $Child: z.object({ event: JournaledEvent }),
}

/** A command that its actor has not decided by then is refused: what it was meant for is over. */
const DEADLINE_MS = 600_000

/** Pure: why a command may not reach its actor, naming the verb or the field; undefined if it may. */
export const refusalOf = (command: Command, definition: Definition | undefined, now: number): string | undefined => {
  if (!definition) return `nobody hosts ${command.type}`
  if (command.malformed !== undefined) return `${command.type}.${command.verb}: ${command.malformed}`
  if (command.verb.startsWith('$')) return misread(command, letters[command.verb])
  const event = definition.events[`${command.type}.${command.verb}`]
  if (!event?.command) return `${command.type} knows no command "${command.verb}"; it knows ${verbsOf(definition)}`
  const waited = now - command.sentAt
  const deadline = command.deadline ?? event.deadlineMs ?? DEADLINE_MS
  if (waited > deadline)
    return `${command.type}.${command.verb} waited ${Math.round(waited / 1000)} s, longer than its deadline of ${deadline / 1000} s`
  return misread(command, event.schema)
}

const misread = ({ type, verb, payload }: Command, schema: z.ZodType | undefined): string | undefined => {
  if (!schema) return `${type} knows no command "${verb}"`
  const parsed = schema.safeParse(payload)
  return parsed.success ? undefined : `${type}.${verb}: ${fieldsOf(parsed.error)}`
}

const verbsOf = ({ type, events }: Definition): string =>
  Object.entries(events)
    .flatMap(([name, { command }]) => (command ? [name.slice(type.length + 1)] : []))
    .join(', ') || 'none'

const fieldsOf = (error: z.ZodError): string =>
  error.issues.map(({ path, message }) => `${path.length > 0 ? path.join('.') : 'the payload'}: ${message}`).join('; ')
