import { type Clock, pause } from './clock.ts'
import { failureOf } from './effects.ts'
import type { Open } from './fold.ts'
import type { Log } from './ground.ts'
import type { Inbox, Message } from './inbox.ts'
import { type Address, addressOf, type JournaledEvent } from './types.ts'

const SEND_AGAIN_MS = 500

/**
 * Sends an actor's messages, each stored before the next is sent: they arrive in the order in which they were decided.
 * @param onStored told the intent's key; until then the message is owed
 */
export const createSender = (
  inbox: Inbox,
  clock: Clock,
  log: Log,
  self: Address,
  signal: AbortSignal,
  onStored: (key: string) => void,
): ((intent: Open) => void) => {
  let queue: Promise<void> = Promise.resolve()
  const deliver = async (intent: Open): Promise<void> => {
    while (!signal.aborted) {
      try {
        await inbox.send(messageOf(self, intent))
        return onStored(intent.key)
      } catch (error) {
        log.warn({ actor: addressOf(self), key: intent.key, err: failureOf(error) }, 'message not stored yet, trying again')
        await pause(clock, SEND_AGAIN_MS, signal)
      }
    }
  }
  return (intent) => {
    queue = queue.then(() => deliver(intent))
  }
}

const messageOf = (self: Address, { kind, key, to, ref, input, corr, trace }: Open): Message => {
  const common = { to: to as Address, key, corr, trace }
  if (kind === 'spawn') return { ...common, verb: '$Spawn', payload: { input, parent: { ...self, ref } } }
  if (kind === 'stop') return { ...common, verb: '$Stop', payload: {} }
  const event = input as JournaledEvent
  return { ...common, verb: event.type.startsWith('xstate.') ? '$Child' : '$Send', payload: { event } }
}
