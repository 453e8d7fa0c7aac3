import { verbs } from '../../events/verbs.ts'
import { LONG, type Metrics } from './registry.ts'

type Told = { readonly type: string; readonly action?: unknown; readonly verb?: unknown }
type Commit = {
  readonly ts: number
  readonly p: { readonly set?: readonly (readonly [path: readonly unknown[], value: unknown])[] | undefined }
  readonly em: readonly { readonly ev: Told }[]
}

/** So many actions are remembered until they end; more are counted, but not timed. */
const TIMED = 20_000
const verbOf: ReadonlyMap<string, string> = new Map(Object.entries(verbs).map(([verb, { actor }]) => [actor, verb]))

/** Counts actions by kind, as their actors commit: admitted, refused, and how they ended after how long. */
export const actionMeter = (metrics: Metrics): ((type: string, id: string, commit: Commit) => void) => {
  const counter = (name: string, help: string, labels: readonly string[]) =>
    metrics.counter({ name: `quartermaster_${name}_total`, help, labels })
  const started = counter('actions_started', 'Actions that the controller has admitted.', ['verb'])
  const refused = counter('actions_refused', 'Orders that the controller has refused.', ['verb'])
  const executed = counter('actions_executed', 'Actions that have ended: done, gone or failed.', ['verb', 'outcome'])
  const durations = metrics.histogram(
    {
      name: 'quartermaster_action_duration_seconds',
      help: 'From the admission of an action to its end; only of those that this process admitted.',
      labels: ['verb'],
    },
    LONG,
  )
  const admittedAt = new Map<string, number>()

  const heard = ({ type, action, verb }: Told, ts: number): void => {
    if (type === 'controller.ActionRefused') refused.inc({ verb: String(verb) })
    if (type !== 'controller.ActionAccepted') return
    started.inc({ verb: String(verb) })
    if (admittedAt.size < TIMED) admittedAt.set(String(action), ts)
  }
  const ended = (verb: string, id: string, { ts }: Commit, output: unknown): void => {
    const { outcome } = output as { readonly outcome?: unknown }
    executed.inc({ verb, outcome: String(outcome) })
    const since = admittedAt.get(id)
    if (since !== undefined) durations.observe({ verb }, (ts - since) / 1_000)
    admittedAt.delete(id)
  }
  return (type, id, commit) => {
    if (type === 'controller') for (const { ev } of commit.em) heard(ev, commit.ts)
    const verb = verbOf.get(type)
    if (verb === undefined) return
    for (const [path, value] of commit.p.set ?? []) if (path.length === 1 && path[0] === 'output') ended(verb, id, commit, value)
  }
}
