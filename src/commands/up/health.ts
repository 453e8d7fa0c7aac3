import type { Check } from '../../adapters/http/health.ts'
import type { Reading } from '../../adapters/jetstream/objects-observed.ts'
import { plannedKinds } from '../../events/kinds.ts'
import type { Serving } from '../../runtime/host.ts'

/** What health is judged by. Times are monotonic, ms. */
export type Picture = {
  readonly now: number
  readonly types: ReadonlyMap<string, Serving>
  /** When the journal's leader last answered. */
  readonly journalAt: number
  /** Whether an agent lives in this process. */
  readonly hasAgent: boolean
  readonly readings: readonly Pick<Reading, 'kind' | 'state' | 'reason' | 'heardAt' | 'held'>[]
}

/**
 * A reader says something every few seconds, or waits half a minute before it tries again, or five minutes where it asks in
 * turns. Longer without a word means that it hangs, and only a new process helps.
 */
const SILENT_MS = 600_000
/** The leader is asked every second. */
const JOURNAL_MS = 10_000
/** A lease is free or has run out by then: who waits longer stands by for the process that holds it. */
const STANDBY_MS = 30_000

/** Pure: whether the process gets on with its work. What it waits for knowingly (NATS, an API that is away) is no reason to end it. */
export const aliveChecks = ({ now, readings }: Picture): readonly Check[] => {
  const open = readings.filter(({ state }) => state !== 'closed')
  const silent = open.filter(({ state, held, heardAt }) => state !== 'opening' && held === 0 && now - heardAt > SILENT_MS)
  const trouble = silent.map(({ kind, heardAt }) => `${kind}: no sign of life for ${Math.round((now - heardAt) / 1_000)} s`)
  const waiting = open.filter(({ state, held }) => state === 'opening' || held > 0).map(({ kind }) => kind)
  return [
    { name: 'loop' }, // whoever reads this has been answered by it
    {
      name: 'agent',
      trouble: several(trouble),
      note: waiting.length === 0 ? undefined : `waiting for NATS: ${several(waiting)}`,
    },
  ]
}

/** Pure: whether the process does what it offers: every type served, here or by another process, and the cluster in view. */
export const readyChecks = ({ now, types, journalAt, hasAgent, readings }: Picture): readonly Check[] => [
  {
    name: 'journal',
    trouble: now - journalAt > JOURNAL_MS ? 'its leader does not answer: look whether NATS is up and has a leader' : undefined,
  },
  ...[...types].map(([type, { stage, since }]): Check => {
    const name = `type/${type}`
    if (stage === 'serving') return { name }
    if (stage === 'recovering') return { name, trouble: 'its journal is being read' }
    if (now - since < STANDBY_MS) return { name, trouble: 'its lease is waited for' }
    return { name, note: 'stands by: another process holds its lease' }
  }),
  hasAgent ? synced(readings.filter(({ state }) => state !== 'closed')) : { name: 'agent', note: 'none lives here' },
]

/** What the planner decides on. That another kind is not read, an operator's broken CRD say, is no reason to send nobody here. */
const needed: ReadonlySet<string> = new Set(plannedKinds.map(({ name }) => name))

const synced = (open: Picture['readings']): Check => {
  if (open.length === 0) return { name: 'agent', trouble: 'it finds out what the API has' }
  const missing = (isNeeded: boolean): string | undefined =>
    several(
      open
        .filter(({ kind, state }) => state !== 'streaming' && needed.has(kind) === isNeeded)
        .map(({ kind, state, reason }) => `${kind} ${state}${state === 'stalled' && reason !== undefined ? ` (${reason})` : ''}`),
    )
  return { name: 'agent', trouble: missing(true), note: missing(false) }
}

const NAMED = 5
const several = (what: readonly string[]): string | undefined =>
  what.length === 0
    ? undefined
    : [...what.slice(0, NAMED), ...(what.length > NAMED ? [`and ${what.length - NAMED} more`] : [])].join(', ')
