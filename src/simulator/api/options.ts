import { z } from 'zod'
import type { Preconditions } from '../deletion.ts'
import { badRequest, invalid } from '../failure.ts'

export type DeleteOptions = {
  readonly preconditions: Preconditions
  readonly graceSeconds: number | undefined
  readonly dryRun: boolean
}

const Options = z.object({
  gracePeriodSeconds: z.int().nullish(),
  preconditions: z.object({ uid: z.string().optional(), resourceVersion: z.string().optional() }).nullish(),
  propagationPolicy: z.string().nullish(),
  dryRun: z.array(z.string()).nullish(),
})
const Eviction = z.object({
  metadata: z.object({ name: z.string(), namespace: z.string().optional() }),
  deleteOptions: Options.nullish(),
})
const Binding = z.object({ target: z.object({ kind: z.string().optional(), name: z.string().min(1) }) })

const read = <Shape>(schema: z.ZodType<Shape>, body: unknown): Shape => {
  const { success, data, error } = schema.safeParse(body)
  if (!success) throw badRequest(`the body of the request can't be read: ${z.prettifyError(error)}`)
  return data
}

export const isDryRun = (query: URLSearchParams): boolean => query.getAll('dryRun').includes('All')

/** The options of a DELETE, from its body and its query. @throws ApiFailure 400, 422 */
export const deleteOptions = (query: URLSearchParams, body: unknown): DeleteOptions => optionsOf(query, read(Options, body ?? {}))

const optionsOf = (query: URLSearchParams, options: z.infer<typeof Options>): DeleteOptions => {
  const asked = query.get('gracePeriodSeconds')
  const graceSeconds = options.gracePeriodSeconds ?? (asked === null ? undefined : Number(asked))
  if (graceSeconds !== undefined && !Number.isInteger(graceSeconds))
    throw badRequest('gracePeriodSeconds is no number of seconds')
  // Dependents always go after their owner here; to leave them behind would be to do something else than was asked.
  if ((options.propagationPolicy ?? query.get('propagationPolicy')) === 'Orphan')
    throw invalid('DeleteOptions', 'meta.k8s.io', '', [
      {
        field: 'propagationPolicy',
        message: 'Unsupported value: "Orphan": the simulated cluster deletes dependents in the background',
      },
    ])
  return {
    preconditions: options.preconditions ?? {},
    graceSeconds,
    dryRun: isDryRun(query) || (options.dryRun ?? []).includes('All'),
  }
}

/** An Eviction as it was posted. @throws ApiFailure 400 */
export const evictionOf = (query: URLSearchParams, body: unknown): DeleteOptions & { readonly name: string } => {
  const { metadata, deleteOptions: options } = read(Eviction, body)
  return { ...optionsOf(query, options ?? {}), name: metadata.name }
}

/** The node a Binding is for. @throws ApiFailure 400 */
export const bindingTarget = (body: unknown): string => read(Binding, body).target.name
