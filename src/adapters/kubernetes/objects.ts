import { hostname } from 'node:os'
import { z } from 'zod'
import type { ObjectId } from '../../events/orders.ts'
import { Gone, type NewEvent, type Objects, Unavailable } from '../../ports.ts'
import type { KubernetesClient } from './client.ts'
import { objectPath } from './paths.ts'

const Body = z.looseObject({ metadata: z.looseObject({ uid: z.string(), resourceVersion: z.string() }) })

const CONTENT_TYPES = {
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
} as const

/** Objects of any kind over one client: what may be done is what its credentials may. */
export const kubernetesObjects = (client: KubernetesClient): Objects => ({
  read: async (object, signal) => {
    try {
      const body = understood(object, await client.request('GET', pathOf(object), { signal }))
      return { uid: body.metadata.uid, resourceVersion: body.metadata.resourceVersion, body }
    } catch (error) {
      if (error instanceof Gone) return undefined
      throw error
    }
  },
  create: async (object, manifest, signal) => {
    const made = await client.request('POST', objectPath(object), { body: manifest, signal })
    return understood(object, made).metadata.uid
  },
  patch: async (object, type, patch, signal, subresource) => {
    const path = pathOf(object, subresource)
    const made = await client.request('PATCH', path, { body: patch, contentType: CONTENT_TYPES[type], signal })
    return understood(object, made).metadata.resourceVersion
  },
  remove: async (object, uid, signal, graceSeconds) => {
    const options = { apiVersion: 'v1', kind: 'DeleteOptions', preconditions: { uid }, propagationPolicy: 'Background' }
    const body = graceSeconds === undefined ? options : { ...options, gracePeriodSeconds: graceSeconds }
    await client.request('DELETE', pathOf(object), { body, signal })
  },
  createEvent: async (event, signal) => {
    const namespace = event.regarding.namespace ?? CLUSTER_EVENTS
    const path = objectPath({ group: 'events.k8s.io', version: 'v1', resource: 'events', namespace })
    await client.request('POST', path, { body: eventBody(event, namespace), signal })
  },
})

const pathOf = (object: ObjectId, subresource?: string): string =>
  objectPath(object, object.name, ...(subresource === undefined ? [] : [subresource]))

const understood = (object: ObjectId, raw: unknown): z.infer<typeof Body> => {
  const { data } = Body.safeParse(raw)
  if (!data) throw new Unavailable(`the API's answer for ${pathOf(object)} is no object`)
  return data
}

/** Where the Events of what has no namespace are, as kubectl looks for them. */
const CLUSTER_EVENTS = 'default'

/** `eventTime` has microseconds: the API takes no fewer. */
const micros = (time: string | undefined): string =>
  (time === undefined ? new Date() : new Date(time)).toISOString().replace(/(\.\d{3})Z$/, '$1000Z')

const eventBody = (event: NewEvent, namespace: string): object => {
  const { name, regarding, eventTime, eventType, reason, action, message, reportingComponent } = event
  return {
    apiVersion: 'events.k8s.io/v1',
    kind: 'Event',
    metadata: { name, namespace },
    eventTime: micros(eventTime),
    type: eventType,
    reason,
    action,
    note: message,
    regarding,
    reportingController: reportingComponent,
    reportingInstance: `${reportingComponent}-${hostname()}`.slice(0, 128),
  }
}
