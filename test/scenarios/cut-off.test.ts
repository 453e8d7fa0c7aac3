import { expect, test, vi } from 'vitest'
import { LICENCE_MS, STEP_MS } from '../../src/runtime/licence.ts'
import type { Told, Up } from '../up.ts'
import { expectNothingLost } from './accounts.ts'
import { type Apart, apart, type Process, type Write } from './apart.ts'

const NODES = 30
/** For a machine that is busy with other things. */
const SLACK_MS = 1_000
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
const is = (fact: string) => (told: Told) => told.fact === fact

const startHosting = async (world: Apart): Promise<Process> => {
  const process = await world.start()
  await vi.waitUntil(() => process.hosts() || process.child.exitCode !== null, { timeout: 60_000 })
  if (!process.hosts()) throw new Error(`the process ended:\n${process.output()}`)
  return process
}
const evicts = ({ method, path }: Write): boolean => method === 'POST' && path.endsWith('/eviction')
const disruptive = (write: Write): boolean => write.method === 'DELETE' || write.method === 'PATCH' || evicts(write)

test('cut off from NATS: nothing disruptive starts three seconds later; afterwards it goes on, and nothing is lost', {
  timeout: 180_000,
}, async () => {
  await using world = await apart(NODES)
  const process = await startHosting(world)
  await world.up.until('the first plan', is('evictor.PlanMade'))
  await world.up.call('Promote')
  await vi.waitUntil(() => process.writes.some(disruptive), { timeout: 60_000, interval: 5 })
  // An eviction is not answered from now on before its time is over, and is tried again: by then without a licence, which is
  // good for three seconds, and without the actors, whose lease is given up after four. Either net alone holds this.
  await world.slowDown(STEP_MS + 500, ['POST'])
  const before = process.writes.length
  await vi.waitUntil(() => process.writes.slice(before).some(evicts), { timeout: 60_000, interval: 5 })
  process.nats.hold()
  const cutAt = Date.now()
  await pause(STEP_MS + LICENCE_MS + 2_000)
  const late = process.writes.filter((write) => disruptive(write) && write.at > cutAt + LICENCE_MS + SLACK_MS)
  expect(late).toEqual([])

  await world.slowDown(0, [])
  process.nats.cut()
  process.nats.mend()
  const at = world.up.told.length
  await world.up.until('work again', (told) => is('evictor.NodeRemoved')(told) && world.up.told.indexOf(told) >= at)
  await expectNothingLost(world.up as Up, world.home, NODES)
})

test('the brake with a process that does not answer: it is held when nothing can be under way any more, and says so', {
  timeout: 150_000,
}, async () => {
  await using world = await apart(NODES)
  await startHosting(world)
  const silent = await world.start()
  const processes = async (): Promise<number> => {
    const kv = await world.nats.nc.jetstream().views.kv('processes')
    const keys: string[] = []
    for await (const key of await kv.keys()) keys.push(key)
    return keys.length
  }
  await vi.waitUntil(async () => (await processes()) === 2, { timeout: 60_000, interval: 250 })
  await world.up.until('the first plan', is('evictor.PlanMade'))
  await world.up.call('Promote')
  await world.up.until('a node cordoned', is('controller.NodeCordoned'))

  silent.child.kill('SIGSTOP')
  const heldAt = performance.now()
  expect(await world.up.call('Hold', { reason: 'maintenance' })).toMatchObject({ ok: true })
  const held = await world.up.until('held', is('cluster.BrakeHeld'))
  expect(held.data).toMatchObject({ processes: 2, unanswered: 1, inFlight: 0 })
  expect(performance.now() - heldAt, 'not before it is certain').toBeGreaterThan(LICENCE_MS + STEP_MS)

  silent.child.kill('SIGCONT')
  await world.up.call('Release')
  await world.up.until('released', is('cluster.BrakeReleased'))
  const again = world.up.told.length
  expect(await world.up.call('Hold', { reason: 'maintenance' })).toMatchObject({ ok: true })
  const all = await world.up.until('held again', (told) => is('cluster.BrakeHeld')(told) && world.up.told.indexOf(told) >= again)
  expect(all.data).toMatchObject({ processes: 2, unanswered: 0, inFlight: 0 })
})

test('a killed process is followed by the one that waits: what it decided is gone on with, nothing is lost', {
  timeout: 150_000,
}, async () => {
  await using world = await apart(NODES)
  const first = await startHosting(world)
  const second = await world.start()
  await world.up.until('the first plan', is('evictor.PlanMade'))
  await world.up.call('Promote')
  await world.up.until('the first pod has left', is('controller.StepDone'))
  expect(second.hosts()).toBe(false)
  const killedAt = Date.now()
  await first.end('SIGKILL')
  await vi.waitUntil(() => second.writes.some(disruptive), { timeout: 60_000 })
  // A request of the first may have been under way for one step.
  expect(second.writes.find(disruptive)?.at).toBeGreaterThan(killedAt + STEP_MS)
  await expectNothingLost(world.up as Up, world.home, NODES)
})
