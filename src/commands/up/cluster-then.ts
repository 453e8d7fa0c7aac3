import type { JetStreamManager, NatsConnection } from 'nats'
import { z } from 'zod'
import type { HistoryRecorder } from '../../adapters/jetstream/objects-history.ts'
import { type KindThen, kindsThen } from '../../adapters/jetstream/objects-history-kinds.ts'
import { type Picture, type Place, pictureAt, type Seen } from '../../adapters/jetstream/objects-history-picture.ts'
import { untoken } from '../../events/subjects.ts'
import { type NodeThen, nodesThen } from './nodes-then.ts'
import { going, page } from './pages.ts'

type Asked = {
  readonly nc: NatsConnection
  readonly jsm: JetStreamManager
  readonly cluster: string
  readonly recorder?: HistoryRecorder | undefined
  /** Bytes of an answer, at most; a single object may be larger. */
  readonly pageBytes: number
}

const At = z.number().describe('epoch ms')
/**
 * What `qm.<c>.ask.at` is asked: how every kind was, how the nodes were, or the objects themselves. Answers come in pages:
 * ask again with `after` set to `next` until there is none. What is recorded to its end never changes.
 */
const Question = z.union([
  z.strictObject({ at: At }),
  z.strictObject({ at: At, nodes: z.literal(true), after: z.string().optional() }),
  z.strictObject({
    at: At,
    /** As Kubernetes writes them (`pods`, `deployments.apps`) or without the group; absent: all. */
    kinds: z.array(z.string()).min(1).optional(),
    namespace: z.string().optional(),
    objects: z.literal(true),
    after: z
      .string()
      .regex(/^(frame|changes)\/\d+\/\d+$/)
      .optional(),
  }),
])

/** `until`: what was asked for, or until when it is recorded, if that is earlier. `frameAt`: of the key frame it is made from. */
type Shown = { readonly until: number; readonly frameAt: number }
export type KindsPage = Shown & { readonly kinds: readonly KindThen[] }
export type NodesPage = Shown & { readonly nodes: readonly NodeThen[]; readonly next?: string }
export type ObjectsPage = Shown & { readonly items: readonly unknown[]; readonly next?: string }

type Then = { readonly picture: Picture; readonly kinds: Promise<readonly KindThen[]>; nodes?: Promise<readonly NodeThen[]> }

/** Pages of one picture follow each other: it is kept so long, and no more than so many. */
const KEPT_MS = 60_000
const KEPT = 2
/** What is so new may still wait to be written. */
const RECENT_MS = 120_000

/** Answers about the cluster as it was. They read HISTORY and decide nothing. */
export const clusterThen = ({ nc, jsm, cluster, recorder, pageBytes }: Asked) => {
  const then = remembered(async (at): Promise<Then> => {
    if (at > Date.now() - RECENT_MS) await recorder?.flush()
    const picture = await pictureAt(nc, jsm, cluster, at)
    const kinds = kindsThen(picture)
    kinds.catch(() => {}) // thrown to who asks
    return { picture, kinds }
  })
  return async (question: unknown): Promise<KindsPage | NodesPage | ObjectsPage> => {
    const { data: asked, error } = Question.safeParse(question)
    if (error) throw new Error(`no question about the cluster as it was: ${z.prettifyError(error)}`)
    const its = await then(asked.at)
    const { until, frameAt } = its.picture
    if ('nodes' in asked) {
      its.nodes ??= nodesThen(its.picture)
      const nodes = (await its.nodes).filter(({ name }) => asked.after === undefined || name > asked.after)
      const { items, next } = page(nodes, pageBytes, ({ name }) => name)
      return { until, frameAt, nodes: items, ...going(next) }
    }
    if (!('objects' in asked)) return { until, frameAt, kinds: await its.kinds }
    const wanted = await wantedOf(its, asked.kinds)
    return { until, frameAt, ...(await objectsPage(its.picture, wanted, asked, pageBytes)) }
  }
}

/** What was made lately, by time. */
const remembered = <T>(make: (at: number) => Promise<T>): ((at: number) => Promise<T>) => {
  const kept = new Map<number, Promise<T>>()
  return (at) => {
    const known = kept.get(at)
    if (known) return known
    const made = make(at)
    kept.set(at, made)
    for (const oldest of [...kept.keys()].slice(0, -KEPT)) kept.delete(oldest)
    const forget = (): void => {
      if (kept.get(at) === made) kept.delete(at)
    }
    setTimeout(forget, KEPT_MS).unref()
    made.catch(forget)
    return made
  }
}

/** @throws Error for a kind that was not there, with those that were */
const wantedOf = async ({ kinds }: Then, names: readonly string[] | undefined): Promise<(kind: string) => boolean> => {
  if (names === undefined) return () => true
  const there = (await kinds).map(({ kind }) => kind.replace(/^namespaces\/[^/]*\//, ''))
  const isNamed = (kind: string, name: string): boolean => kind === name || kind.split('.')[0] === name
  const unknown = names.find((name) => !there.some((kind) => isNamed(kind, name)))
  if (unknown !== undefined) throw new Error(`there was no kind "${unknown}" then; there were ${there.join(', ')}`)
  return (kind) => names.some((name) => isNamed(kind, name))
}

const objectsPage = async (
  { seen }: Picture,
  isWanted: (kind: string) => boolean,
  { namespace, after }: { readonly namespace?: string | undefined; readonly after?: string | undefined },
  pageBytes: number,
): Promise<Pick<ObjectsPage, 'items' | 'next'>> => {
  const items: unknown[] = []
  let used = 0
  let last: Place | undefined
  for await (const block of seen(after === undefined ? undefined : placeOf(after)))
    for (const { kind, version, place, isThen } of block) {
      if (!isThen || !isWanted(kind) || !isIn(version, namespace)) continue
      used += version.payload.length + 1
      if (used > pageBytes && last) return { items, next: `${last.of}/${last.seq}/${last.index}` }
      items.push(JSON.parse(Buffer.from(version.payload).toString()))
      last = place
    }
  return { items }
}

const placeOf = (text: string): Place => {
  const [of, seq, index] = text.split('/')
  return { of: of as Place['of'], seq: Number(seq), index: Number(index) }
}

/** An object, and in the namespace, if one is asked for. */
const isIn = ({ subject }: Seen['version'], namespace: string | undefined): boolean => {
  const [what, , , its = ''] = subject.split('.')
  return what === 'obj' && (namespace === undefined || (its !== '_' && untoken(its) === namespace))
}
