import type { Command } from '../../src/runtime/inbox.ts'
import type { Faults } from './faults.ts'
import type { Schedule } from './schedule.ts'

/** A message with an id that was stored so long ago is stored again. */
const DUPLICATE_WINDOW_MS = 120_000
/** What was not acknowledged for so long is delivered again. */
const ACK_WAIT_MS = 30_000

type StoredCommand = { readonly seq: number; readonly command: Command; acked: boolean }
type Consumer = { readonly deliver: (stored: StoredCommand, ack: () => void) => void; readonly lost: () => void }

/** The stream COMMANDS: a work queue with one consumer per actor type. */
export type Commands = {
  /** @param again stored although one with its id is known, as after the window of duplicates */
  readonly publish: (command: Command, again?: boolean) => void
  /** Makes the type's consumer anew: from the first command that was not acknowledged, in order. The old one is lost. */
  readonly consume: (type: string, consumer: Consumer) => () => void
  readonly waiting: () => readonly StoredCommand[]
  /** Every command that was ever stored. */
  readonly all: readonly StoredCommand[]
  readonly has: (cmd: string) => boolean
}

export const commands = (world: Schedule, faults: Faults): Commands => {
  const all: StoredCommand[] = []
  const seen = new Map<string, number>()
  const waiting = new Map<number, StoredCommand>()
  const consumers = new Map<string, Consumer>()

  const hand = (consumer: Consumer, stored: StoredCommand): void => {
    const { type } = stored.command
    const isCurrent = (): boolean => consumers.get(type) === consumer
    const again = world.after(ACK_WAIT_MS, () => isCurrent() && !stored.acked && hand(consumer, stored))
    consumer.deliver(stored, () => {
      // An acknowledgement to a consumer that is no more is none.
      if (!isCurrent() || faults.strikes('acknowledgement lost', 0.01)) return
      stored.acked = true
      waiting.delete(stored.seq)
      again()
    })
  }
  return {
    all,
    has: (cmd) => seen.has(cmd),
    waiting: () => [...waiting.values()],
    publish: (command, again = false) => {
      const before = seen.get(command.cmd)
      if (!again && before !== undefined && world.time() - before < DUPLICATE_WINDOW_MS) return
      seen.set(command.cmd, world.time())
      const stored = { seq: all.length + 1, command, acked: false }
      all.push(stored)
      waiting.set(stored.seq, stored)
      const consumer = consumers.get(command.type)
      if (consumer) hand(consumer, stored)
    },
    consume: (type, consumer) => {
      consumers.get(type)?.lost()
      consumers.set(type, consumer)
      for (const stored of waiting.values()) if (stored.command.type === type) hand(consumer, stored)
      return () => consumers.get(type) === consumer && consumers.delete(type)
    },
  }
}
