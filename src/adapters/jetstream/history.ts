import { createInbox, ErrorCode, type Msg, type NatsConnection, NatsError } from 'nats'
import type { Delivered } from './delivery.ts'

export type History = {
  readonly stream: string
  readonly subject: string
  readonly after: number
  /** The subject's newest sequence, asked of the leader; 0: there is none. */
  readonly newest: () => Promise<number>
  readonly onMessage: (message: Delivered) => void
}

const BATCH = 1_000
/** Of one answer; the server sends it without asking whether we keep up. */
const BATCH_BYTES = 4 * 2 ** 20
const ANSWER_MS = 5_000
const AGAIN_MS = 100
/** A replica that is still behind after so many questions is said. */
const TRIES = 50

/**
 * Hands over one subject's messages in order, without a consumer: a direct get in batches. Any replica may answer, and one
 * that is behind is asked again until the message comes that the leader had; each says which one came before it.
 * @throws NatsError when there is no answer
 */
export const readHistory = async (nc: NatsConnection, { newest, onMessage, ...wanted }: History): Promise<void> => {
  let until = await newest()
  let last = wanted.after
  const hand = (message: Delivered): void => {
    last = message.seq
    if (last <= until) onMessage(message)
  }
  for (let tries = 0; last < until; ) {
    const before = last
    await batch(nc, { ...wanted, after: last }, hand)
    tries = last > before ? 0 : tries + 1
    if (tries === 0) continue
    if (tries > TRIES) throw new NatsError(`no replica has message ${until} of ${wanted.subject}`, ErrorCode.Unknown)
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS))
    until = await newest() // it may have been purged
  }
}

type Asked = Pick<History, 'stream' | 'subject' | 'after'>

/** One answer: messages up to the end of the batch, or to the first that was lost on the way. */
const batch = async (
  nc: NatsConnection,
  { stream, subject, after }: Asked,
  hand: (message: Delivered) => void,
): Promise<void> => {
  const inbox = createInbox()
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  let before = 0
  const subscription = nc.subscribe(inbox, {
    callback: (error, message) => {
      try {
        if (error) throw error
        if (isEnd(message)) return resolve()
        const { seq, previous } = placeOf(message)
        if (previous !== before) return resolve()
        before = seq
        hand({ seq, subject, data: message.data })
      } catch (thrown) {
        reject(thrown)
      }
    },
  })
  const timer = setTimeout(() => reject(NatsError.errorForCode(ErrorCode.Timeout)), ANSWER_MS)
  try {
    const request = { seq: after + 1, next_by_subj: subject, batch: BATCH, max_bytes: BATCH_BYTES }
    nc.publish(`$JS.API.DIRECT.GET.${stream}`, JSON.stringify(request), { reply: inbox })
    await promise
  } finally {
    clearTimeout(timer)
    subscription.unsubscribe()
  }
}

const END_OF_BATCH = 204
const NOT_FOUND = 404

const isEnd = ({ data, headers }: Msg): boolean => {
  const code = data.length === 0 ? (headers?.code ?? 0) : 0
  if (code === 0) return false
  if (code === END_OF_BATCH || code === NOT_FOUND) return true
  throw code === 503 ? NatsError.errorForCode(ErrorCode.NoResponders) : new NatsError(headers?.description ?? '', `${code}`)
}

const placeOf = ({ headers }: Msg): { readonly seq: number; readonly previous: number } => ({
  seq: Number(headers?.get('Nats-Sequence')),
  previous: Number(headers?.get('Nats-Last-Sequence')),
})
