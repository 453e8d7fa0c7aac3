import { type JetStreamClient, type JetStreamManager, JSONCodec, type ServiceMsg } from 'nats'
import { z } from 'zod'
import type { KindState, Kinds } from '../../actors/agent.ts'
import { brakeOf, phaseOf } from '../../actors/cluster.ts'
import type { ClusterIdentity } from '../../events/provider.ts'
import { subjects } from '../../events/subjects.ts'
import { stated } from '../../runtime/drafts.ts'
import type { Host } from '../../runtime/host.ts'
import { type AuditSource, auditPage } from './audit-trail.ts'
import { departures, factsAbout } from './history.ts'
import type { PlannerThread } from './planner.ts'

/** Which cluster it is, and what may be done to it. */
export type Place = {
  readonly cluster: string
  /** The kubeconfig's context by which it is reached; `simulated` without one. */
  readonly context: string
  /** `read-only`: nothing is changed in the cluster, and Promote is refused. */
  readonly access: 'read-only' | 'read-write'
}

export type Status = Place & {
  readonly phase: string
  readonly security: 'on' | 'off'
  readonly brake: string
  readonly nodes: number
  readonly pods: number
  readonly hourlyCost: { readonly now: number; readonly planned: number | null; readonly bound: number | null }
  readonly actors: readonly { readonly type: string; readonly id: string; readonly state: string }[]
  /** How the reading of each kind goes: its version and count, or why it can't be read. */
  readonly kinds: readonly KindStatus[]
  readonly missingPowers: readonly { readonly actor: string; readonly power: string }[]
  /** Whose cluster it is; null until that was read. */
  readonly identity: ClusterIdentity | null
  /** Why there is no plan yet, if there is none. */
  readonly waitingFor?: string
}

type KindStatus = KindState & { readonly name: string }

/** An effect that failed for good; `key` names it for a retry. */
export type ParkedEffect = { readonly key: string; readonly effect: string; readonly state: string; readonly error: string }

type Asked = AuditSource & {
  readonly js: JetStreamClient
  readonly jsm: JetStreamManager
  readonly place: Place
  readonly host: Host
  readonly planner: PlannerThread
  /** Further questions, by what they ask. */
  readonly more?: Readonly<Record<string, (question: unknown) => Promise<unknown>>>
}

/** As NATS lists it among its services; its metadata say which cluster's it is. */
export const ASK_SERVICE = { name: 'quartermaster-ask', version: '1.0.0' }

const json = JSONCodec<unknown>()
const About = z.object({ kind: z.enum(['node', 'pod', 'action']), name: z.string().min(1) })

/** The system's state in one answer. */
export const statusOf = async (place: Place, host: Host, planner: PlannerThread): Promise<Status> => {
  const figures = await planner.figures()
  const actors = host.actors()
  const governor = actors.find(({ self }) => self.type === 'cluster')?.book()?.state
  const { missing = [] } = (governor?.context ?? {}) as { missing?: Status['missingPowers'] }
  return {
    ...place,
    phase: phaseOf(governor?.value ?? {}),
    security: (governor?.value as { security?: unknown } | undefined)?.security === 'off' ? 'off' : 'on',
    brake: governor ? brakeOf(governor.value) : 'released',
    nodes: figures.nodes,
    pods: figures.pods,
    hourlyCost: { now: figures.hourlyCost, planned: figures.planned ?? null, bound: figures.bound ?? null },
    actors: [...actors.map(({ self, book }) => ({ ...self, state: stated(book()?.state.value) })), ...quarantinedIn(host)],
    kinds: kindsIn(host),
    missingPowers: missing,
    identity: identityIn(host),
    ...(figures.waitingFor !== undefined && { waitingFor: figures.waitingFor }),
  }
}

type Agent = { readonly identity?: ClusterIdentity; readonly kinds?: Kinds }
const agentIn = (host: Host): Agent | undefined => {
  const agent = host.actors().find(({ self }) => self.type === 'agent')
  return agent?.book()?.state.context as Agent | undefined
}
const identityIn = (host: Host): ClusterIdentity | null => agentIn(host)?.identity ?? null
const kindsIn = (host: Host): readonly KindStatus[] =>
  Object.entries(agentIn(host)?.kinds ?? {}).map(([name, kind]) => ({ name, ...kind }))

const quarantinedIn = (host: Host): Status['actors'] =>
  [...host.quarantined()].map(([name, reason]) => {
    const [type = '', ...id] = name.split('/')
    return { type, id: id.join('/'), state: `quarantined: ${reason}` }
  })

const parkedIn = (host: Host): readonly ParkedEffect[] =>
  host.actors().flatMap(({ book }) => {
    const { open = new Map(), state } = book() ?? {}
    return [...open.values()].flatMap(({ key, name, parked }) =>
      parked === undefined ? [] : [{ key, effect: name, state: stated(state?.value), error: parked }],
    )
  })

/** Answers `qm.<c>.ask.state`, `qm.<c>.ask.why` and `qm.<c>.ask.audit`, discoverable as a NATS service. */
export const serveAsks = async (asked: Asked): Promise<{ stop(): Promise<void> }> => {
  const { nc, js, jsm, cluster, place, host, planner } = asked
  const why = async (question: unknown): Promise<unknown> => {
    const about = About.parse(question)
    const facts = await factsAbout(js, jsm, cluster, about)
    return {
      about,
      facts,
      departures: await departures(js, jsm, cluster, facts),
      // Of an action no plan says anything: it was ordered.
      plan: about.kind === 'action' ? null : ((await planner.planned(about.kind, about.name)) ?? null),
    }
  }
  const service = await nc.services.add({ ...ASK_SERVICE, queue: 'ask', metadata: { ...place } })
  const endpoint = (what: string, answer: (question: unknown) => Promise<unknown>): void => {
    const handler = (error: Error | null, message: ServiceMsg): void => {
      if (!error) void reply(message, answer)
    }
    service.addEndpoint(what, { subject: subjects(cluster).ask(what), handler })
  }
  endpoint('state', () => statusOf(place, host, planner))
  endpoint('why', why)
  endpoint('audit', (question) => auditPage(asked, question))
  endpoint('parked', async () => parkedIn(host))
  for (const [what, answer] of Object.entries(asked.more ?? {})) endpoint(what, answer)
  await nc.flush() // whoever is told that we serve may ask at once
  return { stop: async () => void (await service.stop()) }
}

const reply = async (message: ServiceMsg, answer: (question: unknown) => Promise<unknown>): Promise<void> => {
  try {
    const question = message.data.length > 0 ? json.decode(message.data) : {}
    message.respond(json.encode((await answer(question)) ?? null))
  } catch (error) {
    message.respondError(400, (error as Error).message)
  }
}
