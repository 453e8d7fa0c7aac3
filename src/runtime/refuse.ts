import { z } from 'zod'
import type { Command } from './inbox.ts'
import { Address, type Definition, JournaledEvent } from './types.ts'

/** What actors send each other; whoever may publish commands could send it too. */
const letters: Readonly<Record<string, z.ZodType>> = {
  $Spawn: z.object({ input: z.unknown().optional(), parent: Address.extend({ ref: z.string() }).optional() }),
  $Stop: z.object({}),
  $Send: z.object({ event: JournaledEvent }),
  $Child: z.object({ event: JournaledEvent }),
}

/** A command that its actor has not decided by then is refused: what it was meant for is over. */
const DEADLINE_MS = 600_000

/** Pure: why a command may not reach its actor, naming the verb or the field; undefined if it may. */
export const refusalOf = (command: Command, definition: Definition | undefined): string | undefined => {
  if (!definition) return `nobody hosts ${command.type}`
  if (command.malformed !== undefined) return `${command.type}.${command.verb}: ${command.malformed}`
  if (command.verb.startsWith('$')) return misread(command, letters[command.verb]) ?? misreadEvent(command, definition)
  const event = definition.events[`${command.type}.${command.verb}`]
  if (!event?.command) return `${command.type} knows no command "${command.verb}"; it knows ${verbsOf(definition)}`
  return misread(command, event.schema)
}

/** Pure: how late a command is, in words; undefined while it may still be decided. */
export const lateness = ({ type, verb, sentAt, deadline }: Command, definition: Definition, now: number): string | undefined => {
  if (verb.startsWith('$')) return undefined
  const waited = now - sentAt
  const limit = deadline ?? definition.events[`${type}.${verb}`]?.deadlineMs ?? DEADLINE_MS
  return waited > limit
    ? `${type}.${verb} waited ${Math.round(waited / 1000)} s, longer than its deadline of ${limit / 1000} s`
    : undefined
}

/** What another actor tells is checked like what people send. */
const misreadEvent = (command: Command, { events }: Definition): string | undefined => {
  if (command.verb !== '$Send') return undefined
  const { type, at: _, ...payload } = (command.payload as { event: JournaledEvent }).event
  return misread({ ...command, payload }, events[type]?.schema ?? z.unknown())
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
