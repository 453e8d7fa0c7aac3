import { ApiFailure } from '../failure.ts'
import type { ApiObject, Kind } from '../objects.ts'
import { apiVersionOf } from '../objects.ts'
import { itemTextOf, textOf } from '../text.ts'

/** How an object is told: whole, or its metadata alone. */
export type Representation = 'whole' | 'metadata'

const METADATA = { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1' }

/** The first form in an Accept header that is served here. Tables and protobuf are not. @throws ApiFailure 406 */
export const representationOf = (accept: string): Representation => {
  if (accept.trim() === '') return 'whole'
  for (const range of accept.split(',')) {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim())
    if (!['application/json', 'application/*', '*/*'].includes(type)) continue
    const as = parameters.find((parameter) => parameter.startsWith('as='))
    if (as === undefined) return 'whole'
    if (as.startsWith('as=PartialObjectMetadata')) return 'metadata'
  }
  throw new ApiFailure(406, 'NotAcceptable', 'only the following media types are accepted: application/json')
}

export const objectTextOf = (form: Representation, object: ApiObject): string =>
  form === 'whole' ? textOf(object) : JSON.stringify({ ...METADATA, metadata: object.metadata })

/** A list: its items carry no kind, except where they are metadata alone. */
export const listTextOf = (form: Representation, kind: Kind, metadata: object, objects: readonly ApiObject[]): string => {
  const head =
    form === 'whole'
      ? { kind: `${kind.kind}List`, apiVersion: apiVersionOf(kind) }
      : { kind: `${METADATA.kind}List`, apiVersion: METADATA.apiVersion }
  const items = objects.map((object) => (form === 'whole' ? itemTextOf(object) : objectTextOf(form, object)))
  return `${JSON.stringify({ ...head, metadata }).slice(0, -1)},"items":[${items.join(',')}]}`
}
