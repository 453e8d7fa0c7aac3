import { styleText } from 'node:util'
import type { Command } from 'commander'
import { JSONCodec } from 'nats'
import type { ClusterFact } from '../events/cluster.ts'
import { subjects } from '../events/subjects.ts'
import type { CloudEvent } from '../runtime/projector.ts'
import type { Outcome } from '../runtime/types.ts'
import { CLUSTER_OPTION, request, type Session, UserError, withSession } from './session.ts'
import { printable } from './table.ts'

type Order = {
  readonly name: string
  readonly verb: string
  readonly summary: string
  /** The fact that says that it has happened. */
  readonly until: (fact: ClusterFact) => boolean
  readonly done: string
}

const enters = (phase: string) => (fact: ClusterFact) => fact.type === 'cluster.PhaseEntered' && fact.phase === phase

const orders: readonly Order[] = [
  { name: 'connect', verb: 'Connect', summary: 'observe the cluster: read only', until: enters('observing'), done: 'Observing.' },
  {
    name: 'promote',
    verb: 'Promote',
    summary: 'start automation: nodes may be drained and removed',
    until: enters('automating'),
    done: 'Automating.',
  },
  {
    name: 'demote',
    verb: 'Demote',
    summary: 'back to observing; running actions are rolled back',
    until: enters('observing'),
    done: 'Observing again.',
  },
  {
    name: 'disconnect',
    verb: 'Disconnect',
    summary: 'stop every actor; running actions are rolled back',
    until: enters('disconnected'),
    done: 'Disconnected.',
  },
  {
    name: 'hold',
    verb: 'Hold',
    summary: 'the brake: nothing disruptive starts any more',
    until: ({ type }) => type === 'cluster.BrakeHeld',
    done: 'Held: nothing disruptive starts.',
  },
  {
    name: 'release',
    verb: 'Release',
    summary: 'let go of the brake',
    until: ({ type }) => type === 'cluster.BrakeReleased',
    done: 'Released.',
  },
]

type Given = { readonly format: string; readonly cluster?: string; readonly policy?: string; readonly reason?: string }

const WAIT_MS = 60_000
const json = JSONCodec<CloudEvent>()

/** Registers connect, promote, demote, disconnect, hold and release. */
export const phaseCommands = (program: Command): void => {
  for (const order of orders) {
    const command = program
      .command(order.name)
      .description(order.summary)
      .option('--format <format>', 'text or json', 'text')
      .option(...CLUSTER_OPTION)
      .addHelpText(
        'after',
        `\nExamples:\n  $ quartermaster ${order.name}\n  $ nats pub qm.demo.cmd.cluster.${order.verb} '{}'    # the same from any NATS client`,
      )
    if (order.name === 'hold')
      command
        .option('--policy <policy>', 'rollback: running actions give back what they took; finish: they go on', 'rollback')
        .option('--reason <text>', 'why, for everyone who reads the events')
    if (order.name === 'demote')
      command
        .option(
          '--policy <policy>',
          'rollback: running actions give back what they took; abandon: they end as they are',
          'rollback',
        )
        .option('--reason <text>', 'why, for everyone who reads the events')
    command.action(async ({ format, cluster, ...payload }: Given) => {
      const wanted = { orders: true, ...(cluster !== undefined && { cluster }) } as const
      process.exitCode = await withSession((session) => give(session, order, payload, format), wanted)
    })
  }
}

const give = async (session: Session, order: Order, payload: object, format: string): Promise<number> => {
  const { nc, cluster, context } = session
  const facts = nc.subscribe(`qm.${cluster}.evt.cluster.>`)
  const outcome = (await request(session, subjects(cluster).call('cluster', order.verb), payload)) as Outcome
  if (!outcome.ok) {
    say(
      format,
      { ok: false, cluster, context, why: outcome.why, detail: outcome.detail },
      `${styleText('yellow', 'Refused:')} ${printable(outcome.detail)}`,
    )
    return 1
  }
  const late = setTimeout(() => facts.unsubscribe(), WAIT_MS)
  for await (const { data } of facts) {
    const event = json.decode(data)
    const fact = { type: event.type.split('.').slice(1, 3).join('.'), ...event.data } as ClusterFact
    if (fact.type === 'cluster.PowerMissing') process.stderr.write(`Power missing: ${fact.actor} may not ${fact.power}\n`)
    if (!order.until(fact)) continue
    clearTimeout(late)
    say(format, { ok: true, cluster, context, fact }, `${styleText('green', order.done)}${details(fact)}`)
    return 0
  }
  throw new UserError(`${order.name} was accepted but had no effect within ${WAIT_MS / 1000} s: see "quartermaster status"`)
}

const details = (fact: ClusterFact): string =>
  fact.type === 'cluster.BrakeHeld' ? ` Processes: ${fact.processes}; requests still under way: ${fact.inFlight}.` : ''

const say = (format: string, value: unknown, text: string): void => {
  process.stdout.write(format === 'json' ? `${JSON.stringify(value)}\n` : `${text}\n`)
}
