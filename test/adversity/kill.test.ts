import { expect, test } from 'vitest'
import { killAgainAndAgain } from '../../bench/kill/run.ts'
import { natsBinary } from '../nats.ts'

const KILLS = 15

test('kill -9 of the whole system, again and again: no command is lost, nothing is done twice, every journal is gapless', {
  timeout: 240_000,
}, async () => {
  const report = await killAgainAndAgain({ kills: KILLS, seed: 7, natsBinary: natsBinary() })
  expect(report.discrepancies).toEqual([])
  expect(report).toMatchObject({ kills: KILLS, commands: { lost: 0 }, world: { doubled: 0 } })
  expect(report.whileServing).toBeGreaterThan(KILLS / 3)
  expect(report.commands.acknowledged).toBeGreaterThan(KILLS)
})
