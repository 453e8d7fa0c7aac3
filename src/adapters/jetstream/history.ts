import { ErrorCode, type NatsConnection, NatsError } from 'nats'
import type { Delivered } from './delivery.ts'
import { directGet } from './direct-get.ts'

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
const AGAIN_MS = 100
/** A replica that is still behind after so many questions is said. */
const TRIES = 50

/**
 * Hands over one subject's messages in order, without a consumer: a direct get in batches. Any replica may answer, and one
 * that is behind is asked again until the message comes that the leader had; each says which one came before it.
 * @throws NatsError when there is no answer
 */
export const readHistory = async (nc: NatsConnection, { stream, subject, after, newest, onMessage }: History): Promise<void> => {
  let until = await newest()
  let last = after
  const hand = (message: Delivered): void => {
    last = message.seq
    if (last <= until) onMessage(message)
  }
  for (let tries = 0; last < until; ) {
    const before = last
    const request = { seq: last + 1, next_by_subj: subject, batch: BATCH, max_bytes: BATCH_BYTES }
    await directGet(nc, stream, request, hand)
    tries = last > before ? 0 : tries + 1
    if (tries === 0) continue
    if (tries > TRIES) throw new NatsError(`no replica has message ${until} of ${subject}`, ErrorCode.Unknown)
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS))
    until = await newest() // it may have been purged
  }
}
