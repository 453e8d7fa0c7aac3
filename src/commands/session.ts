import { readFileSync } from 'node:fs'
import { type ConnectionOptions, connect, ErrorCode, JSONCodec, type NatsConnection, NatsError, nkeyAuthenticator } from 'nats'
import { subjects } from '../events/subjects.ts'
import { DEMO, homeFolder, runningIn } from './home.ts'
import { printable } from './table.ts'
import { ASK_SERVICE } from './up/asks.ts'

export type Session = {
  readonly nc: NatsConnection
  readonly cluster: string
  /** The kubeconfig's context by which the system reaches that cluster; `simulated`, or `unknown`. */
  readonly context: string
}

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

/** The option of every command that talks to a running system. */
export const CLUSTER_OPTION = ['--cluster <id>', 'which system, when several run'] as const

/** `orders`: it changes something, so that with several systems it has to say which it means. */
type Wanted = { readonly cluster?: string; readonly orders?: true }
/** A system that can be talked to. */
type Known = { readonly cluster: string; readonly context: string }

/** Runs with a session and closes it. On a terminal it is said which cluster is meant, and by which context it is reached. */
export const withSession = async <T>(work: (session: Session) => Promise<T>, wanted: Wanted): Promise<T> => {
  const named = wanted.cluster ?? process.env['QUARTERMASTER_CLUSTER']
  const session = await openSession({ ...wanted, ...(named !== undefined && { cluster: named }) })
  if (process.stderr.isTTY) say(`cluster ${session.cluster}, context ${session.context}`)
  try {
    return await work(session)
  } finally {
    await session.nc.close()
  }
}

/** Connects to a running system: at NATS_URL, else one that `up` has told of under QUARTERMASTER_HOME. */
const openSession = async (wanted: Wanted, env: NodeJS.ProcessEnv = process.env): Promise<Session> => {
  const url = env['NATS_URL']
  if (url !== undefined) return sessionAt(url, env['NATS_NKEY'], wanted)
  const home = homeFolder(env)
  const running = runningIn(home, say)
  if (running.length === 0) throw new UserError(`nothing runs under ${home}: start it with "npm start", or set NATS_URL`)
  const { cluster, context, ...known } = chosen(running, wanted, `under ${home}`)
  return { nc: await connected(known.url, env['NATS_NKEY'] ?? known.seedFile), cluster, context }
}

/** Which clusters there are is asked of NATS; one that nobody hosts now may still be named. */
const sessionAt = async (url: string, seedFile: string | undefined, wanted: Wanted): Promise<Session> => {
  const nc = await connected(url, seedFile)
  try {
    const hosted = await hostedAt(nc)
    const unhosted = { cluster: wanted.cluster ?? DEMO, context: 'unknown' }
    const isKnown = hosted.some(({ cluster }) => wanted.cluster === undefined || cluster === wanted.cluster)
    const { cluster, context } = isKnown ? chosen(hosted, wanted, `at ${url}`) : unhosted
    return { nc, cluster, context }
  } catch (error) {
    await nc.close()
    throw error
  }
}

const connected = async (url: string, seedFile: string | undefined): Promise<NatsConnection> => {
  try {
    return await connect({ ...connectionOptions(url, seedFile), name: 'quartermaster-cli', timeout: 3_000, reconnect: true })
  } catch (error) {
    throw new UserError(`no NATS answers at ${url} (${(error as Error).message}): is "npm start" still running?`, {
      cause: error,
    })
  }
}

/** The clusters whose systems answer NATS' question for services. */
const hostedAt = async (nc: NatsConnection): Promise<readonly Known[]> => {
  const hosted = new Map<string, Known>()
  try {
    for await (const { metadata } of await nc.services.client().info(ASK_SERVICE.name)) {
      const { cluster, context = 'unknown' } = metadata ?? {}
      if (cluster !== undefined) hosted.set(cluster, { cluster, context })
    }
  } catch (error) {
    if (!(error instanceof NatsError && error.code === ErrorCode.NoResponders)) throw error
  }
  return [...hosted.values()].toSorted((a, b) => a.cluster.localeCompare(b.cluster))
}

/**
 * The system that is meant. Who only asks and names none of several gets the last, and is told so.
 * @throws UserError when the named one is not there, or an order names none of several
 */
const chosen = <K extends Known>(known: readonly K[], { cluster, orders }: Wanted, where: string): K => {
  const last = known.at(-1)
  const found = cluster === undefined ? last : known.find((each) => each.cluster === cluster)
  const list = known.map((each) => `${each.cluster} (context ${each.context})`).join(', ')
  if (!found) throw new UserError(`no system of the cluster "${cluster}" runs ${where}; there is ${list}`)
  if (cluster !== undefined || known.length === 1) return found
  if (orders) throw new UserError(`several systems run ${where}: say with --cluster which one is meant: ${list}`)
  say(`several systems run ${where}: ${list}; this is ${found.cluster} (--cluster chooses)`)
  return found
}

const say = (sentence: string): void => void process.stderr.write(`${printable(sentence)}\n`)

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
