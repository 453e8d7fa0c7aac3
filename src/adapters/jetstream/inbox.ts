import {
  AckPolicy,
  headers,
  type JetStreamClient,
  type JetStreamManager,
  JSONCodec,
  type JsMsg,
  type MsgHdrs,
  type NatsConnection,
  nanos,
  type ServiceMsg,
} from 'nats'
import { subjects, untoken } from '../../events/subjects.ts'
import type { Command, Inbox } from '../../runtime/inbox.ts'
import { Unanswered } from '../../runtime/journal.ts'
import type { Outcome } from '../../runtime/types.ts'
import { asked } from './errors.ts'

const STREAM = 'COMMANDS'
const ACK_WAIT_MS = 30_000
const WORKING_MS = 10_000
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
    await jsm.consumers.delete(STREAM, durable).catch(() => false)
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
    const delivered = await consumer.consume({ max_messages: 500, abort_on_missing_resource: true })
    const stop = (): void => delivered.stop()
    signal.addEventListener('abort', stop, { once: true })
    if (signal.aborted) stop()
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
    }
    if (!signal.aborted) throw new Unanswered(`${STREAM}: the consumer ${durable} is gone`)
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
    service.addEndpoint(`${type}-call`, { subject: `qm.${cluster}.call.${type}.*`, handler })
    service.addEndpoint(`${type}-call-id`, { subject: `qm.${cluster}.call.${type}.*.*`, handler })
    await new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => resolve(), { once: true })
      if (signal.aborted) resolve()
    })
    await service.stop().catch(() => {}) // the connection is gone: so is the service
  },
})

const storedCommand = (message: JsMsg): Command =>
  commandOf(message.subject, message.headers, message.data, `${STREAM}/${message.seq}`, message.info.timestampNanos / 1e6)

let calls = 0
const calledCommand = (message: ServiceMsg): Command =>
  commandOf(message.subject, message.headers, message.data, `call/${message.reply ?? ''}/${++calls}`, Date.now())

/** `qm.<c>.cmd.<type>.<verb>[.<id>]` and its JSON payload; an empty payload is `{}`. */
const commandOf = (subject: string, hdrs: MsgHdrs | undefined, data: Uint8Array, fallbackId: string, sentAt: number): Command => {
  const [, , , type = '', verb = '', id, ...rest] = subject.split('.')
  const header = (name: string): string | undefined => hdrs?.get(name) || undefined
  const deadline = header('Qm-Deadline')
  const read = readPayload(data)
  const named = readId(id)
  const malformed =
    (rest.length > 0 ? `${subject} has too many parts: qm.<cluster>.cmd.<actor>.<Verb>.<id>` : undefined) ??
    (deadline !== undefined && !Number.isFinite(Number(deadline))
      ? `Qm-Deadline: "${deadline}" is no number of milliseconds`
      : undefined) ??
    named.malformed ??
    read.malformed
  return {
    type,
    verb,
    id: named.id,
    cmd: header('Nats-Msg-Id') ?? fallbackId,
    payload: read.payload,
    sentAt,
    deadline: deadline === undefined ? undefined : Number(deadline),
    cause: header('Qm-Cause'),
    corr: header('Qm-Corr'),
    trace: header('traceparent'),
    malformed,
  }
}

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
