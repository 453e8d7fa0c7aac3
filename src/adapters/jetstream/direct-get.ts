import { createInbox, ErrorCode, type Msg, type MsgHdrs, type NatsConnection, NatsError } from 'nats'
import type { Delivered } from './delivery.ts'

/** What is asked for (ADR-31); `next_by_subj` may have wildcards. */
export type DirectGet = {
  readonly next_by_subj: string
  readonly batch: number
  readonly max_bytes?: number
  /** The first sequence, or a time (RFC 3339). */
  readonly seq?: number
  readonly start_time?: string
}
/** `isWhole`: no message was lost on the way. `pending`: how many follow. */
export type Answered = { readonly isWhole: boolean; readonly pending: number }

export type Got = Delivered & { readonly headers: MsgHdrs | undefined }

/** When the stream took a message that was got, epoch ms. */
export const takenAt = ({ headers }: Got): number => Date.parse(headers?.get('Nats-Time-Stamp') ?? '')

const ANSWER_MS = 5_000
const END_OF_BATCH = 204
const NOT_FOUND = 404

/**
 * One batch of a stream's messages in one request, without a consumer, up to its end or to the first that was lost on the
 * way: each message names the one sent before it, because a connection drops messages of a slow reader. Any replica may
 * answer, and it may be behind.
 * @throws NatsError when there is no answer
 */
export const directGet = async (
  nc: NatsConnection,
  stream: string,
  request: DirectGet,
  onMessage: (message: Got) => void,
): Promise<Answered> => {
  const inbox = createInbox()
  const { promise, resolve, reject } = Promise.withResolvers<Answered>()
  let before = 0
  const subscription = nc.subscribe(inbox, {
    callback: (error, message) => {
      try {
        if (error) throw error
        const end = endOf(message)
        if (end && end.previous === before) return resolve({ isWhole: true, pending: end.pending })
        const { seq, previous, subject } = placeOf(message)
        if (end || previous !== before) return resolve({ isWhole: false, pending: 0 })
        before = seq
        onMessage({ seq, subject, data: message.data, headers: message.headers })
      } catch (thrown) {
        reject(thrown)
      }
    },
  })
  const timer = setTimeout(() => reject(NatsError.errorForCode(ErrorCode.Timeout)), ANSWER_MS)
  try {
    nc.publish(`$JS.API.DIRECT.GET.${stream}`, JSON.stringify(request), { reply: inbox })
    return await promise
  } finally {
    clearTimeout(timer)
    subscription.unsubscribe()
  }
}

/** Undefined: a message. @throws NatsError when it is neither message nor end */
const endOf = (message: Msg): { readonly previous: number; readonly pending: number } | undefined => {
  const { data, headers } = message
  const code = data.length === 0 ? (headers?.code ?? 0) : 0
  if (code === 0) return undefined
  if (code === NOT_FOUND) return { previous: 0, pending: 0 } // it is the whole answer
  if (code === END_OF_BATCH)
    return { previous: placeOf(message).previous, pending: Number(headers?.get('Nats-Num-Pending') ?? 0) }
  throw code === 503 ? NatsError.errorForCode(ErrorCode.NoResponders) : new NatsError(headers?.description ?? '', `${code}`)
}

const placeOf = ({ headers }: Msg): { readonly seq: number; readonly previous: number; readonly subject: string } => ({
  seq: Number(headers?.get('Nats-Sequence')),
  previous: Number(headers?.get('Nats-Last-Sequence')),
  subject: headers?.get('Nats-Subject') ?? '',
})
