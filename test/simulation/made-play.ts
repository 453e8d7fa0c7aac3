import type { Script } from './effects.ts'
import { hubDef } from './hub.ts'
import type { Order, Play } from './play.ts'
import type { Random } from './random.ts'
import { helperDef, workerDef } from './worker-actor.ts'

const hub = (verb: string, payload: object = {}): Order => ({ type: 'hub', verb, payload })
const workerId = (random: Random): string => `w${random.below(12)}`

const order = (random: Random): Order => {
  const id = workerId(random)
  const chosen = random.fraction()
  if (chosen < 0.4) return hub('Hire', { id })
  if (chosen < 0.46) return hub('Fire', { id })
  if (chosen < 0.6) return hub('Push', { id })
  if (chosen < 0.62) return hub('Explode')
  if (chosen < 0.64) return { type: 'worker', verb: 'Push', id: 'nobody', payload: {} }
  if (chosen < 0.66) return hub('Hire', { colour: id })
  return hub(random.pick(['Start', 'Start', 'Rest', 'Watch', 'Turn', 'Shut', 'Reopen', 'Gamble', 'Poison']))
}

/** How the effects of these machines go. */
const script: Script = (effect, _, random) => {
  if (effect === 'observe')
    return { reports: Array.from({ length: random.below(4) }, (__, what) => ({ type: 'hub.Seen', what })) }
  if (effect === 'gamble' && random.happens(0.4)) return { error: 'Refused' }
  if (random.happens(0.06)) return { error: random.pick(['Unavailable', 'Refused']) }
  return { output: effect === 'gamble' ? { won: true } : effect === 'count' ? 1 : null }
}

type Value = { readonly pulse: string; readonly watch: string; readonly luck: string; readonly door: unknown }

/** The machines made for the simulation, and people who hire, fire and push. */
export const madePlay: Play = {
  definitions: [hubDef, workerDef, helperDef],
  root: { address: { type: 'hub', id: 'main' } },
  unhosted: ['ghost'],
  governor: {
    actor: { type: 'hub', id: 'main' },
    permits: (value, reach) =>
      reach === 'disruptive' && (value as Value | undefined)?.door === 'shut' ? 'the door is shut' : undefined,
  },
  script,
  order,
  rest: [hub('Rest'), hub('Reopen')],
  isAtRest: ({ to, n }) => {
    const { pulse, watch, luck } = to as Value
    return n > 0 && pulse === 'still' && watch === 'blind' && luck === 'none'
  },
  expected: ['the machine threw: the event is set aside', 'effect failed for good and is parked', 'the actor can not begin'],
}
