import { z } from 'zod'
import { DaemonSet, Deployment, Node, Pod, PodDisruptionBudget, ReplicaSet } from '../../events/kubernetes.ts'
import { quantity } from '../../events/quantity.ts'
import { selects } from '../../events/selector.ts'
import { scaled } from '../budget.ts'
import { withDefaults } from '../controllers/pod.ts'
import type { Cause } from '../failure.ts'
import { badRequest, invalid } from '../failure.ts'
import type { ApiObject, Kind, Kinds, ResourceName } from '../objects.ts'
import { apiVersionOf } from '../objects.ts'

const TIME_IN_MICROSECONDS = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d)$/
const Loose = z.looseObject({ metadata: z.looseObject({ name: z.string() }) })
const OF_THE_CLUSTER: readonly string[] = ['default', 'kube-system']
/** What a real server demands of an event whose `eventTime` is set (validation/events.go). */
const NewEvent = Loose.extend({
  eventTime: z.string().regex(TIME_IN_MICROSECONDS),
  type: z.enum(['Normal', 'Warning']),
  reason: z.string().min(1).max(128),
  action: z.string().min(1).max(128),
  note: z.string().max(1_024).optional(),
  reportingController: z.string().min(1),
  reportingInstance: z.string().min(1).max(128),
  regarding: z.looseObject({ namespace: z.string().optional() }),
}).refine(
  ({ metadata, regarding }) => regarding.namespace !== undefined || OF_THE_CLUSTER.includes(String(metadata['namespace'])),
  'an event about what has no namespace stands in default or kube-system',
)
const schemas: Readonly<Record<ResourceName, z.ZodType>> = {
  nodes: Node,
  pods: Pod,
  deployments: Deployment,
  replicasets: ReplicaSet,
  daemonsets: DaemonSet,
  poddisruptionbudgets: PodDisruptionBudget,
  namespaces: Loose,
  leases: Loose,
  configmaps: Loose.extend({ data: z.record(z.string(), z.string()).optional() }),
  events: NewEvent,
}

export type Fields = { readonly [field: string]: unknown }
export const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value)
const fieldsOf = (value: unknown): Fields => (isFields(value) ? value : {})

/** The body as an object of this kind. @throws ApiFailure 400 */
export const bodyOf = (kind: Kind, body: unknown): Fields => {
  if (!isFields(body)) throw badRequest('the body of the request is no object')
  const { kind: kindName = kind.kind, apiVersion = apiVersionOf(kind) } = body
  if (kindName !== kind.kind || apiVersion !== apiVersionOf(kind))
    throw badRequest(
      `${String(kindName)} in version "${String(apiVersion)}" cannot be handled as a ${kind.kind}: no match for ${apiVersionOf(kind)}`,
    )
  if (!isFields(body.metadata)) throw badRequest('the object has no metadata')
  return body
}

const NAME = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/
const NAMESPACE = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/

/**
 * An object as it may be stored: the defaults are there, and it reads as its kind.
 * @throws ApiFailure 422 with a cause for every field that is wrong, 400 for a time that does not parse
 */
export const admitted = <Resource extends ResourceName>(resource: Resource, kind: Kind, fields: Fields): Kinds[Resource] => {
  const complete: Fields = { apiVersion: apiVersionOf(kind), kind: kind.kind, ...completed(kind, fields) }
  const { error } = schemas[resource].safeParse(complete)
  const name = String(fieldsOf(fields.metadata).name ?? '')
  const causes = error ? error.issues.map(causeOf) : wrongIn(kind, complete)
  if (causes.length > 0) throw invalid(kind.kind, kind.group, name, causes)
  if (resource === 'leases') demandMicroseconds(fieldsOf(complete.spec))
  // The schema has just read it as its kind; what it does not name is kept too.
  return complete as unknown as Kinds[Resource]
}

const causeOf = ({ path, message }: z.core.$ZodIssue): Cause => ({
  reason: 'FieldValueInvalid',
  message: `Invalid value: ${message}`,
  field: path.join('.'),
})

const completed = ({ resource, hasStatus }: Kind, fields: Fields): Fields => {
  const spec = fieldsOf(fields.spec)
  const status = fieldsOf(fields.status)
  if (resource === 'pods')
    return { ...fields, spec: withDefaults({ containers: [], ...spec }), status: { phase: 'Pending', ...status } }
  if (resource === 'poddisruptionbudgets')
    return {
      ...fields,
      spec,
      status: { disruptionsAllowed: 0, currentHealthy: 0, desiredHealthy: 0, expectedPods: 0, ...status },
    }
  if (resource === 'deployments' || resource === 'replicasets') return { ...fields, spec: { replicas: 1, ...spec }, status }
  if (resource === 'events') return fields
  return hasStatus ? { ...fields, spec, status } : { ...fields, spec }
}

const wrong = (field: string, message: string): Cause => ({
  reason: 'FieldValueInvalid',
  message: `Invalid value: ${message}`,
  field,
})
const missing = (field: string): Cause => ({ reason: 'FieldValueRequired', message: 'Required value', field })

/** What no schema says. */
const wrongIn = ({ resource, namespaced }: Kind, object: Fields): readonly Cause[] => {
  const { name, namespace } = fieldsOf(object.metadata)
  const spec = fieldsOf(object.spec)
  const causes: Cause[] = []
  if (!NAME.test(String(name))) causes.push(wrong('metadata.name', `"${String(name)}": a lowercase RFC 1123 subdomain is needed`))
  if (namespaced && !NAMESPACE.test(String(namespace)))
    causes.push(wrong('metadata.namespace', `"${String(namespace)}": a lowercase RFC 1123 label is needed`))
  if (resource === 'pods') causes.push(...wrongPod('spec', spec))
  if (resource === 'nodes') causes.push(...wrongQuantities('status.allocatable', fieldsOf(object.status).allocatable))
  if (resource === 'poddisruptionbudgets') causes.push(...wrongBudget(spec))
  if (resource === 'deployments' || resource === 'replicasets' || resource === 'daemonsets') causes.push(...wrongWorkload(spec))
  return causes
}

const wrongPod = (field: string, spec: Fields): readonly Cause[] => {
  const containers = Array.isArray(spec.containers) ? spec.containers : []
  if (containers.length === 0) return [missing(`${field}.containers`)]
  return containers.flatMap((container, index) => {
    const { requests, limits } = fieldsOf(fieldsOf(container).resources)
    const at = `${field}.containers[${index}].resources`
    return [...wrongQuantities(`${at}.requests`, requests), ...wrongQuantities(`${at}.limits`, limits)]
  })
}

const wrongQuantities = (field: string, quantities: unknown): readonly Cause[] =>
  Object.entries(fieldsOf(quantities)).flatMap(([resource, text]) => {
    const problem = problemOf(() => quantity(typeof text === 'number' ? text : String(text)))
    return problem === undefined ? [] : [wrong(`${field}.${resource}`, problem)]
  })

/** The message of a RangeError, which is how the words of the cluster refuse a text. */
const problemOf = (read: () => unknown): string | undefined => {
  try {
    read()
    return undefined
  } catch (error) {
    if (error instanceof RangeError) return error.message
    throw error
  }
}

const wrongBudget = ({ minAvailable, maxUnavailable }: Fields): readonly Cause[] => {
  if (minAvailable !== undefined && maxUnavailable !== undefined)
    return [wrong('spec', 'minAvailable and maxUnavailable cannot be both set')]
  const value = minAvailable ?? maxUnavailable
  const problem = typeof value === 'string' || typeof value === 'number' ? problemOf(() => scaled(value, 100)) : undefined
  return problem === undefined ? [] : [wrong(minAvailable === undefined ? 'spec.maxUnavailable' : 'spec.minAvailable', problem)]
}

const wrongWorkload = (spec: Fields): readonly Cause[] => {
  const template = fieldsOf(spec.template)
  const { success, data } = z
    .object({ matchLabels: z.record(z.string(), z.string()).optional() })
    .loose()
    .safeParse(spec.selector)
  if (!success) return [missing('spec.selector')]
  const labels = z.record(z.string(), z.string()).safeParse(fieldsOf(template.metadata).labels ?? {})
  const matches = labels.success && problemOf(() => selects(data, labels.data)) === undefined && selects(data, labels.data)
  const pod = wrongPod('spec.template.spec', fieldsOf(template.spec))
  return matches ? pod : [...pod, wrong('spec.template.metadata.labels', '`selector` does not match template `labels`')]
}

const demandMicroseconds = (spec: Fields): void => {
  for (const field of ['renewTime', 'acquireTime']) {
    const time = spec[field]
    if (time !== undefined && time !== null && !TIME_IN_MICROSECONDS.test(String(time)))
      throw badRequest(
        `Lease in version "v1" cannot be handled as a Lease: parsing time "${String(time)}" as "2006-01-02T15:04:05.000000Z07:00": cannot parse it`,
      )
  }
}

/** Whether two objects differ in what they are to be, which raises the generation. */
export const isSameSpec = (
  one: ApiObject & { readonly spec?: unknown },
  other: ApiObject & { readonly spec?: unknown },
): boolean => JSON.stringify(one.spec) === JSON.stringify(other.spec)
