import { headers } from 'nats'
import { publisher } from '../src/adapters/jetstream/publish.ts'
import { type Book, book } from '../src/runtime/fold.ts'
import type { Journal } from '../src/runtime/journal.ts'
import { recover } from '../src/runtime/recover.ts'
import { addressOf, type Commit } from '../src/runtime/types.ts'
import { type Bed, born, CLUSTER, command, onFreshServer, perSecond } from './bed.ts'
import { type Figure, figure, median, percentages } from './figures.ts'
import { recovered, residents, written } from './hosts.ts'

const ROUNDS = 5
/** Rounds of each that are not counted: V8 compiles meanwhile. */
const WARM_UP = 5
const ANSWER_MS = 10_000

/** Publishes one after the other on one subject, each expecting the one before, as whoever uses the client would. */
const rawPerSecond = async ({ js }: Bed, subject: string, payload: Uint8Array, count: number): Promise<number> => {
  const startedAt = performance.now()
  let seq = 0
  for (let index = 0; index < count; index++)
    seq = (await js.publish(subject, payload, { expect: { lastSubjectSequence: seq } })).seq
  return perSecond(count, startedAt)
}
/** The same by our own publisher: what an actor could reach if it cost nothing. */
const barePerSecond = async ({ nc }: Bed, subject: string, payload: Uint8Array, count: number): Promise<number> => {
  const publish = publisher(nc, ANSWER_MS)
  const startedAt = performance.now()
  let seq = 0
  for (let index = 0; index < count; index++) {
    const fence = headers()
    fence.append('Nats-Expected-Last-Subject-Sequence', `${seq}`)
    seq = (await publish(subject, payload, fence)).seq
  }
  return perSecond(count, startedAt)
}

/** One actor beside raw publishes of the same bytes, in turns, so that all see the same machine. */
const sequential = async (bed: Bed, steps: number, note: string, goal: boolean): Promise<readonly Figure[]> => {
  const [raw, bare, journaled]: [number[], number[], number[]] = [[], [], []]
  const actor = await born(bed.journal, 'single')
  let bytes = 0
  for (let round = 0, n = 1; round < ROUNDS + WARM_UP; round++) {
    const startedAt = performance.now()
    for (let end = n + steps; n < end; n++) await actor.receive(command('single', n))
    journaled.push(perSecond(steps, startedAt))
    const payload = Buffer.from(JSON.stringify((await bed.journal.last(actor.self))?.commit))
    bytes = payload.length
    raw.push(await rawPerSecond(bed, `qm.${CLUSTER}.journal.raw.r${round}`, payload, steps))
    bare.push(await barePerSecond(bed, `qm.${CLUSTER}.journal.bare.r${round}`, payload, steps))
  }
  for (const rates of [raw, bare, journaled]) rates.splice(0, WARM_UP)
  return [
    figure(`raw sequential JetStream publishes, ${note}`, median(raw), '/s'),
    figure(`the same by our publisher, ${note}`, median(bare), '/s'),
    figure(`journaled transitions, one actor, ${note}`, median(journaled), '/s'),
    figure(`journaled to raw, ${note}`, median(percentages(journaled, raw)), '%', goal ? { atLeast: 70 } : undefined),
    figure(`bytes of a commit, ${note}`, bytes, 'B'),
  ]
}

const ACTORS = 200
const STEPS = 100

const parallel = async ({ journal, nc }: Bed): Promise<readonly Figure[]> => {
  const rates: number[] = []
  const bare: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const actors = await Promise.all(Array.from({ length: ACTORS }, (_, index) => born(journal, `many-${round}-${index}`)))
    const startedAt = performance.now()
    await Promise.all(
      actors.map(async (actor) => {
        for (let n = 1; n <= STEPS; n++) await actor.receive(command(actor.self.id, n))
      }),
    )
    rates.push(perSecond(ACTORS * STEPS, startedAt))
    const publish = publisher(nc, ANSWER_MS)
    const payload = Buffer.from(JSON.stringify((await journal.last({ type: 'counter', id: `many-${round}-0` }))?.commit))
    const bareAt = performance.now()
    await Promise.all(
      actors.map(async (_, index) => {
        for (let n = 1, seq = 0; n <= STEPS; n++) {
          const fence = headers()
          fence.append('Nats-Expected-Last-Subject-Sequence', `${seq}`)
          seq = (await publish(`qm.${CLUSTER}.journal.raw.m${round}-${index}`, payload, fence)).seq
        }
      }),
    )
    bare.push(perSecond(ACTORS * STEPS, bareAt))
  }
  return [
    figure(`the bare publishes of ${ACTORS} actors`, median(bare), '/s'),
    figure(`journaled transitions, ${ACTORS} actors`, median(rates), '/s', { atLeast: 15_000 }),
  ]
}

/** Actors of ten commits. */
const FOLDED = 10_000

/** The fold beside reading and parsing the same stream, in turns. */
const recovery = async ({ journal }: Bed): Promise<readonly Figure[]> => {
  await written(journal, FOLDED)
  const read: number[] = []
  const folded: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    let count = 0
    const readAt = performance.now()
    await journal.readAll(0, () => {
      count++
    })
    read.push(perSecond(count, readAt))
    const foldAt = performance.now()
    await recover(journal, ['counter']).read('counter')
    folded.push(perSecond(count, foldAt))
  }
  return [
    figure('journal read and parsed', median(read), '/s'),
    figure('journal read, parsed and folded', median(folded), '/s', { atLeast: 150_000 }),
    figure('folded to read', median(percentages(folded, read)), '%', { atLeast: 85 }),
    ...(await alone(journal)),
  ]
}

/** What parsing and folding cost without the journal: what no way of reading can get below. */
const alone = async (journal: Journal): Promise<readonly Figure[]> => {
  const commits: { readonly seq: number; readonly id: string; readonly commit: Commit }[] = []
  await journal.readAll(0, ({ seq, type, id, record }) => {
    if (type === 'counter' && id !== undefined && 'n' in record) commits.push({ seq, id, commit: record })
  })
  const texts = commits.map(({ commit }) => Buffer.from(JSON.stringify(commit)))
  const parsedAt = performance.now()
  for (const text of texts) JSON.parse(text.toString())
  const parsed = perSecond(texts.length, parsedAt)
  const books = new Map<string, Book>()
  const foldedAt = performance.now()
  for (const { seq, id, commit } of commits) {
    const self = { type: 'counter', id }
    const address = addressOf(self)
    books.set(address, book(books.get(address), self, commit, seq))
  }
  return [
    figure('JSON.parse alone, the same commits in memory', parsed, '/s'),
    figure('fold alone, in memory', perSecond(commits.length, foldedAt), '/s'),
  ]
}

/** The runtime's figures, each on a nats-server and a store of its own. */
export const run = async (): Promise<readonly Figure[]> => [
  ...(await onFreshServer(async (bed) => [...(await sequential(bed, 2_000, 'default sync', true)), ...(await parallel(bed))])),
  ...(await onFreshServer((bed) => sequential(bed, 200, 'sync_interval always', false), { syncAlways: true })),
  ...(await onFreshServer(recovery)),
  ...(await onFreshServer(recovered)),
  ...(await onFreshServer(residents)),
]
