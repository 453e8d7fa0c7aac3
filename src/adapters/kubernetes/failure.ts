import { z } from 'zod'
import { Blocked, Gone, Refused, Unavailable } from '../../ports.ts'

/** The version or continue token is too old for the server (410): list again. */
export class Expired extends Unavailable {
  override name = 'Expired'
}

const Status = z.object({
  message: z.string().default(''),
  reason: z.string().default(''),
  code: z.number().optional(),
  details: z
    .object({ causes: z.array(z.object({ reason: z.string().optional(), field: z.string().optional() })).optional() })
    .nullish(),
})
type Status = z.infer<typeof Status>

/** What was asked, for messages: `GET /api/v1/pods`. */
export type Asked = { readonly method: string; readonly path: string }

/** The named error for an answer that is not 2xx. `body` is what the server sent: a Status, or any text. */
export const failureOf = (asked: Asked, code: number, body: string, retryAfter?: string): Error => {
  const status = statusOf(body)
  const what = `${asked.method} ${asked.path}: ${code} ${status.message}`
  if (code === 401) return new Refused(`${what}: the API does not know us; renew the token or the kubeconfig's credentials`)
  if (code === 403)
    return new Refused(`${what}: give our service account the verb ${verbOf(asked)} on it (a Role or ClusterRole)`)
  if (code === 404) return new Gone(what)
  if (code === 410) return new Expired(`${what}: list again`)
  if (isOfAnother(code, status)) return new Gone(what)
  if (code === 409) return new Unavailable(`${what}: somebody changed it at the same time; try again`)
  if (code === 429) return tooMany(what, status, retryAfter)
  if (code === 500 && status.message.includes('more than one PodDisruptionBudget'))
    return new Refused(`${what}: the eviction API never evicts such a pod; leave one budget for it`)
  if (code >= 500) return new Unavailable(what)
  return new Refused(what)
}

/** The failure inside an ERROR event of a watch that was answered with 200. */
export const failureInStream = (asked: Asked, status: unknown): Error =>
  failureOf(asked, Status.safeParse(status).data?.code ?? 500, JSON.stringify(status))

// A UID precondition fails as 409, and a merge patch that names another UID as 422 over the immutable field.
const isOfAnother = (code: number, { message, details }: Status): boolean =>
  (code === 409 && /\buid\b/i.test(message)) ||
  (code === 422 && (details?.causes?.some(({ field }) => field === 'metadata.uid') ?? false))

const tooMany = (what: string, { details }: Status, retryAfter: string | undefined): Error => {
  const budget = details?.causes?.some(({ reason }) => reason === 'DisruptionBudget')
  if (!budget) return new Unavailable(what)
  const seconds = Number(retryAfter ?? Number.NaN)
  return Number.isFinite(seconds) && seconds >= 0 ? new Blocked(what, seconds * 1_000) : new Blocked(what)
}

const MESSAGE_CHARACTERS = 500

// Not every answer is a Status: aggregated and absent APIs answer in plain text.
const statusOf = (body: string): Status => {
  try {
    const status = Status.safeParse(JSON.parse(body))
    if (status.success) return { ...status.data, message: status.data.message.slice(0, MESSAGE_CHARACTERS) }
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  return { message: body.trim().slice(0, MESSAGE_CHARACTERS), reason: '' }
}

const verbs: Readonly<Record<string, string>> = { POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' }
const verbOf = ({ method }: Asked): string => verbs[method] ?? 'get, list or watch'
