import { createHash } from 'node:crypto'
import type { Log } from '../../src/runtime/ground.ts'
import { addressOf } from '../../src/runtime/types.ts'
import { chaos } from './chaos.ts'
import type { EffectWorld } from './effects.ts'
import { type FaultKind, faults as faultsOf } from './faults.ts'
import { checkEnd, unfinished } from './invariants.ts'
import { Violation, type WorldLedger, worldLedger } from './ledger.ts'
import { people as peopleOf } from './people.ts'
import type { Play } from './play.ts'
import { EPOCH } from './process.ts'
import { random as randomOf } from './random.ts'
import { type Schedule, schedule } from './schedule.ts'
import { server as serverOf } from './server.ts'
import { startSite } from './site.ts'
import { wire as wireOf } from './wire.ts'

export type SimulationOptions = {
  readonly play: Play
  /** Misfortune ends when so many transitions and so many faults have happened. */
  readonly transitions?: number
  readonly faults?: number
  /** Told of everything that is worth a line. */
  readonly trace?: (line: string) => void
}

export type Report = {
  readonly seed: number
  readonly transitions: number
  readonly faults: Readonly<Partial<Record<FaultKind, number>>>
  readonly effects: number
  readonly commands: number
  /** Milliseconds of the simulated world. */
  readonly lasted: number
  readonly steps: number
  /** `<type> <state value as JSON>` of every state in which an actor rested. */
  readonly states: ReadonlySet<string>
  /** Over every record in its order. */
  readonly sha256: string
  readonly violation?: { readonly invariant: string; readonly detail: string }
}

const TRANSITIONS = 200
/** The rest of the transitions comes with the way to rest. */
const BEFORE_CALM = 0.75
const FAULTS = 3
/** Whatever is still to be done when misfortune has ended is done within so long, ms of the simulated world. */
const CALM_MS = 1_800_000
const LOOK_MS = 1_000
const MOST_STEPS = 150_000

/** Everything that is ready runs before the world goes on; nothing in it waits for a real clock. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Runs one world from its seed to its rest. The same seed and play make the same journal, byte for byte. */
export const simulate = async (seed: number, options: SimulationOptions): Promise<Report> => {
  const { play, trace } = options
  const random = randomOf(seed)
  const world = schedule()
  const faults = faultsOf(random)
  const server = serverOf(world, faults)
  const wire = wireOf(world, random, faults)
  const ledger = worldLedger(world.time)
  let violation: Violation | undefined
  const violated = (error: unknown): void => {
    violation ??=
      error instanceof Violation ? error : new Violation('nothing fails that nobody foresaw', String((error as Error).stack))
  }
  server.journal.onStored((entry) => {
    trace?.(`${told(world)} #${entry.seq} ${entry.type}/${entry.id} ${JSON.stringify(entry.record)}`)
    try {
      ledger.stored(entry, server.commands.has)
    } catch (error) {
      violated(error)
    }
  })
  const around = { world, server, wire, faults }
  const effects: EffectWorld = { world, random, faults, ledger, script: play.script, violated }
  const onLog = (process: string) => (level: keyof Log, fields: object, message: string) => {
    trace?.(`${told(world)} ${process} ${level}: ${message} ${JSON.stringify(fields)}`)
    if (level === 'error' && !isExpected(play, fields, message))
      violated(new Violation('no error is logged that nobody foresaw', `${message} ${JSON.stringify(fields)} ${stackOf(fields)}`))
  }
  const misfortune = chaos(around, random, (name, onKilled) => {
    trace?.(`${told(world)} ${name} starts`)
    return startSite(name, { around, effects, random, play, onLog: onLog(name), onKilled })
  })
  const somebody = peopleOf(around, random, play, ledger.parked)

  const run = async (isOver: () => boolean): Promise<boolean> => {
    while (!violation && !isOver()) {
      if (!world.step()) return false
      if (world.steps() > MOST_STEPS) violated(new Violation('nothing is stuck', `${MOST_STEPS} steps and no rest`))
      if (world.isStirred()) await settled()
    }
    return true
  }
  await settled()
  const wanted = options.transitions ?? TRANSITIONS
  const enough = (): boolean => transitionsOf(ledger) >= wanted * BEFORE_CALM && faults.total() >= (options.faults ?? FAULTS)
  await run(enough)
  faults.peace()
  misfortune.end()
  const calmAt = world.time()
  let looksAt = calmAt
  await run(() => {
    if (world.time() < looksAt) return false
    looksAt = world.time() + LOOK_MS
    const root = ledger.commits.get(addressOf(play.root.address))?.at(-1)
    if (!root || !play.isAtRest(root)) {
      for (const order of play.rest) somebody.give(order)
      looksAt += 10 * LOOK_MS
      return false
    }
    if (transitionsOf(ledger) < wanted) {
      somebody.give(play.order(random, somebody.asked.length))
      return false
    }
    const left = unfinished(server, ledger, play, misfortune.sites(), EPOCH + world.time() - 120_000)
    if (left.length > 0 && world.time() - calmAt > CALM_MS)
      violated(new Violation('nothing is stuck', left.slice(0, 5).join('; ')))
    return left.length === 0
  })
  try {
    if (!violation) checkEnd(server, ledger, somebody.asked, misfortune.sites(), play.definitions)
  } catch (error) {
    violated(error)
  }
  return {
    seed,
    transitions: transitionsOf(ledger),
    faults: faults.counts(),
    effects: [...ledger.runs.values()].reduce((sum, runs) => sum + runs.length, 0),
    commands: somebody.asked.length,
    lasted: Math.round(world.time()),
    steps: world.steps(),
    states: statesOf(ledger),
    sha256: createHash('sha256').update(JSON.stringify(server.history)).digest('hex'),
    ...(violation && { violation: { invariant: violation.invariant, detail: violation.message } }),
  }
}

const told = (world: Schedule): string => (world.time() / 1_000).toFixed(4).padStart(10)
const stackOf = (fields: object): string => String((fields as { readonly err?: { readonly stack?: string } }).err?.stack ?? '')

/** Silence is part of every world; what a play is meant to meet it names. */
const isExpected = ({ expected }: Play, fields: object, message: string): boolean => {
  const { err } = fields as { readonly err?: { readonly name?: string; readonly message?: string } }
  return (
    expected.includes(message) ||
    ['Unanswered', 'Fenced', 'PutAway'].includes(err?.name ?? '') ||
    /^the lease of .* (is|was) lost/.test(err?.message ?? '')
  )
}

const transitionsOf = ({ commits }: WorldLedger): number => {
  let sum = 0
  for (const records of commits.values()) sum += records.length
  return sum
}
const statesOf = ({ commits }: WorldLedger): ReadonlySet<string> =>
  new Set(
    [...commits].flatMap(([name, records]) =>
      records.map(({ to }) => `${name.slice(0, name.indexOf('/'))} ${JSON.stringify(to)}`),
    ),
  )
