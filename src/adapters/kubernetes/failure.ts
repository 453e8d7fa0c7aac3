import { z } from 'zod'
import { AlreadyExists, Blocked, Gone, Refused, Unavailable } from '../../ports.ts'
import { retryAfterMs } from './retry-after.ts'

/** The version or continue token is too old for the server (410): list again. */
export class Expired extends Unavailable {
  override name = 'Expired'
}

// What makes no sense is left out field by field: the code of a Status counts, whatever its details are.
const Status = z.object({
  message: z.string().catch(''),
  reason: z.string().optional().catch(undefined),
  code: z.number().optional().catch(undefined),
  details: z
    .object({
      retryAfterSeconds: z.number().optional(),
      causes: z
        .array(z.object({ reason: z.string().optional(), field: z.string().optional(), message: z.string().optional() }))
        .optional(),
    })
    .nullish()
    .catch(undefined),
})
type Status = z.infer<typeof Status>

/** What was asked, for messages: `GET /api/v1/pods`. */
export type Asked = { readonly method: string; readonly path: string }
/** Of the answer's headers those that say when to ask again. */
export type Wish = { readonly retryAfter?: string | undefined; readonly date?: string | undefined }

/** The named error for an answer that is not 2xx. `body` is what the server sent: a Status, or any text. */
export const failureOf = (asked: Asked, code: number, body: string, wish: Wish = {}): Error =>
  failureFrom(asked, code, statusOf(body), wish)

const failureFrom = (asked: Asked, code: number, status: Status, { retryAfter, date }: Wish): Error => {
  const wishMs = retryAfterMs(retryAfter ?? status.details?.retryAfterSeconds?.toString(), date)
  const what = `${asked.method} ${asked.path}: ${code} ${status.message}`
  if (code === 401) return new Refused(`${what}: the API does not know us; renew the token or the kubeconfig's credentials`)
  if (code === 403)
    return new Refused(`${what}: give our service account the verb ${verbOf(asked)} on it (a Role or ClusterRole)`)
  if (code === 404) return new Gone(what)
  if (code === 410) return new Expired(`${what}: list again`)
  if (isOfAnother(code, status)) return new Gone(what)
  if (code === 409 && status.reason === 'AlreadyExists') return new AlreadyExists(what)
  if (code === 409) return new Unavailable(`${what}: somebody changed it at the same time; try again`)
  if (code === 429 && isOfBudget(asked, status)) return new Blocked(`${what} ${causeOf(status)}`.trim(), wishMs, budgetOf(status))
  if (code === 500 && status.message.includes('more than one PodDisruptionBudget'))
    return new Refused(`${what}: the eviction API never evicts such a pod; leave one budget for it`)
  if (code === 429 || code >= 500) return new Unavailable(what, { retryAfterMs: wishMs, code })
  return new Refused(what)
}

/** The failure inside an ERROR event of a watch that was answered with 200. */
export const failureInStream = (asked: Asked, status: unknown): Error =>
  failureFrom(asked, codeIn(status), cut(Status.safeParse(status).data ?? { message: 'an ERROR without a Status' }), {})

const codeIn = (status: unknown): number => Status.safeParse(status).data?.code ?? 500

// A UID precondition fails as 409, and a merge patch that names another UID as 422 over the immutable field.
const isOfAnother = (code: number, { message, details }: Status): boolean =>
  (code === 409 && /\buid\b/i.test(message)) ||
  (code === 422 && (details?.causes?.some(({ field }) => field === 'metadata.uid') ?? false))

// Only an eviction can be held up by a budget: who else is told so waits as for any other server that has too much to do.
const isOfBudget = ({ method, path }: Asked, { details }: Status): boolean =>
  method === 'POST' &&
  path.endsWith('/eviction') &&
  (details?.causes?.some(({ reason }) => reason === 'DisruptionBudget') ?? false)

const causeOf = ({ details }: Status): string =>
  details?.causes?.find(({ reason }) => reason === 'DisruptionBudget')?.message?.slice(0, MESSAGE_CHARACTERS) ?? ''
/** The server names the budget only in its sentence; it has been the same one since eviction v1. */
const budgetOf = (status: Status): string | undefined =>
  /^The disruption budget ([a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?) /.exec(causeOf(status))?.[1]

const MESSAGE_CHARACTERS = 500

// Not every answer is a Status: aggregated and absent APIs answer in plain text.
const statusOf = (body: string): Status => {
  try {
    const status = Status.safeParse(JSON.parse(body))
    if (status.success) return cut(status.data)
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  return cut({ message: body.trim() })
}
const cut = (status: Status): Status => ({ ...status, message: status.message.slice(0, MESSAGE_CHARACTERS) })

const verbs: Readonly<Record<string, string>> = { POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' }
const verbOf = ({ method }: Asked): string => verbs[method] ?? 'get, list or watch'
