import { z } from 'zod'
import type { Command } from './inbox.ts'
import { Address, type Definition, JournaledEvent } from './types.ts'
import { upcast } from './upcast.ts'

/** What actors send each other; whoever may publish commands could send it too. */
const letters: Readonly<Record<string, z.ZodType>> = {
  $Spawn: z.object({ input: z.unknown().optional(), parent: Address.extend({ ref: z.string() }).optional() }),
  $Stop: z.object({}),
  $Send: z.object({ event: JournaledEvent }),
  $Child: z.object({ event: JournaledEvent }),
}
const EffectKey = z.strictObject({ key: z.string().min(1) })
/** What every actor understands, whatever its machine: a parked effect is tried again, or given up. */
export const effectVerbs: Readonly<Record<string, z.ZodType>> = { RetryEffect: EffectKey, DiscardEffect: EffectKey }

/** A command that its actor has not decided by then is refused: what it was meant for is over. */
const DEADLINE_MS = 600_000

/**
 * Pure: the command with its payload in the newest schema, or why it may not reach its actor, naming the verb or the
 * field.
 * @param now epoch ms
 */
export const admitted = (command: Command, definition: Definition | undefined, now: number): Command | string => {
  if (!definition) return `nobody hosts ${command.type}`
  if (command.malformed !== undefined) return `${command.type}.${command.verb}: ${command.malformed}`
  const { verb } = command
  if (verb.startsWith('$')) {
    const objection = misread(command, letters[verb]) ?? misreadEvent(command, definition) ?? outdated(command, definition, now)
    return objection ?? command
  }
  if (effectVerbs[verb]) return misread(command, effectVerbs[verb]) ?? command
  const event = definition.events[`${command.type}.${verb}`]
  if (!event?.command) return `${command.type} knows no command "${verb}"; it knows ${verbsOf(definition)}`
  const reserved = event.inside?.find((field) => Object.hasOwn(Object(command.payload) as object, field))
  if (reserved !== undefined) return `${command.type}.${verb}: ${reserved}: only another actor says so`
  if (command.schema === undefined || command.schema === event.v) return misread(command, event.schema) ?? command
  try {
    const newest = { ...command, payload: upcast(event, command.payload, command.schema) }
    return misread(newest, event.schema) ?? newest
  } catch (error) {
    return `${command.type}.${verb}: ${(error as Error).message}`
  }
}

/** Milliseconds since the epoch in a UUIDv7 at the beginning of an id (RFC 9562 §5.7); undefined where there is none. */
export const bornAt = (id: string): number | undefined => {
  const hex = /^([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-[89ab]/.exec(id)
  return hex ? Number.parseInt(`${hex[1]}${hex[2]}`, 16) : undefined
}

/** The journal of a one-shot actor is gone after a time, and with it the knowledge that its id was used. */
const outdated = ({ verb, id = '', type }: Command, { oneShot }: Definition, now: number): string | undefined => {
  const born = bornAt(id)
  if (verb !== '$Spawn' || !oneShot || born === undefined || now - born <= oneShot.retainMs) return undefined
  return `${type}/${id} is older than ${oneShot.retainMs / 3_600_000} h: such an id is not used again`
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
