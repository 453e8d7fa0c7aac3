import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { isActor } from '../../src/runtime/history.ts'
import { addressOf, type Commit, type Definition } from '../../src/runtime/types.ts'
import { verdictLine, verify } from '../../src/runtime/verify.ts'
import { everyShipped } from '../shipped.ts'
import { pressDefinitions } from './press.ts'
import { files, kindsOf, recording } from './read.ts'
import { pressStory } from './record.ts'

const definitionsOf = (file: string): readonly Definition[] => {
  if (file.startsWith('cluster-')) return everyShipped
  if (file === 'loss.jsonl') return []
  if (file === 'press.jsonl') return pressDefinitions(2, () => Promise.reject(new Error('a replay runs no effect')))
  throw new Error(`test/corpus/${file}: nobody says whose machines wrote it`)
}

test.each(files)('corpus: %s comes out the same today', (file) => {
  const definitions = definitionsOf(file)
  const actors = recording(file).actors.filter(({ actor }) => isActor(actor.type))
  const verdicts = actors.map(({ actor, commits }) => {
    const definition = definitions.find(({ type }) => type === actor.type)
    if (!definition) throw new Error(`${file}: nobody defines ${actor.type}`)
    return verify(definition, actor, commits)
  })
  expect(verdicts.filter(({ fault }) => fault).map(verdictLine)).toEqual([])
  // Where all machines are older by now nothing is decided again: it is folded, and carried over (carried-over.test.ts).
  if (verdicts.some(({ commits, older }) => commits > older))
    expect(verdicts.reduce((sum, { executed }) => sum + executed, 0)).toBeGreaterThan(0)
})

/** Every kind of commit that the runtime writes without a machine, by the words of its source. */
const known = readdirSync('src/runtime')
  .filter((name) => name.endsWith('.ts'))
  .flatMap((name) => [...readFileSync(join('src/runtime', name), 'utf8').matchAll(/\btype: '(\$[a-z.]+)'(?!, id:)/g)])
  .map(([, kind = '']) => kind)

test('corpus: every kind of record that the runtime can write is in it', () => {
  expect(known).toEqual(expect.arrayContaining(['$opened', '$migrated', '$checkpoint', '$fx.done', '$stop']))
  const recorded = new Set(files.flatMap((file) => [...kindsOf(recording(file))]))
  expect([...new Set([...known, 'event', 'refused'])].filter((kind) => !recorded.has(kind))).toEqual([])
})

test('corpus: the story that was recorded, told again, comes out as it was', async () => {
  const { journal } = await pressStory()
  const { actors } = recording('press.jsonl')
  const decided = ({ n, ev, to, fx, em, done, tdel, tset }: Commit) => ({ n, ev, to, fx, em, done, tdel, tset })
  for (const { actor, commits } of actors) expect(journal.of(actor).map(decided), addressOf(actor)).toEqual(commits.map(decided))
})
