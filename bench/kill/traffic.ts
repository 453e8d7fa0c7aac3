import { randomUUIDv7 } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { headers, type JetStreamClient, type NatsConnection } from 'nats'
import { subjects } from '../../src/events/subjects.ts'

export type Traffic = {
  /** Ids of commands that COMMANDS has acknowledged, or that were answered after their commit. */
  readonly acknowledged: ReadonlySet<string>
  readonly counts: () => {
    readonly published: number
    readonly called: number
    readonly answered: number
    readonly repeated: number
  }
  /** Stops, and leaves the cluster automating with the brake released. */
  readonly stop: () => Promise<void>
}

type Command = { readonly type: string; readonly verb: string; readonly payload: object | string }

const order = (verb: string, payload: object): Command => ({ type: 'controller', verb, payload })
const govern = (verb: string, payload: object = {}): Command => ({ type: 'cluster', verb, payload })
/** What is refused, and has to be refused once each time. */
const malformed: readonly Command[] = [
  govern('Explode'),
  govern('Hold', { policy: 'sometimes' }),
  { type: 'evictor', verb: 'Plan', payload: 'no json' },
  { type: 'scanner', verb: 'Scan', payload: {} },
]

const PAUSE_MS = 150
/** Drains that may still be cancelled, or whose nodes are to be given back. */
const REMEMBERED = 20
/** How probable it is that the next command releases the brake. */
const SOON = 0.4

/** Commands published and called all the time, whether somebody is there to hear them or not. */
export const startTraffic = (
  nc: NatsConnection,
  js: JetStreamClient,
  cluster: string,
  random: () => number,
  nodes: () => readonly string[],
): Traffic => {
  const acknowledged = new Set<string>()
  const calls = new Set<Promise<void>>()
  const drains: { readonly id: string; readonly nodeName: string }[] = []
  const ended = new AbortController()
  let [count, called, answered, repeated] = [0, 0, 0, 0]
  let isHeld = false

  const pick = <T>(items: readonly T[]): T | undefined => items[Math.floor(random() * items.length)]
  const drain = (): Command => {
    const [id, nodeName] = [randomUUIDv7(), pick(nodes()) ?? 'none']
    drains.push({ id, nodeName })
    drains.splice(0, drains.length - REMEMBERED)
    return order('DrainNode', { id, nodeName, drainTimeoutSeconds: 20, force: random() < 0.3 })
  }
  const cancelled = (): Command => order('CancelAction', { id: drains.at(-1 - Math.floor(random() * 4))?.id ?? 'none' })
  /** Gives a node back whose drain was asked for some time ago. */
  const uncordon = (): Command => {
    const { id: action, nodeName } = drains[0] ?? { id: 'none', nodeName: 'none' }
    return order('UncordonNode', { id: randomUUIDv7(), nodeName, action })
  }
  const next = (): Command => {
    if (isHeld && random() < SOON) {
      isHeld = false
      return govern('Release')
    }
    const chance = random()
    if (chance < 0.35) return drain()
    if (chance < 0.6) return uncordon()
    if (chance < 0.65) return order('DeleteNode', { id: randomUUIDv7(), nodeName: pick(nodes()) ?? 'none' })
    if (chance < 0.7) return { type: 'evictor', verb: 'Plan', payload: {} }
    if (chance < 0.72) return cancelled()
    if (chance < 0.724) {
      isHeld = true
      return govern('Hold', { policy: random() < 0.5 ? 'rollback' : 'finish', reason: 'bench' })
    }
    if (chance < 0.727) return govern('Demote')
    // Until it is believed: it is refused while the cluster still leaves the phase.
    if (chance < 0.95) return govern('Promote')
    return pick(malformed) as Command
  }

  const idNext = (): string => `load-${++count}`
  const encoded = ({ payload }: Command): string => (typeof payload === 'string' ? payload : JSON.stringify(payload))
  const publish = async (command: Command): Promise<void> => {
    const msgID = idNext()
    const subject = subjects(cluster).command(command.type, command.verb)
    await js.publish(subject, encoded(command), { msgID })
    acknowledged.add(msgID)
    if (random() >= 0.05) return
    repeated++
    await js.publish(subject, encoded(command), { msgID })
  }
  /** Nobody there, or killed before the answer: then it may have been decided or not, but not twice. */
  const call = async (command: Command): Promise<void> => {
    const id = idNext()
    const hdrs = headers()
    hdrs.set('Nats-Msg-Id', id)
    called++
    const subject = subjects(cluster).call(command.type, command.verb)
    const answer = await nc.request(subject, encoded(command), { timeout: 5_000, headers: hdrs }).catch(() => undefined)
    const outcome = answer?.json<{ ok: boolean; why?: string }>()
    if (!outcome || outcome.why === 'fenced') return
    answered++
    acknowledged.add(id)
  }
  const background = (work: Promise<void>): void => {
    calls.add(work)
    void work.finally(() => calls.delete(work))
  }

  const run = async (): Promise<void> => {
    await publish(govern('Promote'))
    while (!ended.signal.aborted) {
      if (random() < 0.2) background(call(next()))
      else await publish(next())
      await sleep(PAUSE_MS * 2 * random())
    }
    await Promise.all(calls)
    await publish(govern('Release'))
  }
  const running = run()
  return {
    acknowledged,
    counts: () => ({ published: count - called, called, answered, repeated }),
    stop: async () => {
      ended.abort()
      await running
    },
  }
}
