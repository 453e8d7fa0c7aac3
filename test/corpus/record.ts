import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { subjects } from '../../src/events/subjects.ts'
import { acceptLoss } from '../../src/runtime/accept-loss.ts'
import { systemChance } from '../../src/runtime/chance.ts'
import type { Host } from '../../src/runtime/host.ts'
import type { Traces } from '../../src/runtime/loss.ts'
import { type MemoryJournal, memoryJournal } from '../../src/runtime/testing/memory-journal.ts'
import { virtualClock } from '../../src/runtime/testing/virtual-clock.ts'
import { type Bed, bed } from '../runtime/bed.ts'
import { pressDefinitions, pressSelf, type Work } from './press.ts'

// `node test/corpus/record.ts STORY FILE` tells a story once more, and writes what it journals. Only for a kind of
// record that no recording has: a recording is kept for ever, a new one gets a new name.

/** The life of a press in two releases, in which every kind of record is written. */
export const pressStory = async (): Promise<Bed> => {
  let fails = false
  let sent = 0
  const work: Work = async (name) => {
    if (name === 'print' && fails) throw new Error('out of paper')
    return { sheets: 1 }
  }
  const story = bed(pressDefinitions(1, work), pressSelf)
  const { journal, inbox, clock } = story
  const call = async (verb: string, payload: object = {}): Promise<void> => {
    await inbox.call('press', verb, payload, `recorder/${++sent}`)
    await clock.advance(200)
  }
  const parked = () => ({ key: journal.of(pressSelf).findLast(({ ev }) => ev.type === '$fx.parked')?.ev['key'] })
  const host = async (name: string, release: 1 | 2): Promise<Host> =>
    story.process(name, { definitions: pressDefinitions(release, work) })
  const checkpoint = async (hosting: Host): Promise<void> => {
    await hosting
      .actors()
      .find(({ self }) => self.type === 'press')
      ?.checkpoint()
  }
  const day = async (): Promise<void> => {
    await call('Ink', { millilitres: 500 })
    await call('Print', { title: 'one' }) // an action, an effect, a fact, a timer
    await call('Print', { title: 'too soon' }) // refused: the sheet dries
    await call('Fold') // refused at the door
    await clock.advance(60_000)
    await call('Jam') // the machine throws
    await call('Hire', { name: 'ann' })
    await call('Hire', { name: 'nobody' }) // stillborn
    await call('Tell', { to: 'clerk/ann', event: { type: 'press.Jam' } }) // ignored
    await call('Hire', { name: 'bob' })
    await call('Fire', { name: 'bob' }) // stopped
    await call('Tell', { to: 'clerk/ann', event: { type: 'clerk.Dismiss' } }) // done: its parent hears it
    fails = true
    await call('Print', { title: 'two' }) // parked
    await call('RetryEffect', parked()) // parked again
    await call('DiscardEffect', parked())
    await call('Stop')
    fails = false
    await call('Print', { title: 'three' })
  }

  const first = await host('first', 1)
  await day()
  await checkpoint(first)
  await first.stop()
  await clock.advance(5_000)
  await (await host('second', 1)).stop() // opened, with a timer dated anew
  const third = await host('third', 2) // migrated
  await clock.advance(60_000)
  await day()
  await checkpoint(third)
  await third.stop()
  const fourth = await host('fourth', 2) // opened
  await clock.advance(120_000)
  await fourth.stop()
  return story
}

/** A journal of which nothing is left, and whose loss is accepted: what the runtime notes of it. */
const lossStory = async (): Promise<MemoryJournal> => {
  const journal = memoryJournal()
  const end = async () => ({ last: 0, held: 0 })
  const traces: Traces = { end, newest: async () => [], told: async function* () {}, withdraw: async () => 0 }
  const acceptance = { journal, traces, clock: virtualClock(), chance: systemChance, process: 'recorder' }
  await acceptLoss(acceptance, { held: 0, until: 3, actors: [], refusals: 0, where: ['EVENTS 2'] })
  return journal
}

const stories: Readonly<Record<string, () => Promise<MemoryJournal>>> = {
  press: async () => (await pressStory()).journal,
  loss: lossStory,
}

if (import.meta.main) {
  const [, , story = '', file = ''] = process.argv
  const tell = stories[story]
  if (!tell || file === '') throw new Error(`say which story (${Object.keys(stories).join(', ')}) and the file to write`)
  const subject = subjects('corpus')
  const lines = (await tell()).entries.map(({ seq, type, id, record }) =>
    JSON.stringify({ seq, subject: id === undefined ? `qm.corpus.journal.${type}.$refused` : subject.journal(type, id), record }),
  )
  writeFileSync(join(import.meta.dirname, file), `${lines.join('\n')}\n`)
}
