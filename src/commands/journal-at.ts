import { styleText } from 'node:util'
import { z } from 'zod'
import { stated } from '../runtime/drafts.ts'
import { ask, type Session, UserError } from './session.ts'
import { printable, table } from './table.ts'
import type { KindsPage, NodesPage, ObjectsPage } from './up/cluster-then.ts'
import type { NodeThen } from './up/nodes-then.ts'
import type { Standing, StandingPage } from './up/replays.ts'

export type AtOptions = {
  readonly cluster?: string
  readonly format: 'text' | 'json'
  readonly kind?: readonly string[]
  readonly namespace?: string
}

/** A large cluster of hours after its key frame is read in seconds. */
const ASK_MS = 60_000
const NODES = 40

/** Pages of an answer, each asked for when the one before was used. */
const pages = async function* <T extends { readonly next?: unknown }>(
  session: Session,
  what: string,
  question: object,
): AsyncGenerator<T> {
  for (let after: unknown; ; ) {
    const answer = (await ask(session, what, after === undefined ? question : { ...question, after }, ASK_MS)) as T
    yield answer
    if (answer.next === undefined) return
    after = answer.next
  }
}

/**
 * `journal at`: the actors that lived at a time (epoch ms) and the cluster as it was, or its objects of some kinds. Exit
 * code 1: neither is there.
 * @throws UserError when objects are asked for and nothing of that time is kept
 */
export const at = async (session: Session, time: number, { format, kind, namespace }: AtOptions): Promise<void> => {
  const isAll = kind === undefined && namespace === undefined
  const standing = isAll ? await standingAt(session, time) : []
  const kinds = await kindsAt(session, time)
  if (kinds instanceof UserError && !isAll) throw kinds
  const wanted = { ...(kind && { kinds: kind }), ...(namespace !== undefined && { namespace }), objects: true }
  if (kinds instanceof UserError) printMissing(format, time, standing, kinds)
  else if (format === 'json') await printList(session, time, isAll ? standing : undefined, kinds, wanted)
  else if (isAll) await printCluster(session, time, standing, kinds)
  else await printObjects(session, time, kinds, wanted)
  process.exitCode = standing.length === 0 && kinds instanceof UserError ? 1 : 0
}

const standingAt = async (session: Session, time: number): Promise<readonly Standing[]> => {
  const standing: Standing[] = []
  for await (const { actors } of pages<StandingPage>(session, 'journal', { at: time })) standing.push(...actors)
  return standing
}

const kindsAt = async (session: Session, time: number): Promise<KindsPage | UserError> => {
  try {
    return (await ask(session, 'at', { at: time }, ASK_MS)) as KindsPage
  } catch (error) {
    if (error instanceof UserError) return error
    throw error
  }
}

/** What is not recorded to its end yet grows: pages are asked for up to where it is, so that they fit together. */
const timeOf = (time: number, { until, frameAt }: KindsPage): number => (until >= frameAt ? until : time)

const iso = (time: number): string => new Date(time).toISOString()

const printMissing = (format: AtOptions['format'], time: number, standing: readonly Standing[], { message }: UserError): void => {
  if (format === 'json') process.stdout.write(`${JSON.stringify({ actors: standing, missing: message })}\n`)
  else process.stdout.write(`${standingText(time, standing)}\n`)
  process.stderr.write(`quartermaster: ${printable(message)}\n`)
}

/** A List as kubectl prints it, which `plan --snapshot` takes: written as it comes, because it may be large. */
const printList = async (
  session: Session,
  time: number,
  standing: readonly Standing[] | undefined,
  then: KindsPage,
  wanted: object,
): Promise<void> => {
  const head = { kind: 'List', apiVersion: 'v1', ...(standing && { actors: standing }), history: then }
  process.stdout.write(`${JSON.stringify(head).slice(0, -1)},"items":[`)
  let isFirst = true
  for await (const { items } of pages<ObjectsPage>(session, 'at', { ...wanted, at: timeOf(time, then) })) {
    if (items.length === 0) continue
    const lines = items.map((item) => JSON.stringify(item)).join(',\n')
    process.stdout.write(isFirst ? `\n${lines}` : `,\n${lines}`)
    isFirst = false
  }
  process.stdout.write('\n]}\n')
  for (const line of doubts(then.kinds)) process.stderr.write(`${line}\n`)
}

const printCluster = async (session: Session, time: number, standing: readonly Standing[], then: KindsPage): Promise<void> => {
  process.stdout.write(`${standingText(time, standing)}\n${kindsText(time, then)}`)
  const nodes: NodeThen[] = []
  for await (const answer of pages<NodesPage>(session, 'at', { at: timeOf(time, then), nodes: true })) nodes.push(...answer.nodes)
  if (nodes.length > 0) process.stdout.write(`\n${nodesText(nodes)}`)
}

const heading = (...titles: readonly string[]): readonly string[] => titles.map((title) => styleText('bold', title))

const standingText = (time: number, standing: readonly Standing[]): string =>
  standing.length === 0
    ? `No actor lived at ${iso(time)}.\n`
    : table([
        heading('ACTOR', 'COMMIT', 'SINCE', 'STATE'),
        ...standing.map(({ actor, n, value, since }) => [printable(actor), n, iso(since), printable(stated(value))]),
      ])

/** Every kind of then, how old the news of it were, and whether the picture is whole. */
const kindsText = (time: number, { until, frameAt, kinds }: KindsPage): string => {
  const recorded = until > 0 ? `as far as it is recorded: until ${iso(until)}` : 'of which nothing is recorded yet'
  const upTo = until < time ? `, ${recorded}` : ''
  const there = kinds.filter(({ count, said }) => count > 0 || said === undefined || said.state !== 'unavailable')
  const rows = there.map(({ kind, count, said, agrees }) => [
    printable(kind),
    count,
    said && said.observedAt > 0 ? iso(said.observedAt) : 'never',
    said?.state ?? '',
    agrees ? 'whole' : styleText('yellow', said ? `the agent had counted ${said.count}` : 'not counted by the agent'),
  ])
  const title = `${styleText('bold', 'Cluster')} at ${iso(time)}${upTo} (from the key frame of ${iso(frameAt)})`
  const missing = kinds.length - there.length
  const more = missing > 0 ? `… and ${missing} more that could not be read then, or that nobody had installed\n` : ''
  return `${title}\n${table([heading('KIND', 'COUNT', 'LAST HEARD', 'STATE', 'PICTURE'), ...rows])}${more}`
}

const doubts = (kinds: KindsPage['kinds']): readonly string[] =>
  kinds
    .filter(({ agrees }) => !agrees)
    .map(({ kind, said }) => {
      const why = said ? `the agent had counted ${said.count} at ${iso(said.at)}` : 'the agent had not counted them yet'
      return `${printable(kind)}: the picture may not be whole: ${why}`
    })

const cores = (millicores: number): string => (millicores / 1000).toFixed(1)
const gib = (bytes: number): string => (bytes / 2 ** 30).toFixed(1)
const share = (part: number, whole: number): string => (whole > 0 ? `${Math.round((100 * part) / whole)} %` : '')

/** Nodes with their pods and what those ask for. */
const nodesText = (nodes: readonly NodeThen[]): string => {
  const rows = nodes
    .slice(0, NODES)
    .map(({ name, state, unschedulable, pods, requests, allocatable }) => [
      printable(name),
      unschedulable ? `${state}, cordoned` : state,
      pods,
      `${cores(requests.cpuMillicores)} of ${cores(allocatable.cpuMillicores)}`,
      share(requests.cpuMillicores, allocatable.cpuMillicores),
      `${gib(requests.memoryBytes)} of ${gib(allocatable.memoryBytes)}`,
      share(requests.memoryBytes, allocatable.memoryBytes),
    ])
  const more = nodes.length > NODES ? `… and ${nodes.length - NODES} more (--kind nodes lists all)\n` : ''
  return `${table([heading('NODE', 'STATE', 'PODS', 'CPU', '', 'MEMORY GiB', ''), ...rows])}${more}`
}

// What is printed of an object of any kind, whatever else it is.
const text = z.string().catch('')
const Listed = z.object({
  kind: text,
  metadata: z
    .object({ name: text, namespace: text, creationTimestamp: text })
    .catch({ name: '', namespace: '', creationTimestamp: '' }),
  spec: z.object({ nodeName: text }).catch({ nodeName: '' }),
  status: z.object({ phase: text }).catch({ phase: '' }),
})

const printObjects = async (session: Session, time: number, then: KindsPage, wanted: object): Promise<void> => {
  let isFirst = true
  for await (const { items } of pages<ObjectsPage>(session, 'at', { ...wanted, at: timeOf(time, then) })) {
    const rows = items.map((item) => {
      const { kind, metadata, spec, status } = Listed.parse(item)
      const { namespace, name, creationTimestamp } = metadata
      return [kind, namespace, name, creationTimestamp, status.phase, spec.nodeName].map(printable)
    })
    const head = isFirst ? [heading('KIND', 'NAMESPACE', 'NAME', 'CREATED', 'PHASE', 'NODE')] : []
    process.stdout.write(table([...head, ...rows]))
    isFirst = false
  }
  for (const line of doubts(then.kinds)) process.stderr.write(`${line}\n`)
}
