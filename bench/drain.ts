import { randomUUID } from 'node:crypto'
import { definitions, type Ports } from '../src/commands/up/definitions.ts'
import { systemChance } from '../src/runtime/chance.ts'
import { begin, type Decision, decide } from '../src/runtime/decide.ts'
import { type Book, book, INIT } from '../src/runtime/fold.ts'
import { persist } from '../src/runtime/persist.ts'
import { recorded } from '../src/runtime/record.ts'
import type { Address, Definition, Intent, JournaledEvent } from '../src/runtime/types.ts'

type Stamped = JournaledEvent & { readonly at: number }

/** The shipped drain-node. Nothing runs where it is only asked to decide, so that no port is touched. */
const drainNode = (): Definition => {
  const found = definitions({} as Ports).find(({ type }) => type === 'drain-node')
  if (!found) throw new Error('no drain-node is shipped')
  return found
}

/** What writes commits one after the other, and how large each was. */
const writing = (definition: Definition, self: Address) => {
  const own = `bench.${systemChance.unique().slice(0, 8)}`
  const sizes: number[] = []
  let known: Book | undefined
  let last: Decision | undefined
  const write = (ev: Stamped, decision: Decision, answers?: string): readonly Intent[] => {
    const next = persist(decision.next)
    const draft = { ev, cmd: answers ?? 'command', decision, ...(answers !== undefined && { done: [answers] }) }
    const commit = recorded(definition, { own, nonce: (sizes.length + 1).toString(36) }, known, next, draft, [])
    sizes.push(Buffer.byteLength(JSON.stringify(commit)))
    known = book(known, self, commit, commit.n, next)
    last = decision
    return commit.fx
  }
  return {
    sizes,
    begin: (input: unknown, at: number) => write({ type: INIT, input, at }, begin(definition, self, input, at)),
    /** The end of an effect or child. */
    end: ({ ref, kind }: Intent, output: unknown, at: number) => {
      const ev = { type: `xstate.done.actor.${ref}`, actorId: ref, output, at }
      const decision = last && decide(definition, self, last.next, ev)
      if (!decision) throw new Error(`${ev.type} is not accepted`)
      const key = [...(known?.open.values() ?? [])].find((intent) => intent.ref === ref && intent.kind === kind)?.key
      return write(ev, decision, key)
    },
  }
}

const one = (intents: readonly Intent[]): Intent => {
  const found = intents.find(({ kind }) => kind === 'invoke')
  if (!found) throw new Error('the drain asks for nothing')
  return found
}

export type DrainBytes = {
  /** All commits of the drain-node together. */
  readonly total: number
  /** The commit that begins the evictions of a page. */
  readonly largest: number
  /** Of one commit that hears that a pod is gone: the first and the last. */
  readonly firstGone: number
  readonly lastGone: number
}

/** As many as the effect lists at once. */
const PAGE = 20

/** Drives a drain of so many pods through to its end; nothing is run, only decided. */
export const drainOf = (pods: number): DrainBytes => {
  const id = `${randomUUID()}.0`
  const journal = writing(drainNode(), { type: 'drain-node', id })
  let at = Date.UTC(2026, 0, 1)
  const order = { id, nodeName: 'node-0001', nodeUid: randomUUID(), drainTimeoutSeconds: 600, force: false }
  const node = { name: 'node-0001', uid: order.nodeUid, providerId: 'aws:///eu-central-1a/i-0123456789', unschedulable: false }
  const reading = one(journal.begin({ order }, at))
  const cordoning = one(journal.end(reading, node, ++at))
  const listing = one(journal.end(cordoning, null, ++at))
  const found = Array.from({ length: pods }, (_, index) => ({
    namespace: 'shop',
    name: `checkout-5bd4bd5x8j-${index.toString(36).padStart(5, 'x')}`,
    uid: randomUUID(),
    owner: randomUUID(),
  }))
  const children: Intent[] = []
  let again: readonly Intent[] = [listing]
  for (let first = 0; first < pods; first += PAGE) {
    const page = found.slice(first, first + PAGE)
    const last = page.at(-1)
    const after = first + PAGE < pods && last && { tier: 0, priority: 0, uid: last.uid }
    again = journal.end(one(again), { pods: page, ...(after && { after }) }, ++at)
    children.push(...again.filter(({ kind }) => kind === 'spawn'))
  }
  const before = journal.sizes.length
  for (const [index, child] of children.entries())
    again = journal.end(child, { uid: found[index]?.uid, outcome: 'evicted' }, ++at)
  again = journal.end(one(again), { pods: [] }, ++at)
  journal.end(one(again), { count: 0, volumes: [] }, ++at)
  const { sizes } = journal
  return {
    total: sizes.reduce((sum, size) => sum + size, 0),
    largest: Math.max(...sizes),
    firstGone: sizes[before] ?? Number.NaN,
    lastGone: sizes[before + pods - 2] ?? Number.NaN,
  }
}
