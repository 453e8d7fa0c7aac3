import { ErrorCode, NatsError } from 'nats'
import { Conflict, Unanswered, Unstorable } from '../../runtime/journal.ts'

// JetStream's error codes (nats-server, server/errors.json).
const WRONG_LAST_SEQUENCE: readonly number[] = [10071, 10164]
const NO_MESSAGE_FOUND = 10037
const TOO_LARGE = 10054
const NO_STREAM = 10059
/** Insufficient resources, insufficient storage, store failed, and the account's own limits. */
const NO_ROOM: readonly number[] = [10002, 10023, 10028, 10047, 10077]

const ROOM = 'there is no room for it: make room on the disk, or raise max_file_store and the limits of the stream or account'
const GONE =
  'there is no such stream any more: restore it from a backup (nats stream restore), or find out who deleted it; what it held is not guessed'
const NOBODY = 'nobody answers for it: JetStream is starting, has no leader at the moment, or the stream was deleted'
const SILENT = 'no answer: NATS is away or overloaded; it is asked after until it answers'
const FORBIDDEN = 'the user may not: give it the permissions that it needs, or another user'

export const isNotFound = (error: unknown): boolean =>
  error instanceof NatsError && error.api_error?.err_code === NO_MESSAGE_FOUND

/**
 * The runtime's word for what NATS said: a lost race, nobody knows, or never. Whatever waiting can mend is `Unanswered`.
 * @param what the stream and subject it was about
 */
export const translated = (error: unknown, what: string): unknown => {
  if (!(error instanceof NatsError)) return error
  const { api_error: refused, code } = error
  if (!refused) return unrefused(error, what, code)
  const { description } = refused
  const number = refused.err_code ?? 0
  if (WRONG_LAST_SEQUENCE.includes(number)) return new Conflict(`${what}: ${description}`, { cause: error })
  if (number === TOO_LARGE) return tooLarge(what, 'the stream', 'max_msg_size', error)
  if (number === NO_STREAM) return new Error(`${what}: ${GONE} (${description})`, { cause: error })
  if (NO_ROOM.includes(number)) return new Unanswered(`${what}: ${ROOM} (${description})`, { cause: error })
  if (refused.code >= 500) return new Unanswered(`${what}: ${description}; it is tried again`, { cause: error })
  return new Error(`${what}: NATS refuses it: ${description} (${number})`, { cause: error })
}

const unrefused = (error: NatsError, what: string, code: string): Error => {
  const options = { cause: error }
  if (code === ErrorCode.MaxPayloadExceeded) return tooLarge(what, 'NATS', 'max_payload', error)
  if (code === ErrorCode.PermissionsViolation) return new Error(`${what}: ${FORBIDDEN}`, options)
  if (code === ErrorCode.NoResponders) return new Unanswered(`${what}: ${NOBODY}`, options)
  if (code === ErrorCode.Timeout || code === ErrorCode.Disconnect) return new Unanswered(`${what}: ${SILENT}`, options)
  return new Unanswered(`${what}: ${error.message}`, options)
}

const tooLarge = (what: string, who: string, limit: string, cause: NatsError): Unstorable =>
  new Unstorable(`${what}: larger than ${who} takes (${limit}): make it smaller, or raise ${limit}`, { cause })

/** Runs a request and translates its failure. */
export const asked = async <T>(what: string, request: () => Promise<T>): Promise<T> => {
  try {
    return await request()
  } catch (error) {
    throw translated(error, what)
  }
}
