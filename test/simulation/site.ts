import type { Ground, KillPoint, Log } from '../../src/runtime/ground.ts'
import { type Host, startHost } from '../../src/runtime/host.ts'
import { licence } from '../../src/runtime/licence.ts'
import { project } from '../../src/runtime/projector.ts'
import { createTimers } from '../../src/runtime/timers.ts'
import type { Address, Definition } from '../../src/runtime/types.ts'
import { type EffectWorld, simulated } from './effects.ts'
import type { Play } from './play.ts'
import { eventsPort, inboxPort, journalPort, leasesPort, type Surroundings, snapshotsPort } from './ports.ts'
import { type SimulatedProcess, simulatedProcess } from './process.ts'
import type { Random } from './random.ts'
import type { Server } from './server.ts'

/** A process of ours under way: it is killed when it reaches the doomed step. */
export type Site = {
  readonly process: SimulatedProcess
  readonly host: Host
  readonly doom: (point: KillPoint, after: number) => void
  /** Makes the journal of one living actor shorter, as the keeper does after a thousand commits. */
  readonly shorten: () => Promise<void>
}

export type SiteOptions = {
  readonly around: Surroundings
  readonly effects: EffectWorld
  readonly random: Random
  readonly play: Play
  readonly onLog: (level: keyof Log, fields: object, message: string) => void
  readonly onKilled: (site: SimulatedProcess) => void
}

const never = new Promise<never>(() => {})

/** Starts one process with everything it needs, hosting every actor type of the play. */
export const startSite = (name: string, { around, effects, random, play, onLog, onKilled }: SiteOptions): Site => {
  const process = simulatedProcess(around.world, name, random.happens(0.3) ? random.between(-2_000, 2_000) : 0)
  const journal = journalPort(around, process)
  const life = new AbortController()
  const log = Object.fromEntries(
    (['debug', 'info', 'warn', 'error'] as const).map((level) => [
      level,
      (fields: object, message: string) => onLog(level, fields, message),
    ]),
  ) as Log
  let doomed: { readonly point: KillPoint; left: number } | undefined
  const reach = async (point: KillPoint): Promise<void> => {
    if (!process.isAlive()) return never
    if (doomed?.point !== point || doomed.left-- > 0) return
    around.faults.count('killed at a step')
    process.kill()
    onKilled(process)
    return never
  }
  let names = 0
  const ground: Ground = {
    process: name,
    journal,
    inbox: inboxPort(around, process),
    clock: process.clock,
    chance: {
      unique: () => `${(++names).toString(16).padStart(8, '0')}-${name}`,
      fraction: () => random.fraction(),
    },
    snapshots: snapshotsPort(around, process),
    timers: createTimers(process.clock),
    licence: licence(journal, play.governor, process.clock, life.signal),
    log,
    reach,
  }
  const host = startHost({
    ground,
    leases: leasesPort(around, process, random.happens(0.6)),
    definitions: play.definitions.map((definition) => carriedOut(definition, effects, process)),
    root: play.root,
    unhosted: play.unhosted,
    residents: random.happens(0.2) ? 4 : 20_000,
  })
  void project('sim', journal, eventsPort(around, process), process.clock, log, life.signal)
  const shorten = async (): Promise<void> => {
    const actor = random.any(host.actors())
    if (!actor) return
    const commits = await actor.checkpoint()
    const kept = actor.book()?.kept.seq
    if (commits.length === 0 || kept === undefined) return
    if (isUntoldBefore(around.server, actor.self, kept)) return
    // The archive is what the ledger has kept: every record that was ever stored.
    await journal.purge(actor.self, kept)
    around.faults.count('journal shortened')
  }
  return {
    process,
    host,
    shorten,
    doom: (point, after) => {
      doomed = { point, left: after }
    },
  }
}

/** What the projector has not told yet it must still find. */
const isUntoldBefore = ({ events, history }: Server, { type, id }: Address, seq: number): boolean => {
  const told = events.at(-1)?.position.seq ?? 0
  return history.some(
    (entry) =>
      entry.type === type &&
      entry.id === id &&
      entry.seq >= told &&
      entry.seq < seq &&
      'em' in entry.record &&
      entry.record.em.length > 0,
  )
}

const carriedOut = (definition: Definition, effects: EffectWorld, process: SimulatedProcess): Definition => ({
  ...definition,
  effects: Object.fromEntries(
    Object.entries(definition.effects).map(([name, effect]) => [name, simulated(name, effect, effects, process)]),
  ),
})
