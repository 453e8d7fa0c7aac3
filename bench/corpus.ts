import { randomBytes, randomInt, randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { untoken } from '../src/events/subjects.ts'
import type { Address, Commit } from '../src/runtime/types.ts'

/** A recorded run of the shipped machines: lines {seq, subject, record}. */
const RECORDED = new URL('../test/corpus/cluster-v1.jsonl', import.meta.url)

export type Replica = { readonly subject: string; readonly actor: Address; readonly commit: Commit }

const UUID = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}'
const CHOSEN = new RegExp(
  [
    UUID,
    '_INBOX\\.[A-Z0-9]{22}\\.[A-Z0-9]{22}',
    '\\b1[0-9]{12}\\b', // epoch ms
    '\\bapp-\\d{4}-[a-z0-9]+-[a-z0-9]{5}\\b', // pods
    '\\bopenb-node-\\d{4}\\b',
    '(?<=\\.)[0-9a-f]{8}(?=")', // activations
    '\\b[0-9a-f]{16,64}\\b', // hashes
  ].join('|'),
  'g',
)
const CAPITALS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'
const SUFFIXES = 'bcdfghjklmnpqrstvwxz2456789'
const random = (letters: string, length: number): string =>
  Array.from({ length }, () => letters[randomInt(letters.length)]).join('')
const four = (below: number): string => `${randomInt(below)}`.padStart(4, '0')

/** What chance or a cluster would have put there instead. Kubernetes' own ids are as random as they can be. */
const chosenAnew = (word: string, shiftMs: number): string => {
  if (word.startsWith('_INBOX')) return `_INBOX.${random(CAPITALS, 22)}.${random(CAPITALS, 22)}`
  if (word.startsWith('app-')) return `app-${four(60)}-${random(SUFFIXES, 10)}-${random(SUFFIXES, 5)}`
  if (word.startsWith('openb-')) return `openb-node-${four(1_523)}`
  if (word.length !== 36) return randomBytes(32).toString('hex').slice(0, word.length)
  if (word[14] !== '7') return randomUUID()
  const time = (Number.parseInt(word.replace('-', '').slice(0, 12), 16) + shiftMs).toString(16).padStart(12, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}-7${randomUUID().slice(15)}`
}

/** Where a run of the corpus ends in time and the next begins, ms. */
const RUN_MS = 40_000

/**
 * The recorded run so many times over, each time with other ids, names and times: identical copies would compress to
 * nothing and prove nothing.
 */
export const replicas = function* (times: number): Generator<Replica> {
  const lines = readFileSync(RECORDED, 'utf8').trim().split('\n')
  for (let run = 0; run < times; run++) {
    const known = new Map<string, string>()
    const anew = (word: string): string => {
      if (/^1[0-9]{12}$/.test(word)) return `${Number(word) + run * RUN_MS}`
      const chosen = known.get(word) ?? chosenAnew(word, run * RUN_MS)
      known.set(word, chosen)
      return chosen
    }
    for (const line of lines) if (!line.includes('"refused":')) yield replica(line.replace(CHOSEN, anew), run)
  }
}

const replica = (line: string, run: number): Replica => {
  const { subject, record } = JSON.parse(line) as { readonly subject: string; readonly record: Commit }
  const [, , , type = '', token = ''] = subject.split('.')
  const id = untoken(token)
  // Recorded with a UUID; now it counts the activation's commits, of which there are no more than the actor has.
  const commit = { ...record, nonce: record.n.toString(36) }
  return new RegExp(`^${UUID}`).test(id)
    ? { subject, actor: { type, id }, commit }
    : { subject: `${subject}-${run}`, actor: { type, id: `${id}-${run}` }, commit }
}
