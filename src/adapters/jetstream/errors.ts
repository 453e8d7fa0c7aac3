import { ErrorCode, NatsError } from 'nats'
import { Conflict, Unanswered, Unstorable } from '../../runtime/journal.ts'

const WRONG_LAST_SEQUENCE: readonly number[] = [10071, 10164]
const NO_MESSAGE_FOUND = 10037

export const isNotFound = (error: unknown): boolean =>
  error instanceof NatsError && error.api_error?.err_code === NO_MESSAGE_FOUND

/**
 * The runtime's word for what NATS said: a lost race, or nobody knows. Refusals of the server (4xx) stay what they are.
 * @param what the stream and subject it was about
 */
export const translated = (error: unknown, what: string): unknown => {
  if (!(error instanceof NatsError)) return error
  const refused = error.api_error
  if (refused && WRONG_LAST_SEQUENCE.includes(refused.err_code ?? 0))
    return new Conflict(`${what}: ${refused.description}`, { cause: error })
  if (error.code === ErrorCode.MaxPayloadExceeded)
    return new Unstorable(`${what}: larger than NATS takes (max_payload): make it smaller, or raise max_payload`, {
      cause: error,
    })
  if (!refused || refused.code >= 500)
    return new Unanswered(`${what}: ${refused?.description ?? error.message}`, { cause: error })
  return new Error(`${what}: NATS refuses it: ${refused.description} (${refused.err_code})`, { cause: error })
}

/** Runs a request and translates its failure. */
export const asked = async <T>(what: string, request: () => Promise<T>): Promise<T> => {
  try {
    return await request()
  } catch (error) {
    throw translated(error, what)
  }
}
