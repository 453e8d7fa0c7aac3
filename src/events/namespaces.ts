import { z } from 'zod'
import { ObjectMeta } from './kubernetes.ts'

// What a namespace is, and what it lets be created in it.

const strings = z.record(z.string(), z.string())
const quantities = z.record(z.string(), z.union([z.string(), z.number()]))

export const Namespace = z.object({ kind: z.literal('Namespace'), metadata: ObjectMeta })
export type Namespace = z.infer<typeof Namespace>

const ScopeSelectorTerm = z.object({
  scopeName: z.string(),
  operator: z.string(),
  values: z.array(z.string()).optional(),
})
export const ResourceQuota = z.object({
  kind: z.literal('ResourceQuota'),
  metadata: ObjectMeta,
  spec: z
    .object({
      hard: quantities.optional(),
      scopes: z.array(z.string()).optional(),
      scopeSelector: z.object({ matchExpressions: z.array(ScopeSelectorTerm).optional() }).optional(),
    })
    .default({}),
  status: z.object({ hard: quantities.optional(), used: quantities.optional() }).default({}),
})
export type ResourceQuota = z.infer<typeof ResourceQuota>

const LimitRangeItem = z.object({
  type: z.string(),
  min: quantities.optional(),
  max: quantities.optional(),
  default: quantities.optional(),
  defaultRequest: quantities.optional(),
  maxLimitRequestRatio: quantities.optional(),
})
export const LimitRange = z.object({
  kind: z.literal('LimitRange'),
  metadata: ObjectMeta,
  spec: z.object({ limits: z.array(LimitRangeItem).default([]) }).default({ limits: [] }),
})
export type LimitRange = z.infer<typeof LimitRange>

export const Service = z.object({
  kind: z.literal('Service'),
  metadata: ObjectMeta,
  spec: z.object({ selector: strings.nullish() }).default({}),
})
export type Service = z.infer<typeof Service>

/** A class of devices of dynamic resource allocation; it may stand in for an extended resource. */
export const DeviceClass = z.object({
  kind: z.literal('DeviceClass'),
  metadata: ObjectMeta,
  spec: z.object({ extendedResourceName: z.string().optional() }).default({}),
})
export type DeviceClass = z.infer<typeof DeviceClass>
