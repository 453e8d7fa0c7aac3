export type Cause = { readonly reason?: string; readonly message: string; readonly field?: string }
export type Details = {
  readonly name?: string
  readonly group?: string
  readonly kind?: string
  readonly uid?: string
  readonly causes?: readonly Cause[]
  readonly retryAfterSeconds?: number
}
type Extra = {
  readonly details?: Details
  readonly retryAfterSeconds?: number
  readonly continueToken?: string
  /** The answer is the message as text, not a Status. */
  readonly isPlain?: boolean
}

/** An answer of the API server that is not a success: the HTTP status and what its Status object says. */
export class ApiFailure extends Error {
  override name = 'ApiFailure'
  readonly code: number
  readonly reason: string
  readonly extra: Extra
  constructor(code: number, reason: string, message: string, extra: Extra = {}) {
    super(message)
    this.code = code
    this.reason = reason
    this.extra = extra
  }
}

/** The Status object that goes out as the body, or as the object of a watch's ERROR event. */
export const statusOf = ({ code, reason, message, extra }: ApiFailure): object => ({
  kind: 'Status',
  apiVersion: 'v1',
  metadata: extra.continueToken === undefined ? {} : { continue: extra.continueToken },
  status: 'Failure',
  message,
  ...(reason === '' ? {} : { reason }),
  ...(extra.details ? { details: extra.details } : {}),
  code,
})

type Named = { readonly resource: string; readonly group: string }
const qualified = ({ resource, group }: Named): string => (group === '' ? resource : `${resource}.${group}`)
const detailsOf = ({ resource, group }: Named, name: string): Details => ({
  name,
  ...(group === '' ? {} : { group }),
  kind: resource,
})

export const badRequest = (message: string): ApiFailure => new ApiFailure(400, 'BadRequest', message)
export const unauthorized = (): ApiFailure => new ApiFailure(401, 'Unauthorized', 'Unauthorized')
export const notFound = (kind: Named, name: string): ApiFailure =>
  new ApiFailure(404, 'NotFound', `${qualified(kind)} "${name}" not found`, { details: detailsOf(kind, name) })
/** What is outside every group and version that is served. */
export const noSuchGroup = (): ApiFailure => new ApiFailure(404, 'NotFound', '404 page not found', { isPlain: true })
export const noSuchPath = (): ApiFailure =>
  new ApiFailure(404, 'NotFound', 'the server could not find the requested resource', { details: {} })
export const methodNotAllowed = (): ApiFailure =>
  new ApiFailure(405, 'MethodNotAllowed', 'the server does not allow this method on the requested resource', { details: {} })
export const alreadyExists = (kind: Named, name: string): ApiFailure =>
  new ApiFailure(409, 'AlreadyExists', `${qualified(kind)} "${name}" already exists`, { details: detailsOf(kind, name) })

export const modified = (kind: Named, name: string): ApiFailure =>
  new ApiFailure(
    409,
    'Conflict',
    `Operation cannot be fulfilled on ${qualified(kind)} "${name}": the object has been modified; please apply your changes to the latest version and try again`,
    { details: detailsOf(kind, name) },
  )

export const expired = (message: string, continueToken?: string): ApiFailure =>
  new ApiFailure(410, 'Expired', message, continueToken === undefined ? {} : { continueToken })

export const unsupportedMedia = (type: string, accepted: readonly string[]): ApiFailure => {
  const list = accepted.join(', ')
  const message = `the body of the request was in an unknown format (${type || 'none'}) - accepted media types include: ${list}`
  return new ApiFailure(415, 'UnsupportedMediaType', message)
}

/** 422 with a cause for every field that is wrong. */
export const invalid = (kind: string, group: string, name: string, causes: readonly Cause[]): ApiFailure => {
  const text = causes.map(({ field, message }) => (field ? `${field}: ${message}` : message)).join(', ')
  const details = { name, ...(group === '' ? {} : { group }), kind, causes }
  return new ApiFailure(422, 'Invalid', `${kind}${group === '' ? '' : `.${group}`} "${name}" is invalid: ${text}`, { details })
}
