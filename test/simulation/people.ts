import type { Command } from '../../src/runtime/inbox.ts'
import { Unanswered } from '../../src/runtime/journal.ts'
import type { Address, Outcome } from '../../src/runtime/types.ts'
import type { WorldLedger } from './ledger.ts'
import type { Order, Play } from './play.ts'
import type { Surroundings } from './ports.ts'
import { EPOCH, simulatedProcess } from './process.ts'
import type { Random } from './random.ts'

/** What somebody outside asked for, and what he knows of it. */
export type Asked = { readonly cmd: string; readonly order: Order; called?: true; stored?: true; outcome?: Outcome }

export type People = {
  readonly asked: readonly Asked[]
  readonly give: (order: Order) => void
}

const CALL_MS = 2_000

/** A parked effect is tried again, or given up. */
const decisionOn = ([key, { type, id }]: readonly [string, Address], random: Random): Order => ({
  type,
  id,
  verb: random.pick(['RetryEffect', 'DiscardEffect']),
  payload: { key },
})

/** Somebody outside who publishes commands until they are acknowledged, and makes synchronous calls. */
export const people = (
  { world, wire, faults, server }: Surroundings,
  random: Random,
  play: Play,
  parked: WorldLedger['parked'],
): People => {
  const self = simulatedProcess(world, 'people', 0)
  const asked: Asked[] = []

  const commandOf = (cmd: string, { type, verb, id, payload }: Order): Command => ({
    type,
    verb,
    id,
    cmd,
    payload,
    sentAt: EPOCH + Math.floor(world.time()),
    who: 'people/somebody',
  })
  const publish = async (entry: Asked): Promise<void> => {
    const command = commandOf(entry.cmd, entry.order)
    for (;;) {
      try {
        await wire.ask(self, () => server.commands.publish(command))
        break
      } catch (error) {
        if (!(error instanceof Unanswered)) throw error
      }
    }
    entry.stored = true
    if (faults.strikes('command doubled', 0.05))
      world.after(random.between(0, 20_000), () => server.commands.publish(command, true))
  }
  const call = async (entry: Asked): Promise<void> => {
    entry.called = true
    const responder = random.any([...(server.responders.get(entry.order.type) ?? [])])
    const outcome = await new Promise<Outcome | undefined>((resolve) => {
      self.later(CALL_MS, () => resolve(undefined))
      responder?.(commandOf(entry.cmd, entry.order), (answered) => wire.tell(self, () => resolve(answered)))
    })
    if (outcome) entry.outcome = outcome
    // Nobody knows what became of it: the same command again, in the way that is not lost.
    else if (random.happens(0.7)) await publish(entry)
  }
  const give = (order: Order): void => {
    const entry: Asked = { cmd: `cmd-${asked.length + 1}`, order }
    asked.push(entry)
    void (random.happens(0.25) ? call(entry) : publish(entry))
  }
  const goOn = (): void => {
    if (faults.isPeace()) return
    const stuck = random.any([...parked])
    const isDecided = stuck !== undefined && random.happens(0.2)
    give(isDecided ? decisionOn(stuck, random) : play.order(random, asked.length))
    self.later(random.between(10, 260), goOn)
  }
  self.later(random.between(50, 500), goOn)
  return { asked, give }
}
