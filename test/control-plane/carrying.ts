import { systemChance } from '../../src/runtime/chance.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import type { Ground } from '../../src/runtime/ground.ts'
import { startHost } from '../../src/runtime/host.ts'
import { unrestricted } from '../../src/runtime/licence.ts'
import { memoryInbox } from '../../src/runtime/testing/memory-inbox.ts'
import { type MemoryJournal, memoryJournal } from '../../src/runtime/testing/memory-journal.ts'
import { freeLeases } from '../../src/runtime/testing/memory-leases.ts'
import { createTimers } from '../../src/runtime/timers.ts'
import type { Commit, Definition } from '../../src/runtime/types.ts'
import { until } from '../kubernetes-client.ts'

type Fact = { readonly type: string; readonly [field: string]: any }

type Carried = {
  /** What was told of it, in order, whichever process told it. */
  facts(): readonly Fact[]
  /** How it ended, when it has. */
  ended(): Promise<Fact>
  [Symbol.asyncDispose](): Promise<void>
}
type Work = {
  readonly definition: Definition
  readonly id: string
  readonly input: object
  /** Of a process before; by default there was none. */
  readonly journal?: MemoryJournal
  readonly reach?: NonNullable<Ground['reach']>
}

const ENDS = /^controller\.(Action(Done|Failed)|CertificateIssued|Csr(Refused|Failed))$/
const nothing = (): void => {}
const LONG = { longestMs: 170_000, stepMs: 50 }

/** What a commit of an action tells; its end is the controller's to tell, and is what the action leaves. */
export const toldBy = ({ em, p }: Commit): readonly Fact[] => {
  const [, output] = p.set?.find(([[first, ...more]]) => first === 'output' && more.length === 0) ?? []
  const { told } = (output ?? {}) as { readonly told?: Fact }
  return [...em.map(({ ev }) => ev as Fact), ...(told ? [told] : [])]
}

/** A process that carries out one action as a journaled actor, with the world that its effects have. The journal is in memory. */
export const carrying = ({ definition, id, input, journal = memoryJournal(), reach }: Work): Carried => {
  const { type } = definition
  const host = startHost({
    ground: {
      process: systemChance.unique().slice(0, 8),
      journal,
      inbox: memoryInbox(),
      clock: systemClock,
      chance: systemChance,
      timers: createTimers(systemClock),
      licence: unrestricted,
      log: { debug: nothing, info: nothing, warn: nothing, error: nothing },
      ...(reach && { reach }),
    },
    leases: freeLeases,
    definitions: [definition],
    root: { address: { type, id }, input },
  })
  const facts = (): readonly Fact[] => journal.entries.flatMap(({ record }) => ('em' in record ? toldBy(record) : []))
  return {
    facts,
    ended: () => until(`${type} ${id} has ended`, async () => facts().find((fact) => ENDS.test(fact.type)), LONG),
    [Symbol.asyncDispose]: () => host.stop(),
  }
}
