import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { Archive, Chapter } from '../../src/runtime/archive.ts'
import type { Stored } from '../../src/runtime/journal.ts'
import type { Address } from '../../src/runtime/types.ts'
import { commitOf } from './journal.ts'

/** As hard to compress as a real one, and the same every time. */
const nonceOf = (text: string): string => createHash('sha256').update(text).digest('hex')

/** Commits `first` to `last` of an actor, one at each time. */
export const chapterOf = (id: string, first: number, last: number, at = (n: number): number => n): Chapter => {
  const actor = { type: 'worker', id }
  const commits = Array.from({ length: last - first + 1 }, (_, index): Stored => {
    const n = first + index
    return {
      seq: 100 + n,
      actor,
      commit: commitOf(n, {
        nonce: nonceOf(`${id}/${n}`),
        ts: at(n),
        corr: `${id} worker/${id} ${at(n)} é\u0001\u0002$&\n{"type":"worker"`,
      }),
    }
  })
  return { actor, commits }
}

export const archivedOf = async (archive: Archive, actor: Address): Promise<readonly Stored[]> => {
  const found: Stored[] = []
  await archive.read(actor, (stored) => void found.push(stored))
  return found
}
const during = async (archive: Archive, from: number, to: number): Promise<readonly string[]> => {
  const found: Stored[] = []
  await archive.between(from, to, (stored) => void found.push(stored))
  return found.map(({ actor, commit }) => `${actor.id} ${commit.n}`)
}

/** What every archive promises. */
export const archiveContract = (name: string, open: () => Promise<Archive>): void => {
  describe(`archive, ${name}`, () => {
    test('what was written is read as it was, each actor by itself, whatever is in their ids', async () => {
      const archive = await open()
      const chapters = ['b', 'a', 'a.b*>_= ü/1', 'line\nbreak', 'worker', '"', '$&', '\u0001', '1', '11', ''].map((id) =>
        chapterOf(id, 1, 3),
      )
      await archive.write(chapters)
      for (const { actor, commits } of chapters) expect(await archivedOf(archive, actor)).toEqual(commits)
      expect(await archivedOf(archive, { type: 'worker', id: 'nobody' })).toEqual([])
      expect(await archivedOf(archive, { type: 'other', id: 'a' })).toEqual([])
    })

    test('an actor is found among many', async () => {
      const archive = await open()
      const chapters = Array.from({ length: 60 }, (_, index) => chapterOf(`${1_000 + index}`, 1, 2))
      await archive.write(chapters)
      for (const index of [0, 1, 30, 59])
        expect(await archivedOf(archive, { type: 'worker', id: `${1_000 + index}` })).toEqual(chapters[index]?.commits)
      expect(await archivedOf(archive, { type: 'worker', id: '1030-not' })).toEqual([])
    })

    test('a history in parts is read whole, in order and each commit once, also when parts overlap', async () => {
      const archive = await open()
      const whole = chapterOf('one', 1, 9)
      for (const [first, last] of [
        [1, 3],
        [1, 4], // written again after a crash, and more
        [5, 8],
        [5, 8],
        [9, 9],
      ] as const)
        await archive.write([chapterOf('one', first, last), chapterOf(`other-${first}-${last}`, 1, 2, () => 0)])
      expect(await archivedOf(archive, whole.actor)).toEqual(whole.commits)
      expect((await during(archive, 2, 6)).filter((entry) => entry.startsWith('one'))).toEqual([
        'one 2',
        'one 3',
        'one 4',
        'one 5',
        'one 6',
      ])
    })

    test('parts of one millisecond are read in order, in whatever order they were written', async () => {
      const archive = await open()
      await archive.write([chapterOf('one', 4, 6, () => 7)])
      await archive.write([chapterOf('one', 1, 3, () => 7)])
      expect(await archivedOf(archive, { type: 'worker', id: 'one' })).toEqual(chapterOf('one', 1, 6, () => 7).commits)
    })

    test('between two times are those that were written then, at the limits too', async () => {
      const archive = await open()
      await archive.write([chapterOf('one', 1, 4, (n) => 10 * n)])
      await archive.write([chapterOf('two', 1, 4, (n) => 10 * n + 5)])
      expect(await during(archive, 20, 30)).toEqual(['one 2', 'one 3', 'two 2'])
      expect(await during(archive, 46, 99)).toEqual([])
    })

    test('nothing to write is nothing', async () => {
      const archive = await open()
      await archive.write([])
      await archive.write([{ actor: { type: 'worker', id: 'one' }, commits: [] }])
      expect(await during(archive, 0, 1e15)).toEqual([])
    })
  })
}
