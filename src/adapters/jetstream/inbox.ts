import {
  AckPolicy,
  headers,
  type JetStreamClient,
  type JetStreamManager,
  JSONCodec,
  type JsMsg,
  type MsgHdrs,
  type NatsConnection,
  NatsError,
  nanos,
  type ServiceMsg,
} from 'nats'
import { subjects, untoken } from '../../events/subjects.ts'
import type { Command, Inbox } from '../../runtime/inbox.ts'
import { Unanswered } from '../../runtime/journal.ts'
import type { Outcome } from '../../runtime/types.ts'
import { onDisconnect } from './disconnects.ts'
import { asked } from './errors.ts'

const STREAM = 'COMMANDS'
const ACK_WAIT_MS = 30_000
const WORKING_MS = 10_000
/** Calls with and without an id, of known and unknown senders. */
const ENDPOINTS = [
  ['call', ''],
  ['call-id', '.*'],
  ['call-by', '.by.*.*'],
  ['call-id-by', '.*.by.*.*'],
] as const
const payloads = JSONCodec<unknown>()
const text = new TextDecoder()

/** Commands over NATS: stored under `cmd`, answered under `call`. */
export const jetstreamInbox = (nc: NatsConnection, js: JetStreamClient, jsm: JetStreamManager, cluster: string): Inbox => ({
  send: ({ to, verb, key, payload, corr, trace }) => {
    const subject = subjects(cluster).command(to.type, verb, to.id)
    const hdrs = headers()
    hdrs.set('Qm-Cause', key)
    hdrs.set('Qm-Corr', corr)
    if (trace !== undefined) hdrs.set('traceparent', trace)
    return asked(`${STREAM} ${subject}`, async () => {
      await js.publish(subject, payloads.encode(payload), { msgID: key, headers: hdrs })
    })
  },

  consume: async (type, onDelivery, signal) => {
    const durable = `cmd-${type}`
    // Made anew: what the last holder had not finished comes first, at once and in order, not after its ack wait.
    await asked(`${STREAM} ${durable}`, () => jsm.consumers.delete(STREAM, durable).catch(absent))
    await asked(STREAM, () =>
      jsm.consumers.add(STREAM, {
        durable_name: durable,
        ack_policy: AckPolicy.Explicit,
        ack_wait: nanos(ACK_WAIT_MS),
        filter_subject: `qm.${cluster}.cmd.${type}.>`,
        max_ack_pending: 1_000,
      }),
    )
    const pending = new Set<JsMsg>()
    const working = setInterval(() => {
      for (const message of pending) message.working()
    }, WORKING_MS).unref()
    const consumer = await js.consumers.get(STREAM, durable)
    const delivered = await consumer.consume({ max_messages: 500, abort_on_missing_resource: true, idle_heartbeat: 1_000 })
    const stop = (): void => delivered.stop()
    signal.addEventListener('abort', stop, { once: true })
    if (signal.aborted) stop()
    // What was on its way over a broken line would come again after its ack wait, behind what came later.
    const heedless = onDisconnect(nc, stop, delivered)
    try {
      for await (const message of delivered) {
        pending.add(message)
        const done = (): void => {
          pending.delete(message)
          message.ack()
        }
        onDelivery({ command: storedCommand(message), done })
      }
    } finally {
      clearInterval(working)
      heedless()
    }
    if (!signal.aborted) throw new Unanswered(`${STREAM}: the consumer ${durable} is gone, or the line to it was broken`)
  },

  serve: async (type, onCall, signal) => {
    const service = await nc.services.add({ name: `quartermaster-${type}`, version: '1.0.0', queue: `call-${type}` })
    const answer = async (message: ServiceMsg): Promise<void> => {
      const outcome: Outcome = await onCall(calledCommand(message)).catch((error: Error) => ({
        ok: false,
        why: 'fenced',
        detail: error.message,
      }))
      if (!nc.isClosed()) message.respond(payloads.encode(outcome))
    }
    const handler = (error: Error | null, message: ServiceMsg): void => {
      if (!error) void answer(message)
    }
    for (const [name, rest] of ENDPOINTS)
      service.addEndpoint(`${type}-${name}`, { subject: `qm.${cluster}.call.${type}.*${rest}`, handler })
    await new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => resolve(), { once: true })
      if (signal.aborted) resolve()
    })
    await service.stop().catch(() => {}) // the connection is gone: so is the service
  },
})

const absent = (error: unknown): boolean => {
  if (error instanceof NatsError && error.api_error?.code === 404) return false
  throw error
}

const storedCommand = (message: JsMsg): Command =>
  commandOf(message.subject, message.headers, message.data, `${STREAM}/${message.seq}`, message.info.timestampNanos / 1e6)

let calls = 0
const calledCommand = (message: ServiceMsg): Command =>
  commandOf(message.subject, message.headers, message.data, `call/${message.reply ?? ''}/${++calls}`, Date.now())

/**
 * `qm.<c>.cmd.<type>.<verb>[.<id>][.by.<account>.<user>]` and its JSON payload; an empty payload is `{}`. The end of the
 * subject is written by NATS where another account's command comes in (`nats-server/accounts.ts`), and by nobody else.
 */
const commandOf = (subject: string, hdrs: MsgHdrs | undefined, data: Uint8Array, fallbackId: string, sentAt: number): Command => {
  const [, , , type = '', verb = '', ...rest] = subject.split('.')
  const header = (name: string): string | undefined => hdrs?.get(name) || undefined
  const [cmd, cause] = [header('Nats-Msg-Id') ?? fallbackId, header('Qm-Cause')]
  const deadline = readNumber(header('Qm-Deadline'), isNumber, 'Qm-Deadline', 'number of milliseconds')
  const schema = readNumber(header('Qm-Schema'), isVersion, 'Qm-Schema', 'schema version (1, 2, 3 …)')
  const sender = readSender(subject, rest)
  const read = readPayload(data)
  const malformed =
    sender.malformed ?? unfit(verb, sender.who, cause === cmd) ?? deadline.malformed ?? schema.malformed ?? read.malformed
  return {
    type,
    verb,
    id: sender.id,
    cmd,
    payload: malformed === undefined ? read.payload : undefined,
    sentAt,
    deadline: deadline.value,
    cause,
    corr: header('Qm-Corr'),
    trace: header('traceparent'),
    who: sender.who,
    schema: schema.value,
    malformed,
  }
}

/** What only actors may write: letters, and a command that is its own cause, which is how the journal knows a letter. */
const unfit = (verb: string, who: string | undefined, causesItself: boolean): string | undefined => {
  const isLetter = verb.startsWith('$')
  if (isLetter && who !== undefined) return `${verb} is what actors send each other, and ${who} is none`
  return !isLetter && causesItself ? 'Qm-Cause names the command itself: leave it out, or name what caused it' : undefined
}

type Sender = { readonly id?: string | undefined; readonly who?: string; readonly malformed?: string }

/** What follows the verb: nothing, an id, and who sent it. */
const readSender = (subject: string, rest: readonly string[]): Sender => {
  const by = rest.length - 3
  const isKnown = by >= 0 && rest[by] === 'by'
  const [encoded, ...more] = isKnown ? rest.slice(0, by) : rest
  const sent = isKnown ? { who: rest.slice(-2).join('/') } : {}
  if (more.length > 0) return { ...sent, malformed: `${subject} has too many parts: qm.<cluster>.cmd.<actor>.<Verb>.<id>` }
  return { ...sent, ...readId(encoded) }
}

const isNumber = (written: string): boolean => Number.isFinite(Number(written))
const isVersion = (written: string): boolean => /^[1-9]\d{0,8}$/.test(written)
const readNumber = (
  written: string | undefined,
  isOne: (written: string) => boolean,
  name: string,
  what: string,
): { readonly value: number | undefined; readonly malformed?: string } =>
  written === undefined || isOne(written)
    ? { value: written === undefined ? undefined : Number(written) }
    : { value: undefined, malformed: `${name}: "${written}" is no ${what}` }

const readId = (encoded: string | undefined): { readonly id: string | undefined; readonly malformed?: string } => {
  try {
    return { id: encoded === undefined ? undefined : untoken(encoded) }
  } catch {
    return { id: undefined, malformed: `the id "${encoded}" is not encoded as a subject token` }
  }
}

const readPayload = (data: Uint8Array): { readonly payload: unknown; readonly malformed?: string } => {
  if (data.length === 0) return { payload: {} }
  try {
    return { payload: JSON.parse(text.decode(data)) }
  } catch (error) {
    return { payload: undefined, malformed: `the payload is not JSON: ${(error as Error).message}` }
  }
}
