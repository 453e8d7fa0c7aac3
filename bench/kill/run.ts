import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect, type JetStreamClient, type JetStreamManager } from 'nats'
import { jetstreamJournal } from '../../src/adapters/jetstream/journal.ts'
import { ensureStreams } from '../../src/adapters/jetstream/streams.ts'
import { startNatsServer } from '../../src/adapters/nats-server/start.ts'
import { definitions, type Ports } from '../../src/commands/up/definitions.ts'
import { subjects } from '../../src/events/subjects.ts'
import type { Journal } from '../../src/runtime/journal.ts'
import type { CloudEvent } from '../../src/runtime/projector.ts'
import { seededRandom } from '../../src/simulator/random.ts'
import { discrepancies, doubled, lostCommands } from './accounts.ts'
import { type Ledger, openLedger } from './ledger.ts'
import { startTraffic, type Traffic } from './traffic.ts'
import { raise, type Victim } from './victims.ts'
import { deedsOf, startWorld } from './world.ts'

export type Wanted = {
  readonly kills: number
  readonly seed: number
  readonly natsBinary: string
  /** Told after each kill. */
  readonly onKill?: (kills: number, ledger: Ledger) => void
}
export type Report = {
  readonly kills: number
  /** Kills of a process that served already; the others hit it while it recovered. */
  readonly whileServing: number
  readonly seconds: number
  readonly commands: ReturnType<Traffic['counts']> & { readonly acknowledged: number; readonly lost: number }
  readonly journal: { readonly records: number; readonly actors: number; readonly resumed: number; readonly verified: number }
  readonly world: { readonly evicted: number; readonly deletedNodes: number; readonly cordons: number; readonly doubled: number }
  readonly told: ReadonlyMap<string, number>
  /** What does not add up, one sentence each. */
  readonly discrepancies: readonly string[]
  /** Kept when something does not add up: NATS' store, the world and the processes' log. */
  readonly folder: string | undefined
}

const CLUSTER = 'demo'
const NODES = 40
/** The longest life before a kill by time, and before a kill by records when there are too few, milliseconds. */
const LIFE_MS = 1_800
const PATIENCE_MS = 1_800
const MOST_RECORDS = 60
/** Some live long enough for the planner to plan a wave. */
const LONG_LIFE_MS = 10_000
/** Of all kills: those below the second are by the clock, those above the third by records since it serves. */
const LONG = 0.04
const BY_CLOCK = 0.2
const WHILE_RECOVERING = 0.35
/** The last process has so long to finish everything, milliseconds. */
const FINISH_MS = 180_000
/** And the projector so long for what is left, milliseconds. */
const TOLD_MS = 20_000

/** Kills a process that runs the shipped machines again and again, then asks the survivors whether everything adds up. */
export const killAgainAndAgain = async ({ kills, seed, natsBinary, onKill = () => {} }: Wanted): Promise<Report> => {
  const folder = mkdtempSync(join(tmpdir(), 'qm-kill-'))
  const server = await startNatsServer({ binary: natsBinary, storeFolder: join(folder, 'nats'), name: 'kill', auth: 'none' })
  const nc = await connect({ servers: server.url, maxReconnectAttempts: -1 })
  const js = nc.jetstream()
  const jsm = await ensureStreams(nc, CLUSTER)
  const world = await startWorld(join(folder, 'world'), seed, NODES)
  const ledger = openLedger(CLUSTER, definitions({} as Ports))
  const ended = new AbortController()
  const following = follow(jetstreamJournal(nc, jsm, CLUSTER), ledger, ended.signal)
  const random = seededRandom(seed)
  const traffic = startTraffic(nc, js, CLUSTER, seededRandom(seed + 1), world.nodes)
  const log = join(folder, 'victims.log')
  const beginning = { nats: server.url, cluster: CLUSTER, server: world.server, token: world.token, log }
  const startedAt = performance.now()
  let failed: readonly string[] = []
  let isSound = false
  let done = 0
  let whileServing = 0
  const cache = join(folder, 'compiled')
  let spare = raise(beginning, cache)
  try {
    while (done < kills && ledger.violations.length === 0 && failed.length === 0) {
      const victim = await spare
      victim.begin()
      spare = raise(beginning, cache)
      const isServing = await untilMoment(victim, ledger, random)
      const failure = victim.failure()
      await victim.kill()
      done++
      if (isServing) whileServing++
      if (failure) failed = [`after ${done} kills a process did not survive by itself: ${failure}`]
      onKill(done, ledger)
    }
    await world.settle()
    const last = await spare
    last.begin()
    await traffic.stop()
    const unfinished = failed.length > 0 || ledger.violations.length > 0 ? [] : await finished(js, ledger, traffic)
    const events = await eventIds(js, await toldIn(jsm, ledger))
    await last.kill()
    await world.stop()
    const deeds = deedsOf(join(folder, 'world'))
    const found = [...failed, ...unfinished, ...discrepancies(ledger, traffic, deeds, events)]
    isSound = found.length === 0
    return {
      kills: done,
      whileServing,
      seconds: (performance.now() - startedAt) / 1000,
      commands: { ...traffic.counts(), acknowledged: traffic.acknowledged.size, lost: lostCommands(ledger, traffic).length },
      journal: {
        records: ledger.records(),
        actors: ledger.books.size,
        resumed: ledger.resumed(),
        verified: ledger.verified().executed,
      },
      world: {
        evicted: deeds.evicted.length,
        deletedNodes: deeds.deletedNodes.length,
        cordons: deeds.cordons.size,
        doubled: doubled(deeds).length,
      },
      told: ledger.counts,
      discrepancies: found,
      folder: isSound ? undefined : folder,
    }
  } finally {
    ended.abort()
    await (await spare).kill()
    await nc.close()
    await following
    await server.stop()
    if (isSound) rmSync(folder, { recursive: true, force: true })
  }
}

const follow = async (journal: Journal, ledger: Ledger, signal: AbortSignal): Promise<void> => {
  for await (const entry of journal.follow(0, signal)) ledger.take(entry)
}

/**
 * By the clock, or with the n-th record that is written from its beginning or since it serves: right between an append and
 * what follows it. True when it served.
 */
const untilMoment = async (victim: Victim, ledger: Ledger, random: () => number): Promise<boolean> => {
  let isServing = false
  void victim.ready.then(() => {
    isServing = true
  })
  const [kind, fraction] = [random(), random()]
  if (kind < LONG) await sleep(LONG_LIFE_MS * fraction)
  else if (kind < BY_CLOCK) await sleep(LIFE_MS * fraction)
  else {
    if (kind > WHILE_RECOVERING) await Promise.race([victim.ready, sleep(PATIENCE_MS)])
    const target = ledger.records() + 1 + Math.floor(MOST_RECORDS * fraction * fraction)
    for (const until = performance.now() + PATIENCE_MS; ledger.records() < target && performance.now() < until; ) await sleep(1)
  }
  return isServing
}

/** Lets the last process finish; names what it did not. */
const finished = async (js: JetStreamClient, ledger: Ledger, traffic: Traffic): Promise<readonly string[]> => {
  await js.publish(subjects(CLUSTER).command('evictor', 'Pause'), '{}')
  let left: readonly string[] = []
  for (const until = performance.now() + FINISH_MS; performance.now() < until; await sleep(500)) {
    left = [...lostCommands(ledger, traffic), ...busy(ledger)]
    if (left.length === 0) return []
  }
  return left.map((what) => `not finished after ${FINISH_MS / 1000} s: ${what}`)
}

/** What lasts as long as the actor that asks for it. */
const lasting: ReadonlySet<string> = new Set(['followGuard', 'followRequests', 'identify', 'reflect', 'watchSwitch'])
/** Who has something to do yet. */
const busy = ({ books }: Ledger): readonly string[] =>
  [...books].flatMap(([name, { state, open }]) => {
    const isLasting = /^(cluster|agent|evictor|controller|csr-approver)\//.test(name)
    const owed = [...open.values()].filter(({ parked, name: effect }) => parked === undefined && !lasting.has(effect))
    const isBusy = state.status === 'active' && (!isLasting || (name.startsWith('evictor/') && state.value !== 'paused'))
    return isBusy || owed.length > 0
      ? [`${name} is ${JSON.stringify(state.value)} and owes ${owed.map(({ key }) => key).join(', ') || 'nothing'}`]
      : []
  })

/** The last sequence of EVENTS, once it tells as much as the journal has facts, or soon after. */
const toldIn = async (jsm: JetStreamManager, { facts }: Ledger): Promise<number> => {
  for (const until = performance.now() + TOLD_MS; ; await sleep(100)) {
    const { messages, last_seq: last } = (await jsm.streams.info('EVENTS')).state
    if (messages >= facts.length || performance.now() > until) return last
  }
}

const eventIds = async (js: JetStreamClient, until: number): Promise<readonly string[]> => {
  const ids: string[] = []
  if (until === 0) return ids
  const messages = await (await js.consumers.get('EVENTS', {})).consume()
  for await (const message of messages) {
    ids.push(message.json<CloudEvent>().id)
    if (message.seq >= until) break
  }
  messages.stop()
  return ids
}

/** The end of what the processes said. */
export const lastWords = (folder: string): string => {
  try {
    return readFileSync(join(folder, 'victims.log'), 'utf8').trimEnd().split('\n').slice(-20).join('\n')
  } catch {
    return 'the processes said nothing'
  }
}
