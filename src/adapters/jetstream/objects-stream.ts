import { DiscardPolicy, type JetStreamManager, NatsError, type StoredMsg } from 'nats'
import { z } from 'zod'
import type { Kind } from '../../events/kinds.ts'
import { subjects, untoken } from '../../events/subjects.ts'
import type { KindMeta } from '../../ports.ts'
import { asked, isNotFound } from './errors.ts'

export const OBJECTS = 'OBJECTS'
/** On a record without payload: the object is no more. */
export const DELETED = 'Qm-Deleted'

const Meta = z.object({
  epoch: z.string(),
  state: z.enum(['listing', 'streaming', 'stalled', 'unavailable']),
  reason: z.string().optional(),
  version: z.string().optional(),
  form: z.number().optional(),
  resourceVersion: z.string(),
  observedAt: z.number(),
  count: z.number(),
  hash: z.string(),
  leftOut: z.number().optional(),
})

/** The meta record in a message, or undefined if it is none. */
export const metaIn = (data: Uint8Array): KindMeta | undefined => Meta.safeParse(jsonIn(data)).data

/** What the bytes hold, or undefined if they are no JSON. */
export const jsonIn = (data: Uint8Array): unknown => {
  try {
    return JSON.parse(Buffer.from(data.buffer, data.byteOffset, data.length).toString())
  } catch {
    return undefined // every caller treats it like a record of the wrong shape
  }
}

/**
 * Makes the stream OBJECTS (the last record per subject), or checks that it is what we need.
 * @throws Error when it belongs to another cluster, or NATS made something else of it
 */
export const ensureObjectsStream = async (jsm: JetStreamManager, cluster: string, replicas: number): Promise<void> => {
  const wanted = {
    name: OBJECTS,
    subjects: [`qm.${cluster}.obj.>`, `qm.${cluster}.meta.>`],
    max_msgs_per_subject: 1,
    allow_direct: true,
    allow_atomic: true, // a list is written in batches
    discard: DiscardPolicy.Old,
    num_replicas: replicas,
  }
  const known = await jsm.streams.info(OBJECTS).catch((error: unknown) => {
    if (error instanceof NatsError && error.api_error?.code === 404) return undefined
    throw error
  })
  const foreign = known?.config.subjects.find((subject) => !subject.startsWith(`qm.${cluster}.`))
  if (foreign !== undefined)
    throw new Error(`the stream ${OBJECTS} holds ${foreign}, another cluster's: give each cluster a NATS account of its own`)
  const { config } = known ? await jsm.streams.update(OBJECTS, { ...known.config, ...wanted }) : await jsm.streams.add(wanted)
  const made: Readonly<Record<string, unknown>> = { ...config }
  for (const [key, value] of Object.entries(wanted))
    if (JSON.stringify(made[key]) !== JSON.stringify(value))
      throw new Error(
        `the stream ${OBJECTS} should have ${key} ${JSON.stringify(value)}, NATS made it ${JSON.stringify(made[key])}`,
      )
}

/** The last record on the subject (which may be a pattern) as the leader has it: a direct get may be behind. */
export const lastOn = (jsm: JetStreamManager, subject: string): Promise<StoredMsg | undefined> =>
  asked(`${OBJECTS} ${subject}`, async () => {
    try {
      return await jsm.streams.getMessage(OBJECTS, { last_by_subj: subject })
    } catch (error) {
      if (isNotFound(error)) return undefined
      throw error
    }
  })

/** The subjects that one kind's records and its meta are on. */
export const subjectsOf = (cluster: string, kind: Kind): readonly string[] => [
  subjects(cluster).objects(kind),
  subjects(cluster).meta(kind),
]

/** Every subject of the kind's objects that has a record, tombstones too. */
export const subjectsHeld = (jsm: JetStreamManager, cluster: string, kind: Kind): Promise<readonly string[]> =>
  asked(OBJECTS, async () => {
    const { state } = await jsm.streams.info(OBJECTS, { subjects_filter: subjects(cluster).objects(kind) })
    return Object.keys(state.subjects ?? {})
  })

/** Whose record a subject of `obj` is, among those of its kind. */
export const keyIn = (subject: string): { readonly namespace: string | undefined; readonly name: string } => {
  const [, , , , , namespace = '', name = ''] = subject.split('.')
  return { namespace: namespace === '_' ? undefined : untoken(namespace), name: untoken(name) }
}
