import { expect, test } from 'vitest'
import { type Book, book } from '../../src/runtime/fold.ts'
import { isActor } from '../../src/runtime/history.ts'
import { hydrate } from '../../src/runtime/persist.ts'
import { migrated, newInvokes } from '../../src/runtime/versions.ts'
import { everyShipped } from '../shipped.ts'
import { files, recording } from './read.ts'

const recorded = files
  .filter((file) => file.startsWith('cluster-'))
  .flatMap((file) => recording(file).actors)
  .filter(({ actor }) => isActor(actor.type))

test.each(everyShipped.filter(({ version }) => version > 1))(
  'carried over: $type can be taken over in every state in which an older machine was ever recorded',
  (definition) => {
    const states = new Set<string>()
    for (const { actor, commits } of recorded.filter((each) => each.actor.type === definition.type)) {
      let known: Book | undefined
      for (const commit of commits) {
        known = book(known, actor, commit, commit.n)
        if (known.mv >= definition.version) continue
        const state = migrated(definition, actor, known)
        const snapshot = hydrate(definition.machine, state)
        states.add(JSON.stringify(snapshot.value))
        // What its states ask for can be asked for with the context that was carried over.
        if (state.status === 'active') newInvokes(definition, actor, snapshot, commit.ts)
      }
    }
    expect(states.size).toBeGreaterThan(0)
  },
)
