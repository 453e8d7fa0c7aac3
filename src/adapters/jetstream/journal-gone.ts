import { type JetStreamManager, NatsError } from 'nats'
import { asked } from './errors.ts'

const NO_STREAM = 10059

/**
 * Asked before the streams are made: a JOURNAL that is not there is not made anew where EVENTS tells of one. The server
 * leaves out a stream whose store it can't read, and making it anew would write over what is left.
 * @throws Error with the remedy
 */
export const refuseNewJournal = async (jsm: JetStreamManager): Promise<void> => {
  const [journal, events] = await Promise.all([messagesOf(jsm, 'JOURNAL'), messagesOf(jsm, 'EVENTS')])
  if (journal !== undefined || !events) return
  throw new Error(
    `there is no stream JOURNAL, and EVENTS holds ${events} facts from it: it was deleted, or the server could not read its store ` +
      '(its log says why). Nothing is made in its place, because that would write over what is left. ' +
      'Restore it from a backup (nats stream restore), or begin anew without it: start once with --accept-loss',
  )
}

/** Undefined: there is no such stream. */
const messagesOf = (jsm: JetStreamManager, stream: string): Promise<number | undefined> =>
  asked(stream, async () => {
    try {
      return (await jsm.streams.info(stream)).state.messages
    } catch (error) {
      if (error instanceof NatsError && error.api_error?.err_code === NO_STREAM) return undefined
      throw error
    }
  })
