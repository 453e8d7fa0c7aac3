import { readFileSync } from 'node:fs'
import { type ConnectionOptions, connect, ErrorCode, JSONCodec, type NatsConnection, NatsError, nkeyAuthenticator } from 'nats'
import { subjects } from '../events/subjects.ts'
import { homeFolder, readConnection } from './home.ts'

export type Session = { readonly nc: NatsConnection; readonly cluster: string }

/** Something the user can mend; shown without a stack. */
export class UserError extends Error {
  override name = 'UserError'
}

const json = JSONCodec<unknown>()
const ASK_MS = 10_000

/** How to reach NATS with the credentials that `up` made. */
export const connectionOptions = (url: string, seedFile?: string): ConnectionOptions => ({
  servers: url,
  ...(seedFile !== undefined && { authenticator: nkeyAuthenticator(readFileSync(seedFile)) }),
})

/** Connects to the running system: NATS_URL (with QUARTERMASTER_CLUSTER), else what `up` wrote under QUARTERMASTER_HOME. */
const openSession = async (env: NodeJS.ProcessEnv = process.env): Promise<Session> => {
  const home = homeFolder(env)
  const known = readConnection(home)
  const url = env['NATS_URL'] ?? known?.url
  if (url === undefined) throw new UserError(`nothing runs under ${home}: start it with "npm start", or set NATS_URL`)
  const seedFile = env['NATS_NKEY'] ?? (env['NATS_URL'] === undefined ? known?.seedFile : undefined)
  try {
    const nc = await connect({ ...connectionOptions(url, seedFile), name: 'quartermaster-cli', timeout: 3_000, reconnect: true })
    return { nc, cluster: env['QUARTERMASTER_CLUSTER'] ?? known?.cluster ?? 'demo' }
  } catch (error) {
    throw new UserError(`no NATS answers at ${url} (${(error as Error).message}): is "npm start" still running?`, {
      cause: error,
    })
  }
}

/** Runs with a session and closes it. */
export const withSession = async <T>(work: (session: Session) => Promise<T>): Promise<T> => {
  const session = await openSession()
  try {
    return await work(session)
  } finally {
    await session.nc.close()
  }
}

/** A question to the running system. @throws UserError when nobody answers within `timeout` ms */
export const ask = async (session: Session, what: string, question: unknown = {}, timeout = ASK_MS): Promise<unknown> =>
  request(session, subjects(session.cluster).ask(what), question, timeout)

/** A request with a JSON answer. @throws UserError when nobody answers within `timeout` ms */
export const request = async (
  { nc, cluster }: Session,
  subject: string,
  payload: unknown,
  timeout = ASK_MS,
): Promise<unknown> => {
  try {
    const reply = await nc.request(subject, json.encode(payload), { timeout })
    const refusal = reply.headers?.get('Nats-Service-Error')
    if (refusal) throw new UserError(refusal)
    return json.decode(reply.data)
  } catch (error) {
    if (error instanceof NatsError && error.code === ErrorCode.NoResponders)
      throw new UserError(`nobody answers ${subject}: the cluster "${cluster}" is not hosted by a running process`, {
        cause: error,
      })
    if (error instanceof NatsError && error.code === ErrorCode.Timeout)
      throw new UserError(`no answer to ${subject} within ${timeout / 1000} s`, { cause: error })
    throw error
  }
}
