import type { Command, Delivery, Inbox, Message } from '../inbox.ts'
import type { Outcome } from '../types.ts'

export type MemoryInbox = Inbox & {
  /** A command as somebody outside would publish it. */
  readonly publish: (type: string, verb: string, payload: unknown, cmd?: string, id?: string) => void
  readonly call: (type: string, verb: string, payload: unknown, cmd?: string, id?: string) => Promise<Outcome>
  /** A synchronous command just as given. */
  readonly deliver: (command: Command) => Promise<Outcome>
  /** Commands not yet acknowledged: what another process would be given again. */
  readonly waiting: () => readonly Command[]
  readonly sent: Message[]
}

/**
 * Stored commands in memory: delivered in order, again to whoever consumes next if they were not acknowledged.
 * @param now epoch milliseconds at which a command is said to be sent
 */
export const memoryInbox = (now: () => number = Date.now): MemoryInbox => {
  const stored: { readonly command: Command; done: boolean }[] = []
  const ids = new Set<string>()
  const consumers = new Map<string, (delivery: Delivery) => void>()
  const servers = new Map<string, (command: Command) => Promise<Outcome>>()
  const sent: Message[] = []
  let sequence = 0
  const deliver = (item: (typeof stored)[number]): void =>
    consumers.get(item.command.type)?.({
      command: JSON.parse(JSON.stringify(item.command)) as Command,
      done: () => {
        item.done = true
      },
    })
  const add = (command: Command): void => {
    if (ids.has(command.cmd)) return
    ids.add(command.cmd)
    const item = { command, done: false }
    stored.push(item)
    deliver(item)
  }
  const commandOf = (type: string, verb: string, payload: unknown, cmd = `test/${++sequence}`, id?: string): Command => ({
    type,
    verb,
    id,
    cmd,
    payload,
    sentAt: now(),
  })
  const serve = (command: Command): Promise<Outcome> => {
    const answer = servers.get(command.type)
    if (!answer) throw new Error(`nobody serves ${command.type}`)
    return answer(command)
  }
  return {
    sent,
    waiting: () => stored.filter(({ done }) => !done).map(({ command }) => command),
    publish: (...args) => add(commandOf(...args)),
    call: (...args) => serve(commandOf(...args)),
    deliver: (command) => serve(command),
    send: async (message) => {
      await Promise.resolve()
      sent.push(message)
      add(commandIn(message, now()))
    },
    consume: (type, onDelivery, signal) => {
      consumers.set(type, onDelivery)
      for (const item of stored) if (!item.done && item.command.type === type) deliver(item)
      return aborted(signal, () => consumers.get(type) === onDelivery && consumers.delete(type))
    },
    serve: (type, onCall, signal) => {
      servers.set(type, onCall)
      return aborted(signal, () => servers.get(type) === onCall && servers.delete(type))
    },
  }
}

/** A message between actors as the command that its receiver gets. */
export const commandIn = ({ to, verb, key, payload, corr, trace }: Message, sentAt: number): Command => ({
  type: to.type,
  verb,
  id: to.id,
  cmd: key,
  payload,
  sentAt,
  cause: key,
  corr,
  ...(trace !== undefined && { trace }),
})

const aborted = (signal: AbortSignal, end: () => void): Promise<void> =>
  new Promise((resolve) => {
    const stop = (): void => {
      end()
      resolve()
    }
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
  })
