import { expect, test } from 'vitest'
import { startFrugal } from '../../src/commands/up/frugal.ts'
import type { Log } from '../../src/runtime/ground.ts'

const GIB = 2 ** 30

test('frugal: short of memory everything is kept smaller, and as before when there is enough again', async () => {
  const [said, kept]: [string[], number[]] = [[], []]
  const allowed: object[] = []
  const shares = [0.5, 0.8, 0.95, 0.82, 0.7, 0.3]
  const over = Promise.withResolvers<void>()
  const log: Log = {
    debug: () => {},
    info: (_, message) => said.push(`info ${message}`),
    warn: (fields, message) => said.push(`warn ${(fields as { pressure: string }).pressure} ${message.split(':')[0]}`),
    error: () => {},
  }
  const look = () => {
    allowed.push(frugal.allowance())
    if (shares.length === 0) over.resolve()
    return { containerLimit: GIB, heapLimit: 4 * GIB, resident: (shares.shift() ?? 0.3) * GIB, heapUsed: 0 }
  }
  const frugal = startFrugal(log, { look, everyMs: 1 })
  frugal.govern({ keep: (residents) => kept.push(residents) })
  await over.promise
  frugal.stop()
  const none = { page: 500, waiting: 4_096, residents: 20_000 }
  const some = { page: 100, waiting: 512, residents: 2_000 }
  const high = { page: 25, waiting: 64, residents: 200 }
  expect(allowed.slice(0, 7)).toEqual([none, none, some, high, high, some, none])
  expect(kept).toEqual([2_000, 200, 2_000, 20_000])
  expect(said).toEqual([
    'warn some memory is short',
    'warn high memory is short',
    'warn some memory is short',
    'info there is memory to spare again',
  ])
})
