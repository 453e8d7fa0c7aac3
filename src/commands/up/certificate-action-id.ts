import { createHash } from 'node:crypto'
import type { CertificateRequest } from '../../events/certificates.ts'

/**
 * The id of the actor of one CertificateSigningRequest: a UUIDv7 (RFC 9562 §5.7) of the request's own time, the rest of it
 * made of its name and UID. The same request has the same actor in every process, and ids this old end with their journal.
 */
export const certificateActionId = ({ name, uid, createdAt }: Pick<CertificateRequest, 'name' | 'uid' | 'createdAt'>): string => {
  const time = Math.max(0, Math.trunc(createdAt || 0))
    .toString(16)
    .padStart(12, '0')
    .slice(-12)
  const hash = createHash('sha256').update(`${name}/${uid}`).digest('hex')
  const variant = ((Number.parseInt(hash.charAt(3), 16) & 3) | 8).toString(16)
  return `${time.slice(0, 8)}-${time.slice(8)}-7${hash.slice(0, 3)}-${variant}${hash.slice(4, 7)}-${hash.slice(7, 19)}`
}
