import { type Book, book } from '../../src/runtime/fold.ts'
import { Corrupt, type Entry } from '../../src/runtime/journal.ts'
import { cloudEvents } from '../../src/runtime/projector.ts'
import { type Address, addressOf, type Commit, type Definition } from '../../src/runtime/types.ts'
import { type Verifier, verdictLine, verifier } from '../../src/runtime/verify.ts'

/** Everything that the journal says, heard while it is written: what is archived and purged later is known here all the same. */
export type Ledger = {
  readonly take: (entry: Entry) => void
  readonly seq: () => number
  readonly records: () => number
  readonly books: ReadonlyMap<string, Book>
  /** How often each command was decided, by its id. */
  readonly decisions: ReadonlyMap<string, number>
  /** Every effect that a commit asked for, by name, with its key and input. */
  readonly intents: ReadonlyMap<string, readonly Asked[]>
  /** Ids of the public events that the journal asks for, in order. */
  readonly facts: readonly string[]
  readonly counts: ReadonlyMap<string, number>
  /** How each pod's eviction was told to have ended. */
  readonly steps: readonly Step[]
  /** Effects that an earlier process may have run already, run again under their key. */
  readonly resumed: () => number
  readonly violations: readonly string[]
  /** Commits that the machines have decided a second time, and actors that came out otherwise, one sentence each. */
  readonly verified: () => { readonly executed: number; readonly faults: readonly string[] }
}
export type Step = { readonly uid: string; readonly outcome: string; readonly reason?: string }
type Asked = { readonly key: string; readonly input: unknown }

export const openLedger = (cluster: string, definitions: readonly Definition[]): Ledger => {
  const books = new Map<string, Book>()
  const decisions = new Map<string, number>()
  const intents = new Map<string, Asked[]>()
  const facts: string[] = []
  const counts = new Map<string, number>()
  const steps: Step[] = []
  const violations: string[] = []
  const verifiers = new Map<string, Verifier>()
  const owners = new Map<string, Set<string>>()
  let [seq, records, resumed] = [0, 0, 0]

  const decided = (cmd: string): void => {
    const times = (decisions.get(cmd) ?? 0) + 1
    decisions.set(cmd, times)
    if (times > 1) violations.push(`the command ${cmd} was decided ${times} times, the last at sequence ${seq}`)
  }
  const owned = (name: string, own: string): void => {
    const known = owners.get(name) ?? new Set()
    owners.set(name, known)
    if (known.has(own) && books.get(name)?.own !== own)
      violations.push(`${name}: the fenced ${own} wrote again at sequence ${seq}`)
    known.add(own)
  }
  const verify = (self: Address, commit: Commit): void => {
    const name = addressOf(self)
    const definition = definitions.find(({ type }) => type === self.type)
    const known = verifiers.get(name) ?? (definition && verifier(definition, self))
    if (!known) return void violations.push(`${name}: nobody defines such an actor`)
    known.take(commit)
    verifiers.set(name, known)
  }
  const committed = (self: Address, commit: Commit): void => {
    const name = addressOf(self)
    verify(self, commit)
    const before = books.get(name)
    owned(name, commit.own)
    if (commit.ev.type === '$opened')
      for (const { kind, parked } of before?.open.values() ?? [])
        if ((kind === 'action' || kind === 'invoke') && parked === undefined) resumed++
    if (commit.ext) decided(commit.cmd)
    for (const { i, kind, name: effect, input } of commit.fx) {
      if (kind !== 'action' && kind !== 'invoke') continue
      const asked = intents.get(effect) ?? []
      asked.push({ key: `${name}/${commit.n}/${i}`, input })
      intents.set(effect, asked)
    }
    for (const { ev } of commit.em) {
      counts.set(ev.type, (counts.get(ev.type) ?? 0) + 1)
      if (ev.type === 'controller.StepDone') steps.push(ev as unknown as Step)
    }
    books.set(name, book(before, self, commit, seq))
  }
  return {
    take: (entry) => {
      seq = entry.seq
      records++
      const { type, id, record } = entry
      try {
        if (record instanceof Corrupt) throw record
        if ('refused' in record) decided(record.cmd)
        else committed({ type, id: id ?? '' }, record)
        facts.push(...cloudEvents(cluster, entry).map((event) => event.id))
      } catch (error) {
        violations.push((error as Error).message)
      }
    },
    seq: () => seq,
    records: () => records,
    books,
    decisions,
    intents,
    facts,
    counts,
    steps,
    resumed: () => resumed,
    violations,
    verified: () => {
      const verdicts = [...verifiers.values()].map(({ verdict }) => verdict())
      return {
        executed: verdicts.reduce((sum, { executed }) => sum + executed, 0),
        faults: verdicts.flatMap((verdict) => (verdict.fault ? [verdictLine(verdict)] : [])),
      }
    },
  }
}
