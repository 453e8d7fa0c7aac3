import { LATE } from '../../src/actors/controller/eviction.ts'
import type { Ledger, Step } from './ledger.ts'
import type { Traffic } from './traffic.ts'
import type { Deeds } from './world.ts'

type Pod = { readonly uid: string }

/** What was promised and not kept, one sentence each: the journal, the world and the commands' sender have to agree. */
export const discrepancies = (ledger: Ledger, traffic: Traffic, deeds: Deeds, events: readonly string[]): readonly string[] => [
  ...ledger.violations,
  ...ledger.verified().faults,
  ...lostCommands(ledger, traffic),
  ...doubled(deeds),
  ...unasked(ledger, deeds),
  ...untold(deeds, ledger.steps),
  ...owed(ledger),
  ...misprojected(ledger, events),
]

/** Commands that were acknowledged and never decided. */
export const lostCommands = ({ decisions }: Ledger, { acknowledged }: Traffic): readonly string[] =>
  [...acknowledged].filter((id) => !decisions.has(id)).map((id) => `the command ${id} was acknowledged and never decided`)

/** Effects whose work was done twice. */
export const doubled = ({ evicted, deletedNodes, cordons, uncordons }: Deeds): readonly string[] => [
  ...twice(evicted).map((uid) => `the pod ${uid} was evicted twice`),
  ...twice(deletedNodes).map((uid) => `the node ${uid} was deleted twice`),
  ...often(cordons).map((action) => `the action ${action} cordoned its node again after it was given back`),
  ...often(uncordons).map((action) => `the cordon of ${action} was taken back twice`),
]
const twice = (ids: readonly string[]): readonly string[] => ids.filter((id, index) => ids.indexOf(id) !== index)
const often = (counts: ReadonlyMap<string, number>): readonly string[] =>
  [...counts].filter(([, count]) => count > 1).map(([id]) => id)

/** Deeds that no journaled intent asked for. */
const unasked = ({ intents, books }: Ledger, { evicted, deletedNodes, cordons }: Deeds): readonly string[] => {
  const uids = (...names: readonly string[]): ReadonlySet<string> =>
    new Set(names.flatMap((name) => (intents.get(name) ?? []).map(({ input }) => (input as Pod).uid)))
  const [pods, nodes] = [uids('evictPod'), uids('deleteNode')]
  return [
    ...evicted.filter((uid) => !pods.has(uid)).map((uid) => `the pod ${uid} was evicted, and no commit asked for it`),
    ...deletedNodes.filter((uid) => !nodes.has(uid)).map((uid) => `the node ${uid} was deleted, and no commit asked for it`),
    ...[...cordons.keys()]
      .filter((action) => !books.has(`drain-node/${action}`))
      .map((action) => `a node was cordoned for ${action}, and there is no such drain`),
  ]
}

/** What failed may be said to be on its way all the same: the drain's time was up before its grace. */
const isGoing = ({ outcome, reason }: Step): boolean => outcome !== 'failed' || reason === LATE

/** Evictions and what is told of them. */
const untold = ({ evicted }: Deeds, steps: readonly Step[]): readonly string[] => {
  const [done, told] = [new Set(evicted), new Set(steps.filter(isGoing).map(({ uid }) => uid))]
  return [
    ...evicted.filter((uid) => !told.has(uid)).map((uid) => `the pod ${uid} was evicted, and no event tells of it`),
    ...steps
      .filter(({ uid, outcome }) => outcome === 'evicted' && !done.has(uid))
      .map(({ uid }) => `an event tells that the pod ${uid} was evicted, and it was not`),
  ]
}

/** Actors that ended and still owe something, and effects that were parked. */
const owed = ({ books }: Ledger): readonly string[] =>
  [...books].flatMap(([name, { state, open }]) =>
    [...open.values()]
      .filter(({ parked }) => state.status !== 'active' || parked !== undefined)
      .map(
        ({ key, name: effect, parked }) =>
          `${name} (${state.status}) still owes ${effect} ${key}${parked ? `, parked: ${parked}` : ''}`,
      ),
  )

const misprojected = ({ facts }: Ledger, events: readonly string[]): readonly string[] => {
  const at = facts.findIndex((id, index) => events[index] !== id)
  if (at < 0 && events.length === facts.length) return []
  const [wanted, found] = at < 0 ? ['nothing more', events[facts.length]] : [facts[at], events[at] ?? 'nothing more']
  return [`EVENTS is not the journal's facts in order: at place ${at < 0 ? facts.length : at} it has ${found}, not ${wanted}`]
}
