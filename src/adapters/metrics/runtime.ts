import type { Census } from '../../runtime/census.ts'
import type { Meter } from '../../runtime/meter.ts'
import { type Metrics, SHORT } from './registry.ts'

type Outcomes = Record<'accepted' | 'refused' | 'duplicate' | 'fenced', number>

/** Counts what the runtime does. What happens for every commit is counted in plain numbers, which a scrape reads. */
export const runtimeMeter = (metrics: Metrics): Meter => {
  const durations = metrics.histogram(
    {
      name: 'quartermaster_commit_duration_seconds',
      help: 'From the append of a commit to its acknowledgement by the journal.',
    },
    SHORT,
  )
  const fences = metrics.counter({
    name: 'quartermaster_fences_total',
    help: 'Actors closed because another owner wrote to their journal first.',
    labels: ['actor'],
  })
  const committed = new Map<string, number>()
  metrics.total({ name: 'quartermaster_commits_total', help: 'Commits that this process wrote.', labels: ['actor'] }, () =>
    [...committed].map(([actor, count]) => [{ actor }, count] as const),
  )
  const decided = new Map<string, Outcomes>()
  metrics.total(
    {
      name: 'quartermaster_commands_total',
      help: 'Commands by what became of them: accepted, refused, duplicate or fenced. Messages between actors are not counted.',
      labels: ['actor', 'outcome'],
    },
    () =>
      [...decided].flatMap(([actor, outcomes]) =>
        Object.entries(outcomes).map(([outcome, count]) => [{ actor, outcome }, count] as const),
      ),
  )
  const outcomesOf = (actor: string): Outcomes => {
    const known = decided.get(actor) ?? { accepted: 0, refused: 0, duplicate: 0, fenced: 0 }
    decided.set(actor, known)
    return known
  }
  const attempts = metrics.counter({
    name: 'quartermaster_effect_attempts_total',
    help: 'Attempts of effects; one that has failed may be tried again.',
    labels: ['actor', 'effect'],
  })
  const failures = metrics.counter({
    name: 'quartermaster_effect_failures_total',
    help: 'Attempts of effects that failed, by the class of the error.',
    labels: ['actor', 'effect', 'error'],
  })
  return {
    committed: ({ type }, _, ms) => {
      committed.set(type, (committed.get(type) ?? 0) + 1)
      durations.observe(ms / 1_000)
    },
    fenced: ({ type }) => fences.inc({ actor: type }),
    decided: ({ type, verb }, outcome) => {
      if (!verb.startsWith('$')) outcomesOf(type)[outcome.ok ? 'accepted' : outcome.why] += 1
    },
    attempted: ({ type }, effect) => {
      attempts.inc({ actor: type, effect })
      return (failure) => {
        if (failure !== undefined) failures.inc({ actor: type, effect, error: classOf(failure) })
      }
    },
  }
}

/** Only what is written like a class: a message in its place would make a series of its own each time. */
const classOf = (failure: unknown): string =>
  failure instanceof Error && /^[A-Za-z]\w{0,39}$/.test(failure.name) ? failure.name : 'Error'

type Hosting = {
  readonly census: () => ReadonlyMap<string, Census>
  readonly serving: () => ReadonlyMap<string, { readonly stage: string }>
  readonly quarantined: () => ReadonlyMap<string, string>
}

/** What is in memory and waits, as of the scrape. */
export const hostMetrics = (metrics: Metrics, host: Hosting): void => {
  const counted = (name: string, help: string, count: (census: Census) => number): void =>
    metrics.gauge({ name: `quartermaster_${name}`, help, labels: ['actor'] }, () =>
      [...host.census()].map(([actor, census]) => [{ actor }, count(census)] as const),
    )
  counted('actors_resident', 'Actors in memory; the others are in the journal until somebody needs them.', (c) => c.residents)
  counted('effects_open', 'Effects that were asked for and have not ended.', (c) => c.open)
  counted('effects_parked', 'Effects that failed for good and wait for a person.', (c) => c.parked)
  counted('mailbox_waiting', 'Commands, timers and ends of effects that wait for their turn in a mailbox.', (c) => c.waiting)
  metrics.gauge(
    { name: 'quartermaster_actors_quarantined', help: 'Actors whose journal can not be gone on with.', labels: ['actor'] },
    () => {
      const types = [...host.quarantined().keys()].map((name) => name.split('/', 1)[0] ?? '')
      return [...Map.groupBy(types, (actor) => actor)].map(([actor, { length }]) => [{ actor }, length] as const)
    },
  )
  metrics.gauge(
    {
      name: 'quartermaster_actor_type_served',
      help: '1: this process serves the actor type. 0: it waits for the lease or is still recovering.',
      labels: ['actor'],
    },
    () => [...host.serving()].map(([actor, { stage }]) => [{ actor }, stage === 'serving' ? 1 : 0] as const),
  )
}
