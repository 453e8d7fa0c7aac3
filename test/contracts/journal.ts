import { describe, expect, test } from 'vitest'
import { Conflict, type Entry, type Journal, type Stored } from '../../src/runtime/journal.ts'
import type { Address, Commit } from '../../src/runtime/types.ts'

export const commitOf = (n: number, more: Partial<Commit> = {}): Commit => ({
  f: 1,
  n,
  mv: 1,
  sv: 1,
  own: 'test',
  nonce: `${n}-${Math.random()}`,
  ts: n,
  cmd: `cmd-${n}`,
  corr: 'corr',
  ev: { type: 'test.Event' },
  to: 'state',
  p: {},
  fx: [],
  done: [],
  tdel: [],
  tset: [],
  em: [],
  ...more,
})

/** Every record of the journal after a position. */
export const allOf = async (journal: Journal, after = 0): Promise<readonly Entry[]> => {
  const found: Entry[] = []
  await journal.readAll(after, (entry) => found.push(entry))
  return found
}
/** Every commit of an actor after a position. */
export const commitsOf = async (journal: Journal, actor: Address, after = 0): Promise<readonly Stored[]> => {
  const found: Stored[] = []
  await journal.read(actor, after, (stored) => found.push(stored))
  return found
}
const refusal = {
  f: 1 as const,
  refused: { type: 'worker', verb: 'Explode', reason: 'no such verb' },
  own: 'test',
  ts: 1,
  cmd: 'bad-1',
}

/** What every journal promises, the one in memory and the real one. */
export const journalContract = (name: string, open: () => Promise<Journal>): void => {
  describe(`journal, ${name}`, () => {
    test('keeps the commits of each actor apart and in order, whatever is in their ids', async () => {
      const journal = await open()
      const odd = { type: 'worker', id: 'a.b*>_= ü/1' }
      const plain = { type: 'worker', id: 'plain' }
      const first = await journal.append(odd, commitOf(1), 0)
      await journal.append(plain, commitOf(1), 0)
      await journal.append(odd, commitOf(2), first)
      expect((await commitsOf(journal, odd)).map(({ commit, actor }) => [actor.id, commit.n])).toEqual([
        [odd.id, 1],
        [odd.id, 2],
      ])
      expect((await journal.last(plain))?.commit.n).toBe(1)
      expect((await allOf(journal)).map(({ id, record }) => [id, 'n' in record && record.n])).toEqual([
        [odd.id, 1],
        ['plain', 1],
        [odd.id, 2],
      ])
    })

    test('refuses an append that expects another end than there is', async () => {
      const journal = await open()
      const actor = { type: 'worker', id: 'one' }
      const seq = await journal.append(actor, commitOf(1), 0)
      await expect(journal.append(actor, commitOf(2), 0)).rejects.toThrow(Conflict)
      await expect(journal.append(actor, commitOf(2), seq + 7)).rejects.toThrow(Conflict)
      await journal.append(actor, commitOf(2), seq)
      expect((await journal.last(actor))?.commit.n).toBe(2)
    })

    test('an actor that never was has no last commit and nothing to read', async () => {
      const journal = await open()
      expect(await journal.last({ type: 'worker', id: 'nobody' })).toBeUndefined()
      expect(await commitsOf(journal, { type: 'worker', id: 'nobody' })).toEqual([])
      expect(await allOf(journal)).toEqual([])
    })

    test('keeps what was refused at the door once, beside the actors', async () => {
      const journal = await open()
      await journal.refuse(refusal)
      await journal.refuse(refusal)
      const entries = await allOf(journal)
      expect(entries.map(({ type, id, record }) => [type, id, 'refused' in record && record.refused.verb])).toEqual([
        ['worker', undefined, 'Explode'],
      ])
    })

    test('reads from a position on, one record by its sequence, and forgets what is purged', async () => {
      const journal = await open()
      const [one, two] = [
        { type: 'worker', id: 'one' },
        { type: 'worker', id: 'two' },
      ]
      const first = await journal.append(one, commitOf(1), 0)
      await journal.append(two, commitOf(1), 0)
      const third = await journal.append(one, commitOf(2), first)
      expect((await commitsOf(journal, one, first)).map(({ seq }) => seq)).toEqual([third])
      expect(await commitsOf(journal, one, third)).toEqual([])
      expect(await journal.at(third)).toMatchObject({ type: 'worker', id: 'one', record: { n: 2 } })
      expect(await journal.at(third + 1)).toBeUndefined()
      await journal.purge(one, third)
      expect(await journal.at(first)).toBeUndefined()
      expect((await allOf(journal)).map(({ id, record }) => [id, 'n' in record && record.n])).toEqual([
        ['two', 1],
        ['one', 2],
      ])
      await expect(journal.append(one, commitOf(1), 0)).rejects.toThrow(Conflict)
      await journal.purge(one)
      expect(await journal.last(one)).toBeUndefined()
      expect((await journal.last(two))?.commit.n).toBe(1)
    })

    test('a reading of everything ends when enough was read, and where its newest record was purged meanwhile', async () => {
      const journal = await open()
      const one = { type: 'worker', id: 'one' }
      let seq = 0
      for (let n = 1; n <= 5; n++) seq = await journal.append(one, commitOf(n), seq)
      const some: number[] = []
      await journal.readAll(0, (entry) => some.push(entry.seq) < 3)
      expect(some).toHaveLength(3)
      const two = { type: 'worker', id: 'two' }
      await journal.append(two, commitOf(1), 0)
      await journal.purge(two) // the newest sequence is now of a record that is no more
      expect(await allOf(journal)).toHaveLength(5)
      expect(await allOf(journal, seq)).toEqual([])
    })

    test('reads a long history among those of others, and thousands of histories at the same time', async () => {
      const journal = await open()
      const long = { type: 'worker', id: 'long' }
      let seq = 0
      for (let n = 1; n <= 1_200; n++) {
        const other = { type: 'worker', id: `w${n}` }
        const [stored] = await Promise.all([journal.append(long, commitOf(n), seq), journal.append(other, commitOf(1), 0)])
        seq = stored
      }
      const ns = (await commitsOf(journal, long)).map(({ commit }) => commit.n)
      expect(ns).toEqual(Array.from({ length: 1_200 }, (_, index) => index + 1))
      const ids = Array.from({ length: 2_400 }, (_, index) => `w${1 + (index % 1_200)}`)
      const all = await Promise.all(ids.map((id) => commitsOf(journal, { type: 'worker', id })))
      expect(all.map((commits) => commits.map(({ actor }) => actor.id))).toEqual(ids.map((id) => [id]))
    })

    test('what follows is told in order, however much comes while nobody takes it', async () => {
      const journal = await open()
      const actor = { type: 'worker', id: 'one' }
      let seq = 0
      for (let n = 1; n <= 1_500; n++) seq = await journal.append(actor, commitOf(n), seq)
      const stop = new AbortController()
      const ns: number[] = []
      for await (const { record } of journal.follow(0, stop.signal)) {
        if ('n' in record) ns.push(record.n)
        if (ns.length === 1) await new Promise((resolve) => setTimeout(resolve, 300))
        if (ns.length === 1_500) stop.abort()
      }
      expect(ns).toEqual(Array.from({ length: 1_500 }, (_, index) => index + 1))
    })

    test('follows what is there and what comes, from a position on', async () => {
      const journal = await open()
      const actor = { type: 'worker', id: 'one' }
      const first = await journal.append(actor, commitOf(1), 0)
      const second = await journal.append(actor, commitOf(2), first)
      const stop = new AbortController()
      const followed: Entry[] = []
      const following = (async () => {
        for await (const entry of journal.follow(first, stop.signal)) if (followed.push(entry) === 2) stop.abort()
      })()
      await journal.append(actor, commitOf(3), second)
      await following
      expect(followed.map(({ record }) => 'n' in record && record.n)).toEqual([2, 3])
    })
  })
}
