import {
  DiscardPolicy,
  type JetStreamManager,
  type NatsConnection,
  NatsError,
  nanos,
  RetentionPolicy,
  StoreCompression,
  type StreamConfig,
} from 'nats'
import { verbs } from '../../events/verbs.ts'
import { asked } from './errors.ts'
import { type Room, roomIn } from './room.ts'

/** What runs on our streams is newer than this: older servers ignore headers that the runtime relies on, or lose data. */
export const OLDEST_SERVER = '2.12.3'

/** How long a public event is kept. */
export const EVENTS_MS = 30 * 24 * 3_600_000
const hours = (count: number): number => nanos(count * 3_600_000)

/** Every actor type that has commands: what no type claims is not stored. */
export const actorTypes = ['cluster', 'agent', 'tuner', 'controller', 'evictor', 'spot', 'scanner', 'init-data'] as const
/** One per action or step: only other actors write to them. */
const stepTypes: readonly string[] = [
  ...Object.values(verbs).map(({ actor }) => actor),
  'eviction',
  'csr-approver',
  'approve-csr',
]

export type Storage = {
  /** Copies of each stream: 1, or 3 in a cluster of three servers or more. */
  readonly replicas?: number
  /** What NATS may store, where that is known. */
  readonly storeBytes?: number | undefined
}

type Wanted = Partial<StreamConfig> & { readonly name: string }

const wanted = (cluster: string, types: readonly string[], { events, commands }: Room, replicas: number): readonly Wanted[] => [
  {
    name: 'JOURNAL',
    subjects: [`qm.${cluster}.journal.>`],
    discard: DiscardPolicy.New,
    deny_delete: true,
    allow_direct: true,
    // Not S2: after kill -9 of a server a compressed block can be unreadable, and with it the stream.
    compression: StoreCompression.None,
    num_replicas: replicas,
  },
  {
    name: 'COMMANDS',
    subjects: types.map((type) => `qm.${cluster}.cmd.${type}.>`),
    retention: RetentionPolicy.Workqueue,
    // When it is full the sender hears it: a command that was stored is not thrown away.
    discard: DiscardPolicy.New,
    max_age: hours(24),
    max_bytes: commands ?? -1,
    num_replicas: replicas,
  },
  {
    name: 'EVENTS',
    subjects: [`qm.${cluster}.evt.>`],
    max_age: nanos(EVENTS_MS),
    max_bytes: events,
    allow_direct: true,
    compression: StoreCompression.None,
    num_replicas: replicas,
  },
]

/**
 * Makes the streams, or checks that they are what we need.
 * @param types the types whose commands are stored
 * @throws Error when the server is too old, or a stream of that name belongs to another cluster
 */
export const ensureStreams = async (
  nc: NatsConnection,
  cluster: string,
  types: readonly string[] = [...actorTypes, ...stepTypes],
  { replicas = 1, storeBytes }: Storage = {},
): Promise<JetStreamManager> => {
  const version = nc.info?.version ?? '0'
  if (older(version, OLDEST_SERVER))
    throw new Error(
      `nats-server ${version} is too old: ${OLDEST_SERVER} is the oldest that keeps what it acknowledges; upgrade it`,
    )
  const jsm = await nc.jetstreamManager()
  for (const config of wanted(cluster, types, roomIn(storeBytes), replicas)) await ensureStream(jsm, config)
  return jsm
}

/**
 * Makes a stream, or changes it to what we need.
 * @throws Error when it belongs to another cluster, or NATS made something else of it
 */
export const ensureStream = async (jsm: JetStreamManager, config: Wanted): Promise<void> => {
  const known = await jsm.streams.info(config.name).catch((error: unknown) => {
    if (error instanceof NatsError && error.api_error?.code === 404) return undefined
    throw error
  })
  const foreign = known?.config.subjects.find((subject) => prefixOf(subject) !== prefixOf(config.subjects?.[0] ?? ''))
  if (foreign !== undefined)
    throw new Error(`the stream ${config.name} holds ${foreign}, another cluster's: give each cluster a NATS account of its own`)
  const { config: stored } = await asked(config.name, () =>
    known ? jsm.streams.update(config.name, { ...known.config, ...config }) : jsm.streams.add(config),
  )
  for (const [key, value] of Object.entries(config))
    if (JSON.stringify(stored[key as keyof StreamConfig]) !== JSON.stringify(value))
      throw new Error(
        `the stream ${config.name} should have ${key} ${JSON.stringify(value)}, NATS made it ${JSON.stringify(stored[key as keyof StreamConfig])}`,
      )
}

const prefixOf = (subject: string): string => subject.split('.').slice(0, 2).join('.')

/** Whether version a is older than b, both as `major.minor.patch`. */
const older = (a: string, b: string): boolean => {
  const parts = (version: string): number[] => version.split(/[.-]/).slice(0, 3).map(Number)
  const [left, right] = [parts(a), parts(b)]
  const index = left.findIndex((part, at) => part !== right[at])
  return index >= 0 && (left[index] ?? 0) < (right[index] ?? 0)
}
