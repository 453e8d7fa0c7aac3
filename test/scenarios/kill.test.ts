import { expect, test } from 'vitest'
import { startUp, type Told, withHome } from '../up.ts'
import { expectNothingLost } from './accounts.ts'

const NODES = 30

const nth = (fact: string, count: number) => {
  let seen = 0
  return (told: Told) => told.fact === fact && ++seen === count
}
/** Ten different moments of an automation under way. */
const moments: readonly (readonly [string, () => (told: Told) => boolean])[] = [
  ['a wave was chosen', () => nth('evictor.NodeChosen', 1)],
  ['a drain was accepted', () => nth('controller.ActionAccepted', 1)],
  ['a node was cordoned', () => nth('controller.NodeCordoned', 1)],
  ['many nodes were cordoned', () => nth('controller.NodeCordoned', 8)],
  ['the first pod had left', () => nth('controller.StepDone', 1)],
  ['the second pod had left', () => nth('controller.StepDone', 2)],
  ['the fifth pod had left', () => nth('controller.StepDone', 5)],
  ['a drain was done', () => nth('controller.ActionDone', 1)],
  ['a node was emptied', () => nth('evictor.NodeEmptied', 4)],
  ['a node was removed', () => nth('evictor.NodeRemoved', 1)],
]

test.concurrent.each(moments)(
  'kill -9 after %s: the drain goes on where it was; nothing is lost, nothing is done twice',
  { timeout: 150_000 },
  async (_, moment) => {
    await withHome(async (home) => {
      const first = await startUp(home, '--nodes', String(NODES))
      await first.until('the first plan', ({ fact }) => fact === 'evictor.PlanMade')
      const killed = first.until('the moment', moment())
      expect(await first.call('Promote')).toMatchObject({ ok: true })
      await killed
      await first.kill()

      const second = await startUp(home, '--nodes', String(NODES))
      try {
        expect((await second.status()).phase).toBe('automating')
        await expectNothingLost(second, home, NODES)
      } finally {
        await second.stop()
      }
    })
  },
)
