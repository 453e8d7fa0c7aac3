import { NO_GUARD } from '../src/events/guard.ts'
import { begin, decide } from '../src/runtime/decide.ts'
import { type Book, book, INIT } from '../src/runtime/fold.ts'
import { persist } from '../src/runtime/persist.ts'
import { type Draft, recorded } from '../src/runtime/record.ts'
import type { Address, JournaledEvent } from '../src/runtime/types.ts'
import { shipped } from '../test/shipped.ts'
import { CLUSTER } from './bed.ts'
import { type Figure, figure, median } from './figures.ts'

/** Actions at work while one more begins and ends. */
const SIZES = [10, 1_000, 5_000] as const
const ROUNDS = 101
const self: Address = { type: 'controller', id: CLUSTER }
const own = { own: 'bench', nonce: '0' }

type Event = JournaledEvent & { readonly at: number }
type Stand = { readonly known: Book; readonly live: ReturnType<typeof begin>['next'] }
/** Of one commit: where its time goes, ms. */
type Spent = { readonly decide: number; readonly persist: number; readonly record: number; readonly fold: number }

const definition = shipped('controller')

/** What an actor does for a commit but for the journal: decides, takes the state's JSON, compares it with the one before, folds. */
const committed = (stand: Stand | undefined, ev: Event, done: readonly string[] = []): [Stand, Spent] => {
  const at = [performance.now()]
  const lap = (): void => void at.push(performance.now())
  const decision =
    stand === undefined
      ? begin(definition, self, { cluster: CLUSTER, paused: false }, ev.at)
      : decide(definition, self, stand.live, ev)
  if (!decision) throw new Error(`the controller does not accept ${ev.type}`)
  lap()
  const next = persist(decision.next)
  lap()
  const draft: Draft = { ev, cmd: ev.type, decision, done }
  const record = recorded(definition, own, stand?.known, next, draft, [])
  lap()
  const known = book(stand?.known, self, record, record.n, next)
  lap()
  const [t0 = 0, t1 = 0, t2 = 0, t3 = 0, t4 = 0] = at
  return [
    { known, live: decision.next },
    { decide: t1 - t0, persist: t2 - t1, record: t3 - t2, fold: t4 - t3 },
  ]
}
const order = (id: string, nodeName: string, at: number): Event => ({
  type: 'controller.DrainNode',
  id,
  nodeName,
  drainTimeoutSeconds: 600,
  force: false,
  at,
})
const end = (id: string, at: number): Event => ({
  type: `xstate.done.actor.${id}`,
  actorId: id,
  output: { outcome: 'done' },
  at,
})
/** What it asked for is done before long: only what follows the guard goes on. */
const delivered = ({ known }: Stand): readonly string[] =>
  [...known.open.values()].flatMap(({ kind, key }) => (kind === 'invoke' ? [] : [key]))

/** A controller with so many drains at work. */
const busy = (count: number): Stand => {
  let [stand] = committed(undefined, { type: INIT, at: 1 })
  stand = committed(stand, { type: 'controller.GuardSet', guard: NO_GUARD, at: 2 })[0]
  for (let index = 0; index < count; index++)
    stand = committed(stand, order(`a-${index}`, `node-${index}`, 3 + index), delivered(stand))[0]
  return stand
}

const sum = ({ decide: one, persist: two, record, fold }: Spent): number => one + two + record + fold
const PARTS = ['decide', 'persist', 'record', 'fold'] as const

const measured = (count: number): { readonly total: number; readonly most: number; readonly parts: Spent } => {
  let stand = busy(count)
  const spent: Spent[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const id = `more-${round}`
    for (const event of [order(id, 'one-more', 10_000), end(id, 10_001)]) {
      const [next, time] = committed(stand, event, delivered(stand))
      stand = next
      spent.push(time)
    }
  }
  const of = (part: (each: Spent) => number): number => median(spent.map(part))
  const parts = Object.fromEntries(PARTS.map((part) => [part, of((each) => each[part])])) as Spent
  return { total: of(sum), most: Math.max(...spent.map(sum)), parts }
}

/** One commit of the controller's actor while many actions are at work: what it costs has to follow the change, not their number. */
export const run = async (): Promise<readonly Figure[]> => {
  measured(SIZES[0]) // warms up
  const all = SIZES.map((count) => ({ count, ...measured(count) }))
  const [few] = all
  return all.flatMap(({ count, total, most, parts }) => [
    figure(`a commit with ${count} actions at work`, total, 'ms'),
    ...PARTS.map((part) => figure(`a commit with ${count} actions at work: ${part}`, parts[part], 'ms')),
    figure(`a commit with ${count} actions at work, the longest`, most, 'ms', { atMost: 50 }),
    figure(`a commit with ${count} actions at work to one with ${SIZES[0]}`, total / (few?.total ?? Number.NaN), '×'),
  ])
}
