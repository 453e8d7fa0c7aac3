import { isDeepStrictEqual } from 'node:util'
import { type Book, book, type Open } from '../../src/runtime/fold.ts'
import { cloudEvents } from '../../src/runtime/projector.ts'
import { type Address, addressOf, type Definition } from '../../src/runtime/types.ts'
import { verdictLine, verify } from '../../src/runtime/verify.ts'
import { type Decision, Violation, type WorldLedger } from './ledger.ts'
import type { Asked } from './people.ts'
import type { Play } from './play.ts'
import type { Server } from './server.ts'
import type { Site } from './site.ts'

const addressIn = (name: string): Address => {
  const slash = name.indexOf('/')
  return { type: name.slice(0, slash), id: name.slice(slash + 1) }
}

/** Every actor's book, folded from the records that were ever stored. */
const foldedAll = ({ commits }: WorldLedger): ReadonlyMap<string, Book> =>
  new Map(
    [...commits].flatMap(([name, records]) => {
      let state: Book | undefined
      for (const [index, commit] of records.entries()) state = book(state, addressIn(name), commit, index + 1)
      return state ? [[name, state]] : []
    }),
  )

/** What still has to happen by itself, in words; empty: nothing. */
export const unfinished = (
  server: Server,
  ledger: WorldLedger,
  play: Play,
  sites: readonly Site[],
  now: number,
): readonly string[] => {
  const alive = new Set(sites.map(({ process }) => process.name))
  const isUnderWay = (name: string, { key, name: effect }: Open): boolean =>
    play.definitions.find(({ type }) => name.startsWith(`${type}/`))?.effects[effect]?.timeoutMs === 'activity' &&
    ledger.runs.get(key)?.some(({ process }) => alive.has(process)) === true
  const waiting = server.commands.waiting().map(({ command }) => `command ${command.type}.${command.verb} ${command.cmd} waits`)
  if (waiting.length > 0) return waiting
  const owed = [...foldedAll(ledger)].flatMap(([name, { open, timers, state }]) => [
    ...[...open.values()]
      .filter((intent) => intent.parked === undefined && !isUnderWay(name, intent))
      .map(({ key, name: effect }) => `${effect} ${key} is owed`),
    ...[...timers.values()]
      .filter(({ due }) => state.status === 'active' && due < now)
      .map(({ id, due }) => `timer ${id} of ${name} was due ${now - due} ms ago`),
  ])
  const told = server.events.at(-1)?.position.seq ?? 0
  const newest = server.history.findLast(({ record }) => 'refused' in record || ('em' in record && record.em.length > 0))
  const untold = newest && newest.seq > told ? [`the facts of record ${newest.seq} are not told`] : []
  return [...owed, ...untold]
}

/** What has to be true when everything has come to rest. @throws Violation */
export const checkEnd = (
  server: Server,
  ledger: WorldLedger,
  asked: readonly Asked[],
  sites: readonly Site[],
  definitions: readonly Definition[],
): void => {
  checkCommands(server, ledger, asked)
  checkOrder(server, ledger, asked)
  checkLetters(server, ledger, definitions)
  checkVerdicts(ledger, definitions)
  checkLive(ledger, sites)
  checkEvents(server)
}

/**
 * The door has no fence: of two owners at once one may refuse there what the other accepts. Whoever took the type over
 * after the refusal was stored has read it.
 */
const isExcused = ({ takenAt }: Server, decisions: readonly Decision[]): boolean => {
  const [accepted, ...more] = decisions.filter(({ by }) => by !== 'refused')
  const [refused, ...again] = decisions.filter(({ by }) => by === 'refused')
  if (!accepted || !refused || more.length > 0 || again.length > 0) return false
  const takenOver = takenAt.get(`${accepted.process}/${accepted.type}`)?.findLast((at) => at < accepted.at) ?? 0
  return accepted.process !== refused.process && refused.at > takenOver
}

const checkCommands = (server: Server, { decisions, commits }: WorldLedger, asked: readonly Asked[]): void => {
  for (const [cmd, made] of decisions)
    if (made.length > 1 && !isExcused(server, made))
      throw new Violation(
        'a command is decided once',
        `${cmd}: ${made.map(({ by, process }) => `${by} in ${process}`).join(', ')}`,
      )
  for (const { cmd, order, stored, outcome } of asked) {
    const by = decisions.get(cmd)?.find((each) => each.by !== 'refused')?.by ?? decisions.get(cmd)?.[0]?.by
    const name = `${cmd} ${order.type}.${order.verb}`
    if (stored && by === undefined) throw new Violation('no acknowledged command is lost', name)
    if (!outcome || outcome.ok === by?.includes('/')) continue
    if (outcome.ok)
      throw new Violation('no acknowledged command is lost', `${name}: answered with commit ${outcome.n}, found ${by}`)
    if (outcome.why === 'duplicate' && by === undefined)
      throw new Violation('no acknowledged command is lost', `${name}: said to be known`)
  }
  for (const { cmd, outcome } of asked) {
    if (!outcome?.ok) continue
    const { by = '' } = decisions.get(cmd)?.find((each) => each.by !== 'refused') ?? {}
    const found = commits.get(by.slice(0, by.lastIndexOf('/')))?.find(({ n }) => n === outcome.n)
    if (found?.cmd !== cmd) throw new Violation('an answer is what was decided', `${cmd}: ${outcome.n}, not ${by}`)
  }
}

/** What is stored is decided in its order; what was called as well, or refused at the door, has no place in it. */
const checkOrder = ({ commands }: Server, { commits, decisions }: WorldLedger, asked: readonly Asked[]): void => {
  const called = new Set(asked.filter((each) => each.called).map(({ cmd }) => cmd))
  const isTurnedAway = (cmd: string): boolean => decisions.get(cmd)?.some(({ by }) => by === 'refused') ?? false
  const places = new Map<string, number>()
  for (const { seq, command } of commands.all)
    if (!places.has(command.cmd) && !called.has(command.cmd)) places.set(command.cmd, seq)
  for (const [name, records] of commits) {
    let last = { cmd: '', place: 0 }
    for (const { cmd, n } of records) {
      const place = places.get(cmd)
      if (place === undefined || isTurnedAway(cmd)) continue
      if (place < last.place)
        throw new Violation('commands of an actor are decided in their order', `${name}/${n}: ${cmd} after ${last.cmd}`)
      last = { cmd, place }
    }
  }
}

/** Every message between actors was decided once by whom it was sent to; the end of a child is one of them. */
const checkLetters = (server: Server, ledger: WorldLedger, definitions: readonly Definition[]): void => {
  const hosted = new Set(definitions.map(({ type }) => type))
  const sent = new Set(server.commands.all.map(({ command }) => command.cmd))
  for (const { key, kind, to } of ledger.intents.values()) {
    if (!to) continue
    if (!sent.has(key)) throw new Violation('what was promised to be sent is sent', `${kind} ${key}`)
    const by = ledger.decisions.get(key) ?? []
    const isToSomebody = ledger.commits.has(addressOf(to))
    if (kind === 'send' && isToSomebody && by.length === 0)
      throw new Violation('a message between actors is decided once', `${key} to ${addressOf(to)}`)
    if (kind === 'spawn' && by.length === 0 && hosted.has(to.type))
      throw new Violation('a spawn is decided once', `${key} of ${addressOf(to)}`)
  }
}

const checkVerdicts = ({ commits }: WorldLedger, definitions: readonly Definition[]): void => {
  for (const [name, records] of commits) {
    const self = addressIn(name)
    const definition = definitions.find(({ type }) => type === self.type)
    const verdict = definition && verify(definition, self, records)
    if (verdict?.fault) throw new Violation('verify passes', verdictLine(verdict))
  }
}

const checkLive = (ledger: WorldLedger, sites: readonly Site[]): void => {
  const folded = foldedAll(ledger)
  for (const { host, process } of sites) {
    if (host.quarantined().size > 0) throw new Violation('nobody is quarantined', [...host.quarantined().values()].join('; '))
    for (const actor of host.actors()) {
      const [live, kept] = [actor.book(), folded.get(addressOf(actor.self))]
      if (!live || !kept || live.n > kept.n)
        throw new Violation('recovery equals what lives', `${addressOf(actor.self)} in ${process.name}`)
      // A zombie that has not been told yet is behind; it can write nothing.
      if (live.n < kept.n) continue
      for (const part of ['state', 'open', 'timers', 'parent', 'cmds'] as const)
        if (!isDeepStrictEqual(JSON.stringify(plain(live[part])), JSON.stringify(plain(kept[part]))))
          throw new Violation('recovery equals what lives', `${addressOf(actor.self)}: ${part}`)
    }
  }
}
const plain = (value: unknown): unknown => (value instanceof Map ? [...value] : value)

const checkEvents = ({ history, events }: Server): void => {
  const facts = history.flatMap((entry) => cloudEvents('sim', entry).map(({ id }) => id))
  const told = events.map(({ event }) => event.id)
  const at = facts.findIndex((id, index) => told[index] !== id)
  if (at >= 0 || facts.length !== told.length)
    throw new Violation(
      'EVENTS is exactly the facts of the journal',
      `at ${at} of ${facts.length}: ${facts[at]}, told ${told[at]}`,
    )
}
