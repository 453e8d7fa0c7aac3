import { LONG, type Metrics, SHORT } from './registry.ts'

/** What is asked of a kind's reading; see adapters/jetstream/objects-observed.ts. Times in ms. */
type Reading = {
  readonly kind: string
  readonly state: string
  readonly heldMs: number
  readonly events: Readonly<Record<string, number>>
  readonly lists: number
  readonly stalls: number
  readonly malformed: number
  readonly store:
    | {
        meta(): { readonly count: number; readonly observedAt: number }
        waiting(): number
        malformedCount(): number
      }
    | undefined
}
type Latency = { readonly sinceHeard: number; readonly sinceCreated: number | undefined }

/** Hears of the agent's work what can not be asked for later. Durations in ms. */
export type AgentMeter = {
  readonly answered: (verb: string, code: number | undefined, ms: number) => void
  readonly listed: (kind: string, ms: number) => void
  readonly stored: (latency: Latency) => void
}

/** Requests to Kubernetes, lists, and how long a change takes until NATS has it. */
export const agentMeter = (metrics: Metrics): AgentMeter => {
  const requests = metrics.histogram(
    {
      name: 'quartermaster_kubernetes_request_duration_seconds',
      help: 'Requests to the Kubernetes API until the head of the answer, by verb and status; code is empty where none came.',
      labels: ['verb', 'code'],
    },
    SHORT,
  )
  const lists = metrics.histogram(
    {
      name: 'quartermaster_agent_list_duration_seconds',
      help: 'From the beginning of a list to the moment when it is complete and told.',
      labels: ['kind'],
    },
    LONG,
  )
  const published = metrics.histogram(
    {
      name: 'quartermaster_agent_publish_duration_seconds',
      help: 'From the moment when a change was heard from Kubernetes to its acknowledgement by NATS.',
    },
    SHORT,
  )
  const created = metrics.histogram(
    {
      name: 'quartermaster_agent_creation_lag_seconds',
      help: 'From an object`s creationTimestamp, which has whole seconds, to its acknowledgement by NATS; watched ones only.',
    },
    LONG,
  )
  return {
    answered: (verb, code, ms) => requests.observe({ verb, code: code === undefined ? '' : `${code}` }, ms / 1_000),
    listed: (kind, ms) => lists.observe({ kind }, ms / 1_000),
    stored: ({ sinceHeard, sinceCreated }) => {
      published.observe(Math.max(0, sinceHeard) / 1_000)
      // The API's clock may be ahead of ours.
      if (sinceCreated !== undefined) created.observe(Math.max(0, sinceCreated) / 1_000)
    },
  }
}

/** How the reading of each kind stands, as of the scrape. */
export const agentMetrics = (metrics: Metrics, readings: () => readonly Reading[]): void => {
  const described = (name: string, help: string) => ({ name: `quartermaster_agent_${name}`, help, labels: ['kind'] })
  const total = (name: string, help: string, count: (reading: Reading) => number): void =>
    metrics.total(described(name, help), () => readings().map((reading) => [{ kind: reading.kind }, count(reading)] as const))
  const gauge = (name: string, help: string, value: (reading: Reading) => number | undefined): void =>
    metrics.gauge(described(name, help), () =>
      readings().flatMap((reading) => {
        const known = value(reading)
        return known === undefined ? [] : [[{ kind: reading.kind }, known] as const]
      }),
    )
  metrics.total(
    {
      name: 'quartermaster_agent_watch_events_total',
      help: 'Events received from watches: ADDED, MODIFIED, DELETED and BOOKMARK.',
      labels: ['kind', 'type'],
    },
    () =>
      readings().flatMap(({ kind, events }) => Object.entries(events).map(([type, count]) => [{ kind, type }, count] as const)),
  )
  total('lists_total', 'Lists begun; more than one: the watch could not go on from where it was (410).', ({ lists }) => lists)
  total('stalls_total', 'How often the API did not answer, or not with sense.', ({ stalls }) => stalls)
  total(
    'malformed_objects_total',
    'Objects and lines left out because they made no sense or were too large.',
    ({ malformed, store }) => malformed + (store?.malformedCount() ?? 0),
  )
  total('backpressure_seconds_total', 'How long the reading was held up by NATS.', ({ heldMs }) => heldMs / 1_000)
  gauge('objects', 'Objects held on NATS.', ({ store }) => store?.meta().count)
  gauge('versions_waiting', 'Versions that wait to be written to NATS.', ({ store }) => store?.waiting())
  gauge('kind_streaming', '1: the kind is streaming. 0: it is being listed, stalled or not read.', ({ state }) =>
    state === 'streaming' ? 1 : 0,
  )
  gauge('last_heard_timestamp_seconds', 'When the API was last heard about the kind, epoch.', ({ store }) => {
    const heardAt = store?.meta().observedAt
    return heardAt === undefined || heardAt === 0 ? undefined : heardAt / 1_000
  })
}
